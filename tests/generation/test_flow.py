"""Z-Image and FLUX.2 klein in one batch: each picture is what the family's own pipeline paints alone."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch import Tensor

from core.errors import InvalidOptions
from core.generation import placing
from core.generation.batcher import Batcher
from core.generation.checkpoint import BestValues, Source
from core.generation.factory import make_generator
from core.generation.flow import FlowModel, FlowOptions, FlowPicture
from core.generation.flow_families import Klein, ZImage, family_of
from core.generation.limits import Limits
from core.generation.placing import place
from core.generation.protocol import GenerationRequest, Painted, Painting
from core.generation.residence import Home, Storage, everything
from core.models import ModelStore
from core.prompting.prompt import Prompt
from core.settings import CoreSettings
from tests.generation.scripted import Asker
from tests.tiny_flow import tiny_klein, tiny_z_image

SIDE = 64
FAMILIES = ("z-image", "z-image by size", "klein base", "klein")


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, DiffusionPipeline]:
    directory = tmp_path_factory.mktemp("flow")
    return {
        "z-image": tiny_z_image(directory),
        "z-image by size": tiny_z_image(directory, dynamic=True),
        "klein base": tiny_klein(directory),
        "klein": tiny_klein(directory, is_distilled=True),
    }


def model_of(pipeline: DiffusionPipeline, preview_every: int = 0) -> FlowModel:
    family = family_of(pipeline)
    assert family is not None
    values = BestValues(8, 3.0, (128, 128), Source.DIRECTORY, Limits(guidance=(0.0, 20.0)))
    return FlowModel(pipeline, family, "tiny", "1", FlowOptions(values, everything(8), preview_every))


def request(
    text: str, *, seed: int, steps: int, guidance: float, negative: str = "", size: tuple[int, int] = (SIDE, SIDE)
) -> GenerationRequest:
    return GenerationRequest(Prompt(text, negative), seed, steps, guidance, size)


def stock(pipeline: DiffusionPipeline, wanted: GenerationRequest, output_type: str) -> Any:
    accepted: dict[str, Any] = {}
    if family_of(pipeline) is ZImage:
        accepted["negative_prompt"] = wanted.prompt.negative_text or None
    assert wanted.size is not None
    return pipeline(
        prompt=wanted.prompt.text,
        num_inference_steps=wanted.steps,
        guidance_scale=wanted.guidance,
        width=wanted.size[0],
        height=wanted.size[1],
        generator=torch.Generator().manual_seed(wanted.seed),
        output_type=output_type,
        **accepted,
    ).images[0]


def painted(model: FlowModel, joining: Mapping[int, list[GenerationRequest]]) -> list[FlowPicture]:
    """Everybody's finished picture, in the order in which they joined: at the tick that is the key."""
    going: dict[int, FlowPicture] = {}
    finished: dict[int, FlowPicture] = {}
    tick = number = 0
    while going or tick <= max(joining):
        for wanted in joining.get(tick, []):
            going[number] = model.prepare(wanted)
            number += 1
        if going:
            going = dict(zip(going, model.step(list(going.values())), strict=True))
        finished |= {key: state for key, state in going.items() if model.is_finished(state)}
        going = {key: state for key, state in going.items() if not model.is_finished(state)}
        tick += 1
    return [finished[key] for key in sorted(finished)]


MIXED = {
    0: [request("a dog", seed=1, steps=8, guidance=0.0)],
    1: [request("a very long story of a cat that sits under a tree and waits for rain", seed=2, steps=5, guidance=3.0)],
    2: [
        request("x", seed=3, steps=8, guidance=0.7),
        request("a bell that rings", seed=4, steps=3, guidance=1.5, negative="a blurred cat"),
        request("words, " * 40, seed=5, steps=1, guidance=4.0),
    ],
}


