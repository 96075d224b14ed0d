"""With a deep cache the whole network runs at every so many steps, and nobody notices who else is painted."""

import gc
import weakref
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from core.generation import deepcache
from core.generation.compiling import TorchCompiler
from core.generation.defaults import Defaults, read_defaults
from core.generation.loading import load_pipeline
from core.generation.playground import (
    NOT_COMPILED,
    ModelIdentity,
    PictureInProgress,
    PlaygroundModel,
    PlaygroundOptions,
)
from core.generation.presets import ALWAYS, PRESETS, SpeedPreset
from core.generation.protocol import GenerationRequest
from core.generation.unet import Compilation
from core.models import ModelStore
from core.options import Compiling, Speed
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

TOLERANCE = 1e-4


def speed(every: int, guided_between: tuple[float, float] = ALWAYS) -> SpeedPreset:
    return SpeedPreset(f"every {every}", every, guided_between, False, "")


def model_of(pipeline: StableDiffusionXLPipeline, preset: SpeedPreset, *, adapters: Path = Path("none"),
             compilation: Compilation = NOT_COMPILED) -> PlaygroundModel:  # fmt: skip
    options = PlaygroundOptions(Defaults(), preset, adapters, 0, compilation=compilation)
    return PlaygroundModel(pipeline, ModelIdentity("tiny", "1", False), options)


def tiny(directory: Path) -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline.from_pretrained(directory)


def asked(text: str, *, steps: int, guidance: float, seed: int, adapter: str | None = None) -> GenerationRequest:
    return GenerationRequest(Prompt(text, ""), seed, steps, guidance, (32, 32), adapter)


def alone(model: PlaygroundModel, request: GenerationRequest) -> Tensor:
    state = model.prepare(request)
    while not model.is_finished(state):
        [state] = model.step([state])
    return state.member.latent


def stepped(model: PlaygroundModel, states: Iterable[PictureInProgress]) -> list[PictureInProgress]:
    """One tick: each group one step further."""
    groups: dict[object, list[PictureInProgress]] = {}
    for state in states:
        groups.setdefault(model.group_of(state), []).append(state)
    return [state for group in groups.values() for state in model.step(group)]


def held(state: PictureInProgress) -> list[Tensor]:
    return [values for features in state.deep.values() for values in features.values]


SDXL: dict[str, Any] = {
    "block_out_channels": (8, 16, 32),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 2, 3),
}
MINIATURE: dict[str, Any] = {
    "block_out_channels": (8, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
}


def unet_of(layout: dict[str, Any]) -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=16, attention_head_dim=2, norm_num_groups=4, cross_attention_dim=16, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=4, projection_class_embeddings_input_dim=40, **layout,
    )  # fmt: skip


@pytest.mark.parametrize("layout", [SDXL, MINIATURE])
@torch.inference_mode()
def test_both_depths_equal_the_network_s_own_forward_where_the_input_is_the_same(layout: dict[str, Any]) -> None:
    unet = unet_of(layout)
    assert deepcache.misfit(unet) == ""
    sample, noise, text = torch.randn(2, 4, 16, 24), torch.tensor([0.1, 0.9]), torch.randn(2, 7, 16)
    added = {"text_embeds": torch.randn(2, 16), "time_ids": torch.ones(2, 6)}
    own = unet(sample, noise, encoder_hidden_states=text, added_cond_kwargs=added, return_dict=False)[0]
    output, deep = deepcache.full(unet, sample, noise, text, added)
    assert torch.equal(output, own)
    assert torch.equal(deepcache.shallow(unet, sample, noise, text, added, deep), own)


