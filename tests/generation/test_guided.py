"""An adapter that stands for guidance: when it is used, what it changes, and that nothing of it stays."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import load_file, save_file

from core.errors import InvalidOptions
from core.generation.adapter_header import choices, find_adapter
from core.generation.defaults import Defaults
from core.generation.fingerprint import known_sha256, weights_sha256
from core.generation.guided import MEASURED_NAME, file_sha256, find_guidance
from core.generation.merged import MergedGuidance
from core.generation.playground import ModelIdentity, PictureInProgress, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS, WITH_ADAPTER
from core.generation.protocol import GenerationRequest
from core.generation.unet import Prediction
from core.options import Speed
from core.prompting.prompt import Prompt
from core.recipe import from_json, to_json

NEGATIVE = "blurry"
REQUEST = GenerationRequest(Prompt("a dog", NEGATIVE), seed=3, steps=3, guidance=3.0)
LINEAR, CONVOLUTIONS = ["to_q", "to_v", "ff.net.2"], ["conv1", "conv_shortcut", "downsamplers.0.conv"]


def write_adapter(directory: Path, base: Path, **metadata: str) -> Path:
    """An adapter of random weights that says that it stands for guidance on `base`."""
    torch.manual_seed(5)
    pipeline = StableDiffusionXLPipeline.from_pretrained(base)
    pipeline.unet.add_adapter(
        LoraConfig(r=4, lora_alpha=4, init_lora_weights=False, target_modules=LINEAR + CONVOLUTIONS)
    )
    StableDiffusionXLPipeline.save_lora_weights(directory, unet_lora_layers=get_peft_model_state_dict(pipeline.unet))
    path = directory / "pytorch_lora_weights.safetensors"
    said = {
        "kind": "guidance",
        "guidance_range": "[1.0, 5.0]",
        "negative": json.dumps([NEGATIVE]),
        "base_unet_sha256": weights_sha256(base / "unet"),
        "recipe": json.dumps({"rank": 4, "alpha": 4.0}),
        **metadata,
    }
    save_file(load_file(path), path, metadata={f"imagine_sound.{name}": value for name, value in said.items()})
    return path


@pytest.fixture(scope="module")
def adapters(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one for the tiny pipeline, and one that is chosen by name."""
    directory = tmp_path_factory.mktemp("adapters")
    write_adapter(directory / "guidance", tiny_pipeline)
    tensors = load_file(directory / "guidance" / "pytorch_lora_weights.safetensors")
    save_file({name: 0.5 * value for name, value in tensors.items() if "to_q" in name}, directory / "hands.safetensors")
    return directory


@pytest.fixture(scope="module")
def models(tiny_pipeline: Path, adapters: Path) -> Callable[[Speed], PlaygroundModel]:
    """Painters at a speed, each with the adapter at hand."""
    made: dict[Speed, PlaygroundModel] = {}

    def make(speed: Speed) -> PlaygroundModel:
        if speed not in made:
            adapter = find_guidance(adapters, tiny_pipeline / "unet")
            assert adapter is not None
            pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
            preset, guidance = WITH_ADAPTER.get(speed, PRESETS[speed]), MergedGuidance.of(pipeline.unet, adapter)
            options = PlaygroundOptions(Defaults(), preset, adapters, 0, guidance=guidance)
            made[speed] = PlaygroundModel(pipeline, ModelIdentity("tiny", "", is_miniature=False), options)
        return made[speed]

    return make


def painted(model: PlaygroundModel, *requests: GenerationRequest) -> list[PictureInProgress]:
    """`requests` to their ends, by ticks as the batcher has them."""
    states = [model.prepare(request) for request in requests]
    while not all(model.is_finished(state) for state in states):
        groups: dict[object, list[int]] = {}
        for place, state in enumerate(states):
            if not model.is_finished(state):
                groups.setdefault(model.group_of(state), []).append(place)
        for places in groups.values():
            for place, state in zip(places, model.step([states[place] for place in places]), strict=True):
                states[place] = state
    return states


def latent(model: PlaygroundModel, request: GenerationRequest) -> torch.Tensor:
    return painted(model, request)[0].member.latent


def test_it_is_no_choice_by_name(adapters: Path) -> None:
    assert list(choices(adapters)) == ["hands"]
    with pytest.raises(InvalidOptions, match="SPEED=balanced"):
        find_adapter(adapters, "guidance")


