"""Models run no code: weights are safetensors, what is fetched is one known commit, and tokens stay out of the way."""

import json
import os
import pickle
import shutil
from pathlib import Path
from unittest.mock import create_autospec

import pytest
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, DiffusionPipeline

from core.errors import ModelUnusable, UnusableBase
from core.finetuning.model.network import load_base
from core.generation.factory import make_generator
from core.generation.loading import load_pipeline
from core.generation.preview import Previewer
from core.models import ModelStore
from core.official import PLAYGROUND_MODEL, TAESDXL
from core.settings import CoreSettings


class Trap:
    """A pickle that makes a file where it is read."""

    def __init__(self, sprung: Path) -> None:
        self._sprung = sprung

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._sprung),)


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    return tmp_path / "sprung"


@pytest.fixture
def model(tiny_pipeline: Path, tmp_path: Path) -> Path:
    """A copy of the tiny pipeline, to be spoilt."""
    return Path(shutil.copytree(tiny_pipeline, tmp_path / "model"))


def spring_from(directory: Path) -> pytest.ExceptionInfo[ModelUnusable]:
    settings = CoreSettings(image_model=str(directory), device="cpu")
    with pytest.raises(ModelUnusable) as told:
        make_generator(settings, ModelStore(settings))
    return told


@pytest.mark.parametrize(
    ("part", "file"),
    [
        ("unet", "diffusion_pytorch_model.bin"),
        ("vae", "diffusion_pytorch_model.fp16.bin"),
        ("text_encoder", "pytorch_model.bin"),
        ("text_encoder_2", "model.pt"),
    ],
)
def test_weights_that_are_pickles_are_refused_and_not_opened(part: str, file: str, model: Path, sprung: Path) -> None:
    [weights] = (model / part).glob("*.safetensors")
    weights.unlink()
    (model / part / file).write_bytes(pickle.dumps(Trap(sprung)))

    told = spring_from(model)

    assert str(told.value) == (
        f"The weights in {model / part} are pickles, which can run any code when they are read; set IMAGE_MODEL to a "
        "model with safetensors weights."
    )
    with pytest.raises(UnusableBase, match="are pickles"):
        load_base(str(model), None, "fp32")
    assert not sprung.exists()


def test_a_pickle_beside_safetensors_is_not_opened(model: Path, sprung: Path) -> None:
    (model / "unet" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Trap(sprung)))
    located = ModelStore(CoreSettings(image_model=str(model))).image_model(on_gpu=False)

    load_pipeline(located, torch.device("cpu"), offline=True)

    assert not sprung.exists()


@pytest.mark.parametrize("where", ["the pipeline", "a part"])
def test_code_that_comes_with_a_model_is_not_run(where: str, model: Path, sprung: Path) -> None:
    index = json.loads((model / "model_index.json").read_text())
    code = f"import os\nos.mkdir({str(sprung)!r})\nclass Mine: ...\n"
    if where == "the pipeline":
        index["_class_name"] = ["mine", "Mine"]
        (model / "mine.py").write_text(code)
    else:
        index["unet"] = ["mine", "Mine"]
        (model / "unet" / "mine.py").write_text(code)
    (model / "model_index.json").write_text(json.dumps(index))

    spring_from(model)

    assert not sprung.exists()


def test_a_decoder_for_previews_that_is_a_pickle_is_left_out(tiny_pipeline: Path, tmp_path: Path, sprung: Path) -> None:
    tiny = AutoencoderTiny(encoder_block_out_channels=(4,) * 4, decoder_block_out_channels=(4,) * 4)
    tiny.save_pretrained(tmp_path / "good")
    shutil.copytree(tmp_path / "good", tmp_path / "bad")
    (tmp_path / "bad" / "diffusion_pytorch_model.safetensors").unlink()
    (tmp_path / "bad" / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Trap(sprung)))
    vae = AutoencoderKL.from_pretrained(tiny_pipeline / "vae")

    assert Previewer(vae, tmp_path / "good")._taesd is not None
    assert Previewer(vae, tmp_path / "bad")._taesd is None
    assert not sprung.exists()


def test_what_is_fetched_is_one_commit_and_no_pickle() -> None:
    for official in (PLAYGROUND_MODEL, TAESDXL):
        assert len(str(official.commit)) == 40
        assert {Path(file.name).suffix for file in official.files} <= {".json", ".txt", ".safetensors"}


def test_a_hub_model_is_loaded_at_the_revision_and_with_the_token_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = create_autospec(DiffusionPipeline.from_pretrained, side_effect=OSError("no network"))
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", load)

    def asked_for(settings: CoreSettings) -> dict[str, object]:
        with pytest.raises(Exception, match="could it be fetched"):
            make_generator(settings, ModelStore(settings))
        return dict(load.call_args.kwargs)

    asked = asked_for(CoreSettings(image_model="somebody/else", image_model_revision="main", hf_token="hf_mine"))
    assert (asked["revision"], asked["token"]) == ("main", "hf_mine")
    assert asked["use_safetensors"] is True
    assert "trust_remote_code" not in asked
    assert asked_for(CoreSettings(image_model="somebody/else"))["revision"] is None


def test_a_hub_model_with_pickles_only_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Could not find the necessary `safetensors` weights in {'unet/diffusion_pytorch_model.bin'} (variant=fp16)"
    load = create_autospec(DiffusionPipeline.from_pretrained, side_effect=OSError(said))
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", load)
    settings = CoreSettings(image_model="somebody/old")

    with pytest.raises(ModelUnusable, match="The weights in somebody/old are pickles"):
        make_generator(settings, ModelStore(settings))
