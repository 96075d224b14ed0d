"""Playground v2.5's true shapes on the processor, with random weights: in bfloat16, by the product's loader.

`make true-size` runs it; it needs 12 GB of memory.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor

from benchmarks.gpu.directory import TRUE_SHAPES, build
from core.generation.defaults import Defaults
from core.generation.loading import read_pipeline
from core.generation.placing import place, weights_of
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS
from core.generation.protocol import GenerationRequest
from core.generation.residence import PLAYGROUND_WEIGHTS, Home, Residence, Storage, everything
from core.models import ModelStore
from core.official import PLAYGROUND_FILES
from core.options import Speed
from core.prompting.prompt import Prompt
from core.settings import CoreSettings
from tests.generation.meta_memory import weights_of as bytes_of

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
STEPS = 3
SIZE = (256, 256)
REQUEST = GenerationRequest(Prompt("a dog", ""), seed=3, steps=STEPS, guidance=3.0, size=SIZE)
SMALLEST = replace(everything(1), text_encoders=Home.PARKED, unet=Storage.FP8)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("true-size") / "playground"
    build(made, TRUE_SHAPES, CPU)
    yield made
    for path in made.rglob("*.safetensors"):  # pytest keeps the directories of its last runs
        path.unlink()


@pytest.fixture(scope="module")
def pipeline(directory: Path) -> StableDiffusionXLPipeline:
    """Read for a GPU with bfloat16, and left in main memory."""
    located = ModelStore(CoreSettings(image_model=str(directory), download_models=False)).image_model(on_gpu=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
        return read_pipeline(located, torch.device("cuda"), offline=True)


def engine(pipeline: StableDiffusionXLPipeline, directory: Path, residence: Residence) -> PlaygroundModel:
    options = PlaygroundOptions(Defaults(), PRESETS[Speed.EXACT], directory / "no-adapters", 1, residence=residence)
    return PlaygroundModel(pipeline, ModelIdentity("random", "", False), options)


def relative(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).norm() / other.float().norm())


def test_weights_are_stored_as_the_published_ones(directory: Path) -> None:
    published = {file.name: file.size for file in PLAYGROUND_FILES if file.name.endswith(".safetensors")}
    assert {str(path.relative_to(directory)) for path in directory.rglob("*.safetensors")} == set(published)
    for name, size in published.items():
        assert size is None or (directory / name).stat().st_size == pytest.approx(size, rel=1e-4), name


def test_three_steps_are_those_of_the_stock_pipeline(pipeline: StableDiffusionXLPipeline, directory: Path) -> None:
    assert pipeline.unet.dtype == pipeline.vae.dtype == torch.bfloat16
    assert weights_of(pipeline) == PLAYGROUND_WEIGHTS
    theirs: list[Tensor] = []

    def keep(_: object, index: int, timestep: object, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        theirs.append(tensors["latents"][0].clone())
        return tensors

    pipeline(
        "a dog",
        num_inference_steps=STEPS,
        guidance_scale=3.0,
        width=SIZE[0],
        height=SIZE[1],
        generator=torch.Generator().manual_seed(3),
        output_type="latent",
        callback_on_step_end=keep,
    )
    model = engine(pipeline, directory, everything(1))
    state = model.prepare(REQUEST)
    ours: list[Tensor] = []
    previews: list[bytes | None] = []
    while not model.is_finished(state):
        [state] = model.step([state])
        ours.append(state.member.latent)
        previews.append(model.progress(state).preview)
    differences = [relative(one, other) for one, other in zip(ours, theirs, strict=True)]
    print("relative differences, step by step:", differences)
    assert differences[0] <= 5e-3
    assert max(differences) <= 0.1, "the stock pipeline rounds its latents to two bytes at each step"
    assert [preview is not None for preview in previews] == [True, True, False]
    [image] = model.decode([state], tiled=False)
    assert image.size == SIZE
    assert np.asarray(image).max() > 8, "it is not black"


def test_stored_in_fp8_it_takes_half_and_steps(pipeline: StableDiffusionXLPipeline, directory: Path) -> None:
    """The last: weights that were rounded stay so."""
    place(pipeline, CPU, SMALLEST)
    assert bytes_of(pipeline.unet) == pytest.approx(2.57e9, abs=0.05e9)
    model = engine(pipeline, directory, SMALLEST)
    [state] = model.step([model.prepare(REQUEST)])
    assert torch.isfinite(state.member.latent).all()
