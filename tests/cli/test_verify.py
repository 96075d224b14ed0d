"""`verify` tells who painted a picture, and a marked picture is painted again as it was, where its key is."""

import json
from pathlib import Path

from core.pictures import read_recipe
from core.provenance.key_file import KEY_FILE
from tests.cli.running import run_here

MINIATURE = {"IMAGE_MODEL": "core/miniatures/playground-mini"}


def test_pictures_are_verified_file_by_file(siren_wav: Path, tmp_path: Path) -> None:
    here, elsewhere = ({"DATA_DIR": str(tmp_path / name), "C2PA": "off"} for name in ("here", "elsewhere"))
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / KEY_FILE).write_bytes(bytes(range(32)))  # with others it may be less clear
    for name, settings in (("own", here), ("other", elsewhere), ("plain", here | {"WATERMARK": "off"})):
        done = run_here("imagine", siren_wav, "--seed", "7", "--out", tmp_path / f"{name}.png", **settings)
        assert done.returncode == 0, done.stderr

    pictures = [tmp_path / f"{name}.png" for name in ("own", "other", "plain")]
    done = run_here("verify", *pictures, siren_wav, **here)
    assert done.returncode == 2, "one is no picture"
    own, other, plain, sound = done.stdout.splitlines()
    assert own.startswith(f"{pictures[0]}: painted here: ")
    assert "another key" in other
    assert "without a mark" in plain
    assert "not a picture that I can read" in sound

    done = run_here("verify", "--json", "--passes", "2", pictures[0], **here)
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["verdict"], found["says_model"]) == ("painted here", True)
    assert found["evidence"]["p"] < 1e-6


def test_a_marked_picture_is_painted_again_to_the_byte_where_its_key_is_and_elsewhere_that_is_said(
    siren_wav: Path, tmp_path: Path, tiny_pipeline: Path
) -> None:
    settings = {"IMAGE_MODEL": str(tiny_pipeline), "C2PA": "off"}  # a signature is another one each time
    here, elsewhere = (settings | {"DATA_DIR": str(tmp_path / name)} for name in ("here", "elsewhere"))
    options = ("--steps", "2", "--size", "32x32", "--out", tmp_path / "first.png")
    assert run_here("imagine", siren_wav, *options, **here).returncode == 0
    first = tmp_path / "first.png"
    assert read_recipe(first).mark is not None

    done = run_here("imagine", "--recipe", first, "--out", tmp_path / "again.png", **here)
    assert (tmp_path / "again.png").read_bytes() == first.read_bytes()
    assert "another key" not in done.stderr

    done = run_here("imagine", "--recipe", first, "--out", tmp_path / "there.png", **elsewhere)
    assert done.returncode == 0, done.stderr
    assert "its noise was marked with another key" in done.stderr
    assert read_recipe(tmp_path / "there.png").mark is None

    done = run_here("imagine", "--recipe", tmp_path / "there.png", "--out", tmp_path / "back.png", **here)
    assert (tmp_path / "back.png").read_bytes() == (tmp_path / "there.png").read_bytes(), "unmarked stays unmarked"
