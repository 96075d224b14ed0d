"""The parts of a pipeline go where the plan wants them, and paint as before; the plan is held against what is true."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from core.errors import InvalidOptions, OutOfMemory
from core.generation import placing
from core.generation.adapters import Adapters
from core.generation.conditioning import PromptEncoder
from core.generation.defaults import Defaults
from core.generation.placing import arranged, free_bytes, place, store_in_fp8, weights_of
from core.generation.plan_check import corrected
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS
from core.generation.protocol import GenerationRequest
from core.generation.residence import (
    PLAYGROUND_WEIGHTS,
    Card,
    Home,
    Residence,
    Storage,
    Wanted,
    Weights,
    everything,
    plan,
)
from core.generation.unet import Compilation
from core.options import Compiling, Speed
from core.prompting.prompt import Prompt
from tests.generation.meta_memory import playground_unet
from tests.generation.meta_memory import weights_of as bytes_of
from tests.generation.scripted import ScriptedModel, State

SMALLEST = replace(everything(2), text_encoders=Home.PARKED, unet=Storage.FP8)
GB = 10**9
EVERYTHING_ELSE = torch.device("meta")
"""Stands for a GPU: another device than the processor."""


def load(tiny_pipeline: Path) -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)


@pytest.fixture(scope="module")
def adapters_dir(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters that change much."""
    directory = tmp_path_factory.mktemp("adapters")
    for seed, name in enumerate(("hands", "paws")):
        torch.manual_seed(seed)
        unet = load(tiny_pipeline).unet
        unet.add_adapter(LoraConfig(r=4, target_modules=["to_q", "to_v", "to_out.0"], init_lora_weights=False))
        StableDiffusionXLPipeline.save_lora_weights(
            directory, unet_lora_layers=get_peft_model_state_dict(unet), weight_name=f"{name}.safetensors"
        )
    return directory


def evaluated(pipeline: StableDiffusionXLPipeline) -> Tensor:
    ids = {"text_embeds": torch.ones(1, 32), "time_ids": torch.ones(1, 6)}
    with torch.inference_mode():
        made: Tensor = pipeline.unet(
            torch.ones(1, 4, 16, 16),
            torch.ones(1),
            encoder_hidden_states=torch.ones(1, 77, 64),
            added_cond_kwargs=ids,
            return_dict=False,
        )[0]
    return made


def test_unet_of_true_size_takes_half_when_it_is_stored_in_fp8() -> None:
    unet = playground_unet()
    store_in_fp8(unet)
    assert bytes_of(unet) == pytest.approx(2.57e9, abs=0.05e9)
    assert bytes_of(unet) == pytest.approx(PLAYGROUND_WEIGHTS.unet / 2, rel=0.01), "which the plan counts on"


@pytest.mark.parametrize("hot_swap", [False, True])
def test_adapters_work_on_a_unet_that_is_stored_in_fp8(tiny_pipeline: Path, adapters_dir: Path, hot_swap: bool) -> None:
    """As if they had been loaded before it was stored so; what is loaded keeps all its digits."""
    expected = {}
    for name in ("hands", "paws"):
        pipeline = load(tiny_pipeline)
        Adapters(pipeline, adapters_dir, hot_swap=False).use(name)
        store_in_fp8(pipeline.unet)
        expected[name] = evaluated(pipeline)

    pipeline = load(tiny_pipeline)
    store_in_fp8(pipeline.unet)
    choices = Adapters(pipeline, adapters_dir, hot_swap=hot_swap)
    bare = evaluated(pipeline)
    for name in ("hands", "paws", "hands"):
        choices.use(name)
        assert torch.allclose(evaluated(pipeline), expected[name], atol=1e-5), name
        assert (evaluated(pipeline) - bare).abs().max() > 0.01
        choices.use(None)
        assert torch.equal(evaluated(pipeline), bare)
    types = {weight.dtype for name, weight in pipeline.unet.named_parameters() if "to_q.base_layer" in name}
    assert types == {torch.float8_e4m3fn}


