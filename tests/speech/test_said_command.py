"""Words on the command line stand in for a recogniser, with a recording and without one."""

import json
from pathlib import Path

import pytest
from PIL import Image

from core.official import ENGLISH_INSIDE
from tests.cli.running import run_here


@pytest.fixture
def cache(language_pipeline: Path, tmp_path: Path) -> Path:
    """A cache in which the English pipeline lies."""
    made = tmp_path / "cache"
    made.mkdir()
    (made / Path(ENGLISH_INSIDE).name).symlink_to(language_pipeline)
    return made


def test_words_are_told_as_a_scene(cache: Path) -> None:
    done = run_here("hear", "--said", "My dog ran into the sea.", MODEL_CACHE=str(cache))
    assert done.returncode == 0
    assert "Scene:  a dog running into the sea (by rules)" in done.stdout
    assert "Prompt: a dog running into the sea" in done.stdout


def test_words_are_told_beside_what_is_heard(cache: Path, siren_wav: Path) -> None:
    done = run_here("hear", "--json", siren_wav, "--said", "My dog ran into the sea.", MODEL_CACHE=str(cache))
    told = json.loads(done.stdout)
    assert told["spoken"]["said"]["subjects"] == ["a dog running into the sea"]
    assert told["top"][0]["name"] == "Siren"


def test_words_are_painted_without_a_recording(cache: Path, tiny_pipeline: Path, tmp_path: Path) -> None:
    picture = tmp_path / "dog.png"
    done = run_here(
        "imagine", "--said", "My dog ran into the sea.", "--out", picture, "--steps", "1",
        MODEL_CACHE=str(cache), IMAGE_MODEL=str(tiny_pipeline),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(picture) as image:
        assert "a dog running into the sea" in str(image.info)
        assert "My dog" not in str(image.info)


def test_words_in_which_nothing_can_be_seen_are_told_so(cache: Path) -> None:
    done = run_here("hear", "--said", "I don't know what to say.", MODEL_CACHE=str(cache))
    assert "Scene:  none, there is nothing to see in the words" in done.stdout


def test_without_recording_and_words_it_is_said_what_to_name() -> None:
    for command in ("hear", "imagine"):
        done = run_here(command)
        assert done.returncode == 2
        assert "--said" in done.stderr