@pytest.mark.parametrize("name", FAMILIES)
def test_members_that_differ_in_everything_and_join_late_are_painted_as_by_the_familys_own_pipeline(
    name: str, pipelines: Mapping[str, DiffusionPipeline]
) -> None:
    pipeline = pipelines[name]
    model = model_of(pipeline)
    wanted = [one for tick in sorted(MIXED) for one in MIXED[tick]]
    made = painted(model, MIXED)
    for one, state in zip(wanted, made, strict=True):
        latent = state.member.latent
        if family_of(pipeline) is Klein:  # which gives its latents out as the autoencoder takes them
            latent = Klein(pipeline).raw(latent[None])[0]
        expected: Tensor = stock(pipeline, one, "latent")
        assert (latent - expected).abs().max() / expected.std() < 1e-5
    images = model.decode(made, tiled=False)
    for one, image in zip(wanted, images, strict=True):
        difference = np.asarray(image, np.int16) - np.asarray(stock(pipeline, one, "pil"), np.int16)
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", FAMILIES)
def test_a_picture_is_the_same_alone_and_among_others(name: str, pipelines: Mapping[str, DiffusionPipeline]) -> None:
    model = model_of(pipelines[name])
    among = painted(model, MIXED)
    alone = [painted(model, {0: [one]})[0] for tick in sorted(MIXED) for one in MIXED[tick]]
    for one, other in zip(among, alone, strict=True):
        assert torch.allclose(one.member.latent, other.member.latent, atol=1e-5)


def test_another_shape_has_noise_levels_and_places_of_its_own(pipelines: Mapping[str, DiffusionPipeline]) -> None:
    for pipeline in pipelines.values():
        wanted = request("a dog", seed=1, steps=4, guidance=2.0, size=(96, 48))
        [image] = model_of(pipeline).decode(painted(model_of(pipeline), {0: [wanted]}), tiled=False)
        assert image.size == (96, 48)
        difference = np.asarray(image, np.int16) - np.asarray(stock(pipeline, wanted, "pil"), np.int16)
        assert np.abs(difference).max() <= 1


def test_guidance_counts_where_the_family_says(pipelines: Mapping[str, DiffusionPipeline]) -> None:
    guided = {
        name: [
            model_of(pipelines[name]).prepare(request("a", seed=1, steps=2, guidance=guidance)).member.guidance
            is not None
            for guidance in (0.0, 0.5, 1.0, 1.5)
        ]
        for name in FAMILIES
    }
    assert guided["z-image"] == [False, True, True, True]
    assert guided["klein base"] == [False, False, False, True]
    assert guided["klein"] == [False] * 4


def test_near_keeps_the_composition(pipelines: Mapping[str, DiffusionPipeline]) -> None:
    model = model_of(pipelines["z-image"])
    first, other = (model.prepare(request("a dog", seed=seed, steps=2, guidance=0.0)) for seed in (1, 2))
    near = model.prepare(GenerationRequest(Prompt("a dog", ""), 2, 2, 0.0, (SIDE, SIDE), near=1))
    apart = [(state.member.latent - first.member.latent).norm() for state in (near, other)]
    assert 0 < apart[0] < 0.6 * apart[1]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"size": (64, 60)}, "multiples of 16 from 32 to 256"),
        ({"size": (272, 64)}, "multiples of 16 from 32 to 256"),
        ({"adapter": "hands"}, "tiny takes no adapters here"),
        ({"steps": 0}, "Steps must be"),
        ({"guidance": 30.0}, "Guidance must be"),
        ({"prompt": Prompt(" ", "")}, "empty"),
    ],
)
def test_what_it_cannot_paint_is_refused_with_a_sentence(
    changed: dict[str, Any], sentence: str, pipelines: Mapping[str, DiffusionPipeline]
) -> None:
    wanted: dict[str, Any] = {"prompt": Prompt("a dog", ""), "seed": 1, **changed}
    with pytest.raises(InvalidOptions, match=sentence):
        model_of(pipelines["klein base"]).prepare(GenerationRequest(**wanted))


def test_what_is_too_long_to_read_is_cut_at_a_word_and_told(pipelines: Mapping[str, DiffusionPipeline]) -> None:
    for name in ("z-image", "klein"):
        model = model_of(pipelines[name])
        count = model.info().count_tokens
        assert count is not None
        state = model.prepare(request("dog " * 200, seed=1, steps=2, guidance=0.0))
        assert 500 < count(state.recipe.prompt.text) <= model.info().most_tokens == 512
        assert state.recipe.prompt.text.endswith("dog")
        assert [note.key for note in state.notes] == ["prompt_cut"]