def test_smallest_arrangement_paints_with_and_without_an_adapter(tiny_pipeline: Path, adapters_dir: Path) -> None:
    pipeline = load(tiny_pipeline)
    place(pipeline, torch.device("cpu"), SMALLEST)
    options = PlaygroundOptions(
        Defaults(), PRESETS[Speed.EXACT], adapters_dir, 0, residence=SMALLEST, compilation=Compilation(Compiling.AUTO)
    )
    model = PlaygroundModel(pipeline, ModelIdentity("tiny", "1", False), options)
    for adapter in (None, "hands"):
        state = model.prepare(GenerationRequest(Prompt("a dog", ""), seed=3, steps=2, adapter=adapter))
        while not model.is_finished(state):
            [state] = model.step([state])
        assert torch.isfinite(state.member.latent).all()
        [image] = model.decode([state], tiled=model.decode_limit((32, 32)) == 0)
        assert image.size == (32, 32)
    assert not model.compile_next(), "what is stored in one byte is cast at every use"


def test_parked_text_encoders_stay_in_main_memory_and_encode_there(
    tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = load(tiny_pipeline)
    place(pipeline, EVERYTHING_ELSE, replace(everything(2), text_encoders=Home.PARKED))
    parts = (pipeline.unet, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2)
    assert [part.device.type for part in parts] == ["meta", "meta", "cpu", "cpu"]
    monkeypatch.setattr(placing, "free_bytes", lambda _: 0)
    encoder = PromptEncoder(pipeline)
    positive, _ = encoder.encode(Prompt("a dog", ""), None)
    assert positive.embeds.device == EVERYTHING_ELSE, "what was encoded is where it is needed"
    assert pipeline.text_encoder.device.type == "cpu"
    assert not encoder.park(), "there is nothing more to park"


def test_text_encoders_are_parked_when_memory_is_short(tiny_pipeline: Path) -> None:
    pipeline = load(tiny_pipeline).to(EVERYTHING_ELSE)
    encoder = PromptEncoder(pipeline)
    moved: list[torch.device] = []
    for part in (pipeline.text_encoder, pipeline.text_encoder_2):
        part.to = moved.append
    assert encoder.park()
    assert moved == [torch.device("cpu")] * 2
    assert not encoder.park()


def parked_model(tiny_pipeline: Path, adapters_dir: Path) -> PlaygroundModel:
    """On something that is no processor, with the text encoders in main memory."""
    pipeline = load(tiny_pipeline)
    parked = replace(everything(2), text_encoders=Home.PARKED)
    place(pipeline, EVERYTHING_ELSE, parked)
    options = PlaygroundOptions(Defaults(), PRESETS[Speed.EXACT], adapters_dir, 0, residence=parked)
    return PlaygroundModel(pipeline, ModelIdentity("tiny", "1", False), options)


def test_parked_text_encoders_without_room_on_the_gpu_encode_in_a_thread_of_their_own(
    tiny_pipeline: Path, adapters_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [0]
    monkeypatch.setattr(placing, "free_bytes", lambda _: free[0])
    model = parked_model(tiny_pipeline, adapters_dir)
    asked = GenerationRequest(Prompt("a dog", "a cat"), seed=3, steps=2)
    threads: list[str] = []
    encode_prompt = StableDiffusionXLPipeline.encode_prompt

    def encode(*values: object, **named: object) -> object:
        threads.append(threading.current_thread().name)
        return encode_prompt(*values, **named)

    monkeypatch.setattr(StableDiffusionXLPipeline, "encode_prompt", encode)
    begun = model.begin_encoding(asked)
    state = model.prepare(asked)
    assert len(begun) == 1
    assert threads == ["encoding"], "what was begun is waited for, and not done again"
    assert state.positive.embeds.device == state.negative.embeds.device == EVERYTHING_ELSE
    with pytest.raises(InvalidOptions):
        model.begin_encoding(replace(asked, size=(1, 1)))
    free[0] = 10 * GB
    assert not model.begin_encoding(replace(asked, prompt=Prompt("a cow", ""))), "with room the GPU is faster"


def test_what_an_adapter_does_to_the_text_encoders_is_done_while_they_are_at_rest(
    tiny_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is loaded, who begins without an adapter is painted without."""
    monkeypatch.setattr(placing, "free_bytes", lambda _: 0)
    torch.manual_seed(1)
    encoder = load(tiny_pipeline).text_encoder
    encoder.add_adapter(LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False))
    StableDiffusionXLPipeline.save_lora_weights(
        tmp_path, text_encoder_lora_layers=get_peft_model_state_dict(encoder), weight_name="words.safetensors"
    )
    pipeline = load(tiny_pipeline)
    settled: list[bool] = []

    def settle() -> None:
        settled.append(_is_bare(pipeline))

    adapters = Adapters(pipeline, tmp_path, hot_swap=False, before_text_changes=settle)
    assert adapters.leave_text_alone(None)
    assert not adapters.leave_text_alone("words"), "nobody knows before it is loaded"
    adapters.use("words")
    assert settled == [True]
    assert not _is_bare(pipeline)
    assert not adapters.leave_text_alone(None), "another thread cannot put it down while it is in use here"


def _is_bare(pipeline: StableDiffusionXLPipeline) -> bool:
    return not getattr(pipeline.text_encoder, "peft_config", None)


@pytest.mark.parametrize(("fraction", "free"), [(1.0, 6 * GB), (0.5, 3 * GB)])
def test_what_is_free_is_no_more_than_the_process_is_allowed(
    monkeypatch: pytest.MonkeyPatch, fraction: float, free: int
) -> None:
    """A card of 10 GB, of which others have 2, and this process keeps 3 and uses 2."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (5 * GB, 10 * GB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 3 * GB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 2 * GB)
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda _: fraction)
    assert free_bytes(torch.device("cuda")) == free


def test_on_a_processor_nothing_is_planned(tiny_pipeline: Path) -> None:
    made = arranged(load(tiny_pipeline), torch.device("cpu"), Wanted(8, (32, 32)))
    assert made == everything(2)


def test_weights_are_counted_as_the_plan_wants_them(tiny_pipeline: Path) -> None:
    pipeline = load(tiny_pipeline).to(torch.bfloat16)
    in_two_bytes = weights_of(pipeline)
    pipeline.vae.to(torch.float32)
    assert weights_of(pipeline) == in_two_bytes
    assert in_two_bytes == Weights(
        bytes_of(pipeline.unet), bytes_of(pipeline.text_encoder, pipeline.text_encoder_2), bytes_of(pipeline.vae) // 2
    )


def planned() -> Residence:
    """For pictures of 8 x 8, of which eight are to be stepped and one is to be decoded."""
    weights = Weights(0, 0, 0)
    return plan(Card(600_000_000 + 8 * 64 * 315, 10**9), weights, Wanted(8, (8, 8)))


PeakOf = Callable[[Callable[[], object]], int]


def peak(model: ScriptedModel, step: int, decoding: int) -> PeakOf:
    """As if a step took `step` bytes for a picture, and decoding `decoding`."""

    def peak_of(work: Callable[[], object]) -> int:
        steps = len(model.sizes)
        work()
        return model.sizes[-1] * step if len(model.sizes) > steps else decoding

    return peak_of


def test_plan_is_corrected_by_what_a_step_and_a_decoding_really_take() -> None:
    model, made = ScriptedModel(), planned()
    assert (made.step_limit((8, 8)), made.decode_limit((8, 8))) == (8, 1)
    true = corrected(model, made, peak(model, step=2 * 64 * 315, decoding=3 * 64 * 1536))
    assert (true.step_limit((8, 8)), true.decode_limit((8, 8))) == (4, 0)
    assert set(model.sizes) == {8}
    thrifty = corrected(model, made, peak(model, step=64, decoding=64))
    assert (thrifty.step_limit((8, 8)), thrifty.decode_limit((8, 8))) == (8, 8)


def test_plan_that_is_far_too_large_is_corrected_as_well() -> None:
    model, made = ScriptedModel(fits=2, decode_fits=0), planned()
    true = corrected(model, made, peak(model, step=4 * 64 * 315, decoding=0))
    assert list(dict.fromkeys(model.sizes)) == [8, 4, 2]
    assert true.step_limit((8, 8)) == 2


def test_device_without_any_memory_leaves_the_plan_to_whoever_paints() -> None:
    class Full(ScriptedModel):
        def prepare(self, request: GenerationRequest) -> State:
            raise OutOfMemory

    model, made = Full(), planned()
    assert corrected(model, made, peak(model, 1, 1)) == made
