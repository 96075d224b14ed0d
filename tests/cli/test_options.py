"""What is wrong with an order is said before any model library is imported or a model loaded."""

import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from core.errors import InvalidOptions
from core.generation.before_loading import check_options
from core.options import ImagineOptions
from core.settings import CoreSettings
from tests.cli.running import ROOT, run_here

LOADED = (
    "import sys; from core.cli.main import main; code = main(sys.argv[1:]); "
    "print([name for name in ('torch', 'mediapipe') if name in sys.modules]); sys.exit(code)"
)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--size", "1x1"), "Width and height must be multiples of 32 from 64 to 512 pixels, not 1x1."),
        (("--size", "1024x1024"), "from 64 to 512 pixels, not 1024x1024."),
        (("--steps", "0"), "Steps must be from 1 to 150, not 0."),
        (("--guidance", "99"), "Guidance must be from 1 to 20, not 99."),
        (("--seed", "-1"), "The seed must be from 0 to 4294967295, not -1."),
        (("--near", "-1"), "The seed of the picture to stay close to must be from 0"),
        (("--prompt", " "), "The prompt is empty"),
        (("--style", "baroque"), "there is no style baroque"),
        (("--adapter", "nope"), "There is no adapter called nope; the adapters here are: bad."),
        (("--adapter", "bad"), "The adapter bad cannot be loaded: it is no LoRA"),
        (("--larger", "2"), "Enlarging needs the extra `upscale`"),
        (("--out", "/proc/x.png"), "nothing can be written in /proc: "),
        (("--out", "x.gif"), "x.gif has to end in .png"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_loaded(
    wrong: tuple[str, ...], says: str, siren_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object, **__: object) -> None:
        raise AssertionError("it goes on")

    monkeypatch.setattr("core.cli.imagine.Engine", load)
    monkeypatch.setattr("core.models.find_spec", lambda name: None)  # of the extra's libraries
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.chdir(tmp_path)
    save_file({}, tmp_path / "bad.safetensors")
    done = run_here("imagine", siren_wav, *wrong, ADAPTERS_DIR=str(tmp_path))
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_no_model_library_is_imported_for_it(siren_wav: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, "imagine", str(siren_wav), "--size", "1x1"],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (2, "[]")


def test_a_recipe_is_read_and_its_adapter_looked_for_first(
    siren_wav: Path, tmp_path: Path, tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_picture = run_here("imagine", "--recipe", siren_wav)
    assert (no_picture.returncode, no_picture.stdout) == (2, "")
    assert "is not a picture that I can read" in no_picture.stderr


def test_what_fits_is_left_to_the_model(tiny_pipeline: Path, settings: CoreSettings) -> None:
    """Also where the files do not tell: a model on the hub may take whatever any model takes."""
    check_options(ImagineOptions(size=(48, 32), steps=1, guidance=1.0), settings)
    with pytest.raises(InvalidOptions, match="multiples of 4 from 8 to 64"):
        check_options(ImagineOptions(size=(6, 6)), settings)
    elsewhere = settings.model_copy(update={"image_model": "somebody/model"})
    check_options(ImagineOptions(size=(1280, 720), guidance=0.0), elsewhere)
    with pytest.raises(InvalidOptions, match="multiples of 8"):
        check_options(ImagineOptions(size=(1, 1)), elsewhere)
