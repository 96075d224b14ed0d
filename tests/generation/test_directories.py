"""A model's directory is loaded in whichever of the usual layouts it is: half precision, full, or one file."""

from pathlib import Path
from unittest.mock import create_autospec

import pytest
import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler, StableDiffusionXLPipeline
from huggingface_hub.utils import are_progress_bars_disabled  # type: ignore[attr-defined]
from safetensors.torch import save_file

from core import hub
from core.errors import ModelMissing, ModelUnusable
from core.generation.loading import load_pipeline, quiet_libraries, single_file
from core.models import ModelStore
from core.official import PLAYGROUND_MODEL
from core.settings import CoreSettings

CPU = torch.device("cpu")
STATISTICS = {"edm_mean": torch.zeros(1, 4, 1, 1), "edm_std": torch.ones(1, 4, 1, 1)}


def loaded(source: Path) -> DiffusionPipeline:
    located = ModelStore(CoreSettings(image_model=str(source))).image_model(on_gpu=False)
    return load_pipeline(located, CPU, offline=True)


def a_weight(pipeline: DiffusionPipeline) -> float:
    return float(pipeline.unet.conv_in.weight.detach().flatten()[0])


@pytest.fixture
def both(tiny_pipeline: Path, tmp_path: Path) -> Path:
    """Full weights, and others in half precision beside them."""
    pipeline = DiffusionPipeline.from_pretrained(tiny_pipeline)
    pipeline.save_pretrained(tmp_path / "both")
    pipeline.unet.conv_in.weight.data.fill_(0.5)
    pipeline.save_pretrained(tmp_path / "both", variant="fp16")
    return tmp_path / "both"


def test_half_precision_comes_first_and_then_the_full_files(both: Path) -> None:
    assert a_weight(loaded(both)) == 0.5
    for path in both.glob("*/*.fp16.safetensors"):
        path.unlink()
    assert a_weight(loaded(both)) != 0.5


def test_half_precision_alone_is_enough(both: Path) -> None:
    for path in both.glob("*/*.safetensors"):
        if "fp16" not in path.name:
            path.unlink()
    assert a_weight(loaded(both)) == 0.5


def test_one_that_lacks_a_part_is_said_so(both: Path) -> None:
    for path in both.glob("unet/*.safetensors"):
        path.unlink()
    with pytest.raises(ModelUnusable, match="not a whole one; set IMAGE_MODEL"):
        loaded(both)


def test_loading_leaves_the_bars_of_downloads() -> None:
    quiet_libraries()
    assert not are_progress_bars_disabled()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A directory with one file, which says that it is of Playground's kind."""
    (tmp_path / "single").mkdir()
    save_file(STATISTICS, tmp_path / "single" / "mine.safetensors")
    return tmp_path / "single"


@pytest.fixture
def converted(tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch) -> DiffusionPipeline:
    """What diffusers makes of a single file, beside a Playground that was fetched."""
    pipeline = DiffusionPipeline.from_pretrained(tiny_pipeline)
    convert = create_autospec(StableDiffusionXLPipeline.from_single_file, return_value=pipeline)
    monkeypatch.setattr(StableDiffusionXLPipeline, "from_single_file", convert)
    monkeypatch.setattr(hub, "snapshot", lambda official, revision: tiny_pipeline)
    return pipeline


def test_a_single_file_is_loaded_with_the_configuration_of_playground(
    checkpoint: Path, converted: DiffusionPipeline, tiny_pipeline: Path
) -> None:
    file = checkpoint / "mine.safetensors"
    assert single_file(checkpoint) == single_file(file) == file
    assert loaded(checkpoint) is converted
    assert loaded(file) is converted
    asked = StableDiffusionXLPipeline.from_single_file.call_args
    assert asked.args == (str(file),)
    assert (asked.kwargs["config"], asked.kwargs["revision"]) == (str(tiny_pipeline), PLAYGROUND_MODEL.commit)
    assert asked.kwargs["local_files_only"]


def test_a_single_file_of_another_kind_would_paint_noise(checkpoint: Path, converted: DiffusionPipeline) -> None:
    converted.vae.register_to_config(latents_mean=None)
    with pytest.raises(
        ModelUnusable, match=r"without the latent statistics of Playground v2\.5, and would paint noise"
    ):
        loaded(checkpoint)
    converted.scheduler = EulerDiscreteScheduler()
    with pytest.raises(ModelUnusable, match="without the EDM scheduler of"):
        loaded(checkpoint)
    save_file({"edm_mean": STATISTICS["edm_mean"]}, checkpoint / "mine.safetensors")
    with pytest.raises(ModelUnusable, match=r"without the latent statistics \(edm_std\) of"):
        loaded(checkpoint)
    (checkpoint / "mine.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelUnusable, match="cannot be loaded"):
        loaded(checkpoint)


def test_without_its_configuration_a_single_file_fetches_nothing_on_the_quiet(
    checkpoint: Path, converted: DiffusionPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "snapshot", lambda official, revision: None)
    with pytest.raises(ModelMissing, match="models pull playground"):
        loaded(checkpoint)
    assert not StableDiffusionXLPipeline.from_single_file.called


def test_of_several_files_none_is_taken_for_the_model(checkpoint: Path, tiny_pipeline: Path) -> None:
    save_file(STATISTICS, checkpoint / "other.safetensors")
    assert single_file(checkpoint) is None
    assert single_file(tiny_pipeline) is None
    with pytest.raises(ModelUnusable, match="not a diffusers model directory"):
        loaded(checkpoint)