@pytest.mark.parametrize("name", ["z-image", "klein"])
def test_previews_show_what_it_will_be_and_the_last_step_has_none(
    name: str, pipelines: Mapping[str, DiffusionPipeline]
) -> None:
    model = model_of(pipelines[name], preview_every=2)
    state = model.prepare(request("a dog", seed=1, steps=4, guidance=0.0))
    seen = []
    while not model.is_finished(state):
        [state] = model.step([state])
        seen.append(model.progress(state))
    assert [(painting.step, painting.steps) for painting in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [painting.preview is not None for painting in seen] == [False, True, False, False]
    assert Image.open(io.BytesIO(seen[1].preview or b"")).size == (256, 256)


@pytest.mark.parametrize("name", ["z-image", "klein"])
def test_a_picture_is_decoded_in_tiles_too(name: str, pipelines: Mapping[str, DiffusionPipeline]) -> None:
    model = model_of(pipelines[name])
    [state] = painted(model, {0: [request("a dog", seed=1, steps=1, guidance=0.0)]})
    whole, tiled = (model.decode([state], tiled=tiled)[0] for tiled in (False, True))
    assert whole.size == tiled.size == (SIDE, SIDE)
    assert not model.park(), "on a processor nothing is elsewhere"


@pytest.mark.parametrize("make", [tiny_z_image, tiny_klein])
def test_with_its_weights_stored_in_one_byte_it_paints_nearly_the_same(
    make: Callable[[Path], DiffusionPipeline], tmp_path: Path
) -> None:
    wanted = {0: [request("a dog", seed=1, steps=3, guidance=2.0)]}
    pipeline = make(tmp_path)
    [whole] = painted(model_of(pipeline), wanted)
    place(pipeline, torch.device("cpu"), replace(everything(8), unet=Storage.FP8))
    kept = [weight.dtype for weight in pipeline.transformer.parameters()].count(torch.float8_e4m3fn)
    assert kept > 10
    [stored] = painted(model_of(pipeline), wanted)
    difference = (stored.member.latent - whole.member.latent).norm() / whole.member.latent.norm()
    assert 0 < difference < 0.1


def test_a_parked_text_encoder_stays_in_main_memory_and_encodes_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = torch.device("meta")  # stands for a GPU
    monkeypatch.setattr(placing, "free_bytes", lambda _: 0)
    pipeline = tiny_z_image(tmp_path)
    place(pipeline, elsewhere, replace(everything(8), text_encoders=Home.PARKED))
    state = model_of(pipeline).prepare(request("a dog", seed=1, steps=3, guidance=2.0))
    assert state.positive.device == state.member.latent.device == elsewhere
    assert pipeline.text_encoder.device.type == "cpu"


def test_another_pipeline_or_a_scheduler_that_adds_noise_is_left_to_the_stock_path(tmp_path: Path) -> None:
    pipeline = tiny_z_image(tmp_path)
    assert family_of(pipeline) is ZImage
    pipeline.scheduler.register_to_config(stochastic_sampling=True)
    assert family_of(pipeline) is None
    assert family_of(pipeline.vae) is None


@contextmanager
def generating(directory: Path) -> Iterator[Batcher[FlowPicture]]:
    settings = CoreSettings(image_model=str(directory), device="cpu", preview_every=0)
    generator = make_generator(settings, ModelStore(settings))
    assert isinstance(generator, Batcher)
    try:
        yield generator
    finally:
        generator.close()


@pytest.mark.parametrize(
    ("name", "steps", "guidance"), [("z-image", 8, 0.0), ("klein base", 50, 4.0), ("klein", 4, 1.0)]
)
def test_a_directory_is_painted_with_in_batches_and_by_its_own_values(
    name: str, steps: int, guidance: float, pipelines: Mapping[str, DiffusionPipeline], tmp_path: Path
) -> None:
    pipelines[name].save_pretrained(tmp_path / "model")
    with generating(tmp_path / "model") as generator:
        info = generator.info()
        assert (info.model, info.steps, info.guidance, info.size) == ("model", steps, guidance, (1024, 1024))
        askers = [
            Asker(generator, text, steps=count, size=(256, 256))
            for text, count in (("a dog", 3), ("a cat", 1), ("a bell", 2))
        ]
        for asker, count in zip(askers, (3, 1, 2), strict=True):
            event = asker.end()
            assert isinstance(event, Painted)
            assert event.picture.recipe.steps == count
            assert Painting(count, count) in asker.seen