def test_a_step_has_one_row_and_the_recipe_says_by_what_it_was_guided(
    models: Callable[[Speed], PlaygroundModel], adapters: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, rows = models(Speed.BALANCED), list[int]()
    predict = model._unet.predict

    def counted(inputs: torch.Tensor, *rest: Any, **named: Any) -> Prediction:
        rows.append(len(inputs))
        return predict(inputs, *rest, **named)

    monkeypatch.setattr(model._unet, "predict", counted)
    state = painted(model, REQUEST)[0]
    assert rows == [1, 1, 1]
    assert state.recipe.guidance == 3.0
    assert state.recipe.guided_by == file_sha256(adapters / "guidance" / "pytorch_lora_weights.safetensors")[:16]
    assert from_json(to_json(state.recipe)) == state.recipe


def test_its_strength_follows_the_guidance(
    tiny_pipeline: Path, models: Callable[[Speed], PlaygroundModel], adapters: Path
) -> None:
    """As peft reckons it, with the adapter beside the layers."""
    stock = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    stock.load_lora_weights(adapters / "guidance", weight_name="pytorch_lora_weights.safetensors", adapter_name="g")
    stock.set_progress_bar_config(disable=True)
    for guidance, strength in ((3.0, 1.0), (2.0, 0.5), (5.0, 2.0)):
        stock.set_adapters(["g"], [strength])
        expected = stock("a dog", num_inference_steps=3, guidance_scale=1.0, height=32, width=32, output_type="latent",
                         generator=torch.Generator().manual_seed(3)).images[0]  # fmt: skip
        found = latent(models(Speed.BALANCED), replace(REQUEST, guidance=guidance))
        assert torch.allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"guidance": 1.0},
        {"guidance": 5.5},
        {"prompt": Prompt("a dog", "a cat")},
        {"prompt": Prompt("a dog", "")},
        {"adapter": "hands"},
    ],
    ids=["guidance of 1", "beyond its range", "another negative prompt", "no negative prompt", "another adapter"],
)
def test_what_it_does_not_stand_for_is_painted_as_by_exact_to_the_bit(
    change: dict[str, object], models: Callable[[Speed], PlaygroundModel]
) -> None:
    request = replace(REQUEST, **change)  # type: ignore[arg-type]
    guided = models(Speed.BALANCED)
    assert not torch.equal(latent(guided, REQUEST), latent(models(Speed.EXACT), REQUEST)), "it does change pictures"
    state = painted(guided, request)[0]
    assert torch.equal(state.member.latent, latent(models(Speed.EXACT), request))
    assert state.recipe.guided_by is None


def test_people_with_other_guidance_do_not_disturb_one_another(models: Callable[[Speed], PlaygroundModel]) -> None:
    requests = [REQUEST, replace(REQUEST, guidance=4.0, seed=5), replace(REQUEST, prompt=Prompt("a cat", "")), REQUEST]
    model = models(Speed.BALANCED)
    together = painted(model, *requests)
    assert len({model.group_of(state) for state in together}) == 3
    for state, request in zip(together, requests, strict=True):
        assert torch.allclose(state.member.latent, latent(model, request), atol=1e-5)


def test_fast_caches_as_well(models: Callable[[Speed], PlaygroundModel]) -> None:
    assert not torch.equal(latent(models(Speed.FAST), REQUEST), latent(models(Speed.BALANCED), REQUEST))
    assert painted(models(Speed.FAST), REQUEST)[0].recipe.guided_by is not None


def test_it_is_combined_with_another_adapter_only_once_that_was_measured(
    adapters: Path, tiny_pipeline: Path, tmp_path: Path, models: Callable[[Speed], PlaygroundModel]
) -> None:
    adapter = find_guidance(adapters, tiny_pipeline / "unet")
    assert adapter is not None
    recipe = painted(models(Speed.EXACT), replace(REQUEST, adapter="hands"))[0].recipe
    hands = file_sha256(adapters / "hands.safetensors")
    assert adapter.strength(recipe, hands) == 0
    path = write_adapter(tmp_path / "g", tiny_pipeline)
    found = {"adapter_sha256": file_sha256(path), "decibels": {"12": 31.4}, "combines_with": [hands]}
    (path.parent / MEASURED_NAME).write_text(json.dumps(found))
    measured = find_guidance(tmp_path, tiny_pipeline / "unet")
    assert measured is not None
    assert measured.strength(recipe, hands) == 1
    assert measured.strength(recipe, "another file of that name") == 0
    assert measured.says == "31 dB to two evaluations at 12 steps"


def test_another_base_s_is_refused_with_both_hashes(
    tiny_pipeline: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_adapter(tmp_path / "g", tiny_pipeline, base_unet_sha256="0" * 64)
    with caplog.at_level(logging.WARNING):
        assert find_guidance(tmp_path, tiny_pipeline / "unet") is None
    assert "0" * 64 in caplog.text
    assert weights_sha256(tiny_pipeline / "unet") in caplog.text


def test_a_base_s_hash_is_reckoned_once(tiny_pipeline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes, unet = tmp_path / "notes.json", tiny_pipeline / "unet"
    assert known_sha256(unet, notes) == weights_sha256(unet)
    monkeypatch.setattr("core.generation.fingerprint.weights_sha256", lambda *_: pytest.fail("read again"))
    assert known_sha256(unet, notes) == weights_sha256(unet)
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"as the hub's cache names it")
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "diffusion_pytorch_model.fp16.safetensors").symlink_to(blob)
    assert known_sha256(tmp_path / "unet", tmp_path / "none.json") == "ab" * 32