@pytest.mark.parametrize(
    "changed",
    [
        {"block_out_channels": (8,), "down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)},
        {"down_block_types": ("AttnDownBlock2D", "DownBlock2D")},
        {"center_input_sample": True},
        {"mid_block_type": None},
    ],
)
def test_network_of_another_layout_is_known(changed: dict[str, Any]) -> None:
    assert deepcache.misfit(unet_of(MINIATURE | changed))


def test_network_of_another_layout_is_run_whole_and_the_log_says_so(
    tiny_pipeline: Path, caplog: pytest.LogCaptureFixture
) -> None:
    odd = tiny(tiny_pipeline)
    odd.unet.class_embedding = torch.nn.Identity()
    cached = model_of(odd, speed(2))
    assert "cannot be run shallow" in caplog.text
    odd.unet.class_embedding = None
    request = asked("a dog", steps=5, guidance=3, seed=1)
    assert torch.equal(alone(cached, request), alone(model_of(tiny(tiny_pipeline), speed(1)), request))


def test_every_one_is_bit_equal_to_exact_and_two_is_not(tiny_pipeline: Path) -> None:
    request = asked("a dog", steps=6, guidance=3, seed=1)
    exact = alone(model_of(tiny(tiny_pipeline), PRESETS[Speed.EXACT]), request)
    assert torch.equal(alone(model_of(tiny(tiny_pipeline), speed(1)), request), exact)
    assert not torch.equal(alone(model_of(tiny(tiny_pipeline), speed(2)), request), exact)


@pytest.mark.parametrize("every", [2, 3])
@pytest.mark.parametrize("guided_between", [ALWAYS, (0.28, 5.42), (1.0, 20.0)])
def test_members_that_join_leave_and_are_guided_or_not_are_painted_as_alone(
    every: int, guided_between: tuple[float, float], tiny_pipeline: Path
) -> None:
    """They join at ticks 0, 1, 3 and 4 and have 2 to 11 steps; one is given up at tick 5, another never guided."""
    model = model_of(tiny(tiny_pipeline), speed(every, guided_between))
    joins = {
        0: asked("a dog", steps=9, guidance=3, seed=1),
        1: asked("a cat", steps=11, guidance=1, seed=2),
        3: asked("rain", steps=5, guidance=8, seed=3),
        4: asked("a train", steps=2, guidance=4.5, seed=4),
    }
    expected = {request.seed: alone(model, request) for request in joins.values() if request.seed != 3}
    entering: list[GenerationRequest] = []
    going: list[PictureInProgress] = []
    done: dict[int, Tensor] = {}
    for tick in range(20):
        entering += [joins[tick]] if tick in joins else []
        if model.takes_newcomers(going):
            going += map(model.prepare, entering)
            entering = []
        going = stepped(model, [state for state in going if (tick, state.recipe.seed) != (5, 3)])
        assert len({model.group_of(state) for state in going if not model.is_finished(state)}) <= 1, "out of step"
        done |= {state.recipe.seed: state.member.latent for state in going if model.is_finished(state)}
        going = [state for state in going if not model.is_finished(state)]
    assert set(done) - {3} == set(expected)
    for seed, latent in expected.items():
        assert (done[seed] - latent).abs().max() < TOLERANCE


def test_members_out_of_step_are_painted_as_alone_too(tiny_pipeline: Path) -> None:
    """As after a rest for memory: they share no batch then."""
    model = model_of(tiny(tiny_pipeline), speed(2))
    requests = [asked("a dog", steps=6, guidance=3, seed=1), asked("a cat", steps=5, guidance=3, seed=2)]
    first, second = map(model.prepare, requests)
    states = [*model.step([first]), second]
    assert model.group_of(states[0]) != model.group_of(states[1])
    assert model.takes_newcomers(states), "or they could wait for ever"
    done: dict[int, Tensor] = {}
    while states:
        states = stepped(model, states)
        done |= {state.recipe.seed: state.member.latent for state in states if model.is_finished(state)}
        states = [state for state in states if not model.is_finished(state)]
    for request in requests:
        assert (done[request.seed] - alone(model, request)).abs().max() < TOLERANCE


def test_an_adapter_that_comes_in_between_leaves_those_under_way_as_they_are(
    tiny_pipeline: Path, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    pipeline = tiny(tiny_pipeline)
    config = LoraConfig(r=4, lora_alpha=4, init_lora_weights=False, target_modules=["to_q", "to_k", "to_v"])
    pipeline.unet.add_adapter(config)
    StableDiffusionXLPipeline.save_lora_weights(tmp_path, unet_lora_layers=get_peft_model_state_dict(pipeline.unet))
    (tmp_path / "pytorch_lora_weights.safetensors").rename(tmp_path / "hands.safetensors")
    bare = asked("a dog", steps=7, guidance=3, seed=1)
    handed = asked("a dog", steps=4, guidance=3, seed=1, adapter="hands")
    expected = alone(model_of(tiny(tiny_pipeline), speed(2)), bare)
    model = model_of(tiny(tiny_pipeline), speed(2), adapters=tmp_path)
    [going] = model.step([model.prepare(bare)])
    [going] = model.step([going])
    states = [going, model.prepare(handed)]  # the adapter is loaded here, between two of the other's steps
    latents: dict[str | None, Tensor] = {}
    while states:
        states = stepped(model, states)
        latents |= {state.recipe.adapter: state.member.latent for state in states if model.is_finished(state)}
        states = [state for state in states if not model.is_finished(state)]
    assert (latents[None] - expected).abs().max() < TOLERANCE
    assert (latents["hands"] - alone(model, handed)).abs().max() < TOLERANCE
    assert (latents["hands"] - alone(model, replace(handed, adapter=None))).abs().max() > TOLERANCE


def test_features_go_with_their_picture_and_none_are_kept_beyond_need(tiny_pipeline: Path) -> None:
    model = model_of(tiny(tiny_pipeline), speed(2))
    requests = [asked("a dog", steps=4, guidance=3, seed=1), asked("a cat", steps=9, guidance=1, seed=2)]
    dog, cat = model.step([model.prepare(request) for request in requests])
    assert [len(held(dog)), len(held(cat))] == [2, 1], "guided: two rows"
    assert all(each.untyped_storage().nbytes() == each.nbytes for each in held(dog)), "no views of the batch's"
    dog, cat = model.step([dog, cat])
    dog, cat = model.step([dog, cat])
    assert [len(held(dog)), len(held(cat))] == [4, 2], "before a shallow step: of two full steps"
    of_dog = [weakref.ref(values) for values in held(dog)]
    dog, cat = model.step([dog, cat])
    assert model.is_finished(dog)
    assert not held(dog), "decoding needs the memory"
    assert len(held(cat)) == 1, "and so does a full step"
    gc.collect()
    assert all(values() is None for values in of_dog)


@pytest.mark.parametrize("how", [Compiling.AUTO, Compiling.WHOLE])
def test_full_and_shallow_steps_both_run_what_is_compiled(tiny_pipeline: Path, how: Compiling) -> None:
    request = asked("a dog", steps=4, guidance=3, seed=1)
    model = model_of(tiny(tiny_pipeline), speed(2), compilation=Compilation(how, make=TorchCompiler({}, "eager")))
    expected = alone(model_of(tiny(tiny_pipeline), speed(2)), request)
    assert torch.equal(alone(model, request), expected), "nothing is compiled yet"
    while model.compile_next():
        pass
    assert (alone(model, request) - expected).abs().max() < TOLERANCE
    assert model.compiled().wanted == model.compiled().as_it_is == 0
    assert not model.compile_next(), "nothing went uncompiled"


def test_pictures_of_the_miniature_stay_close_to_exact() -> None:
    """At 24 steps half the steps, what balanced was before, give 37.3 dB."""
    located = ModelStore(CoreSettings(download_models=False)).image_model(on_gpu=False)
    defaults = read_defaults(located.source)
    pictures = []
    for preset in (PRESETS[Speed.EXACT], PRESETS[Speed.BALANCED]):
        pipeline = load_pipeline(located, torch.device("cpu"), offline=True)
        model = PlaygroundModel(
            pipeline, ModelIdentity("mini", "", True), PlaygroundOptions(defaults, preset, Path("none"), 0)
        )
        words = ("a barking dog", "a steam train in the rain", "a violin")
        states = [model.prepare(GenerationRequest(Prompt(text, ""), n, 24)) for n, text in enumerate(words)]
        while not model.is_finished(states[0]):
            states = model.step(states)
        pictures.append(np.stack([np.asarray(image, float) for image in model.decode(states, tiled=False)]))
    error = float(np.mean((pictures[0] - pictures[1]) ** 2))
    assert 10 * np.log10(255**2 / error) >= 44
