"""The command line says what it heard, paints, and tells what went wrong in one sentence with exit code 2."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.cli.common import note_text
from core.cli.main import main
from core.errors import ExitCode
from core.generation.protocol import Note, Picture
from core.hearing.samples import birdsong, silence, siren, write_wav
from core.pictures import read_recipe, to_png
from core.prompting.prompt import Prompt
from core.recipe import Recipe
from tests.cli.running import ROOT, Run, run, run_here

MINIATURE = ROOT / "core" / "miniatures" / "playground-mini"
UPSCALER = ROOT / "core" / "miniatures" / "upscaler-mini" / "upscaler-mini.safetensors"


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as image:
        return image.size


def test_hear_prints_windows_and_then_the_way_to_the_prompt(siren_wav: Path) -> None:
    done = run("hear", siren_wav)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Timestamp 0: ")
    assert "Timestamp 0.975: Siren (0." in done.stdout
    assert "Prompt: " in done.stdout
    assert "subject" in done.stdout


def test_hear_json_prints_one_object_a_file_and_goes_on_after_a_bad_one(siren_wav: Path, tmp_path: Path) -> None:
    birds = write_wav(tmp_path / "birds.wav", birdsong())
    bad = tmp_path / "bad.mp3"
    bad.write_text("no sound")
    done = run_here("hear", "--json", siren_wav, bad, tmp_path / "missing.wav", birds)
    assert done.returncode == 2
    first, second, third, fourth = map(json.loads, done.stdout.splitlines())
    assert set(first) >= {"file", "duration_s", "windows", "top", "prompt"}
    assert first["duration_s"] == 5.0
    assert set(first["windows"][0]) == {"timestamp_ms", "categories", "loudness_dbfs"}
    assert set(first["top"][0]) == {"name", "score", "certainty", "coverage", "first_ms", "level_db"}
    assert first["top"][0]["name"] == "Siren"
    assert set(first["prompt"]) == {"text", "negative_text"}
    assert set(second) == set(third) == {"file", "error"}
    assert fourth["top"][0]["name"] == "Bird"


def test_hear_draws_a_chart_of_one_recording_and_overwrites_nothing(siren_wav: Path, tmp_path: Path) -> None:
    chart = tmp_path / "siren.png"
    done = run_here("hear", "--figure", chart, siren_wav)
    assert done.returncode == 0, done.stderr
    assert "Siren" in done.stdout
    with Image.open(chart) as image:
        assert image.size == (1000, 560)

    before = chart.read_bytes()
    for refused in (
        run_here("hear", "--figure", chart, siren_wav),
        run_here("hear", "--figure", siren_wav, siren_wav, "--force"),
    ):
        assert (refused.returncode, refused.stdout) == (2, "")
    two = run_here("hear", "--figure", tmp_path / "two.png", siren_wav, siren_wav)
    assert two.returncode == 2
    assert "only one FILE" in two.stderr
    assert run_here("hear", "--json", "--figure", chart, "--force", siren_wav).returncode == 0
    assert chart.read_bytes() == before, "the same chart"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["siren.png"]


def test_silence_is_heard_but_not_painted(tmp_path: Path, tiny_pipeline: Path) -> None:
    quiet = write_wav(tmp_path / "quiet.wav", silence())
    heard = run_here("hear", "--json", quiet)
    assert json.loads(heard.stdout)["top"][0]["name"] == "Silence"
    painted = run_here("imagine", quiet, "--out", tmp_path / "x.png", IMAGE_MODEL=str(tiny_pipeline))
    assert painted.returncode == 2
    assert "nothing to paint" in painted.stderr
    assert not (tmp_path / "x.png").exists()


def test_imagine_paints_a_picture_that_can_be_painted_again(
    siren_wav: Path, tmp_path: Path, tiny_pipeline: Path
) -> None:
    settings = {"IMAGE_MODEL": str(tiny_pipeline), "C2PA": "off"}  # a signature is another one each time
    options = ("--seed", "5", "--steps", "3", "--guidance", "2.5", "--size", "48x32", "--style", "comic")
    done = run_here("imagine", siren_wav, "--out", tmp_path / "siren.png", *options, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "siren.png")
    recipe = read_recipe(tmp_path / "siren.png")
    assert (recipe.seed, recipe.steps, recipe.guidance, recipe.size) == (5, 3, 2.5, (48, 32))
    assert "comic book" in recipe.prompt.text
    assert recipe.heard[0].startswith("Siren")

    again = run_here("imagine", "--recipe", tmp_path / "siren.png", "--out", tmp_path / "again.png", **settings)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "siren.png").read_bytes()


@pytest.mark.usefixtures("spandrel")
def test_a_picture_is_painted_larger_and_larger_again_from_its_recipe(
    siren_wav: Path, tmp_path: Path, tiny_pipeline: Path
) -> None:
    settings = {"IMAGE_MODEL": str(tiny_pipeline), "UPSCALE_MODEL": str(UPSCALER), "C2PA": "off"}
    options = ("--steps", "2", "--size", "48x32", "--larger", "4", "--out", tmp_path / "siren.png")
    done = run_here("imagine", siren_wav, *options, **settings)
    assert done.returncode == 0, done.stderr
    assert size_of(tmp_path / "siren.png") == (192, 128)
    assert read_recipe(tmp_path / "siren.png").enlarged == 4

    again = ("imagine", "--recipe", tmp_path / "siren.png", "--out")
    done = run_here(*again, tmp_path / "again.png", **settings)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "siren.png").read_bytes()

    done = run_here(*again, tmp_path / "small.png", IMAGE_MODEL=str(tiny_pipeline))
    assert done.returncode == 0, done.stderr
    assert "to be painted in its original size: nothing here makes the pictures of tiny larger" in done.stderr
    assert size_of(tmp_path / "small.png") == (48, 32)
    assert read_recipe(tmp_path / "small.png").enlarged == 1


@pytest.mark.usefixtures("spandrel")
def test_larger_pictures_are_refused_where_nothing_makes_them(
    siren_wav: Path, tmp_path: Path, tiny_pipeline: Path
) -> None:
    done = run_here("imagine", siren_wav, "--larger", "2", "--out", tmp_path / "x.png", IMAGE_MODEL=str(tiny_pipeline))
    assert done.returncode == 2
    (told,) = (line for line in done.stderr.splitlines() if line.startswith("imagine-sound: "))
    assert "`imagine-sound models pull upscaler`" in told
    assert not (tmp_path / "x.png").exists()


def test_a_recipe_of_the_first_miniature_becomes_a_whole_picture_again(tmp_path: Path) -> None:
    prompt = Prompt("a cat meowing", "")
    recipe = Recipe(prompt, 7, 2, 1.5, (128, 128), "playground-mini", "1", None, ("Cat (0.90)",))
    old = tmp_path / "cat.png"
    old.write_bytes(to_png(Picture(Image.new("RGB", (512, 512)), recipe, 0.4)))

    done = run_here("imagine", "--recipe", old, "--out", tmp_path / "again.png", IMAGE_MODEL=str(MINIATURE))
    assert done.returncode == 0, done.stderr
    assert "painted by playground-mini 1" in done.stderr
    assert "to be painted at 256x256: 128x128 would be a part of a picture" in done.stderr
    again = read_recipe(tmp_path / "again.png")
    assert (again.size, again.seed, again.prompt) == ((256, 256), 7, prompt)

    close = ("--near", "7", "--seed", "8", "--out", tmp_path / "near.png")
    run_here("imagine", "--recipe", tmp_path / "again.png", *close, IMAGE_MODEL=str(MINIATURE))
    near = read_recipe(tmp_path / "near.png")
    assert (near.seed, near.near) == (8, 7)
    run_here(
        "imagine", "--recipe", old, "--out", tmp_path / "small.png", "--size", "128x128", IMAGE_MODEL=str(MINIATURE)
    )
    assert read_recipe(tmp_path / "small.png").size == (128, 128), "who asks for it gets it"


def test_imagine_json_prints_each_event(siren_wav: Path, tmp_path: Path, tiny_pipeline: Path) -> None:
    done = run_here(
        "imagine", siren_wav, "--json", "--steps", "3", "--prompt", "a bell", "--out", tmp_path / "bell.png",
        IMAGE_MODEL=str(tiny_pipeline),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "heard"
    assert names[-2:] == ["painted", "saved"]
    assert {"event": "loading"} in events
    assert {"event": "queued", "position": 1} in events
    assert [event["step"] for event in events if event["event"] == "painting"] == [0, 1, 2, 3]
    assert events[-2]["prompt"] == "a bell"
    with Image.open(events[-1]["path"]) as image:
        assert image.size == (32, 32)


def test_notes_are_english_sentences() -> None:
    assert note_text(Note("prompt_cut", {"end": "in the rain"})) == (
        "The prompt was too long for the model and ends at “in the rain”."
    )


def _video(directory: Path, ffmpeg: Callable[..., None]) -> Path:
    ffmpeg("-f", "lavfi", "-i", "color=c=red:s=64x64:r=5:d=1", directory / "film.mp4")
    return directory / "film.mp4"


def _empty(directory: Path, _: object) -> Path:
    (directory / "empty.wav").touch()
    return directory / "empty.wav"


def _missing(directory: Path, _: object) -> Path:
    return directory / "missing.wav"


@pytest.mark.parametrize(("make", "run"), [(_video, run), (_empty, run_here), (_missing, run_here)])
def test_bad_input_is_one_sentence_and_exit_code_2(
    make: Callable[..., Path], run: Run, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    for command in ("hear", "imagine"):
        done = run(command, make(tmp_path, ffmpeg))
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr  # the sentence, and which model is bundled
        assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("environment", "says", "run"),
    [
        ({"MAX_SECONDS": "long"}, "the setting MAX_SECONDS is wrong", run),
        ({"YAMNET_MODEL": "/nowhere.tflite"}, "YAMNET_MODEL is /nowhere.tflite", run_here),
        ({"IMAGE_MODEL": "/nowhere"}, "IMAGE_MODEL is /nowhere", run_here),
        ({"DEVICE": "cuda"}, "no CUDA GPU", run_here),
        ({"HEARING_BUDGET": "513"}, "the setting HEARING_BUDGET is wrong", run_here),
        ({"HEARING_BUDGET": "-1"}, "the setting HEARING_BUDGET is wrong", run_here),
    ],
)
def test_a_wrong_setting_is_one_sentence_and_exit_code_2(
    environment: dict[str, str], says: str, run: Run, siren_wav: Path
) -> None:
    done = run("imagine", siren_wav, **environment)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_limits_come_from_the_settings(siren_wav: Path) -> None:
    assert json.loads(run_here("hear", "--json", siren_wav, MAX_SECONDS="2").stdout)["shortened"] is True
    assert "more than the 0.001 MB" in run_here("hear", siren_wav, MAX_FILE_MB="0.001").stderr


def test_hearing_the_same_recording_again_says_the_same_to_the_byte(siren_wav: Path) -> None:
    first, again = (run_here("hear", "--json", siren_wav).stdout for _ in range(2))
    assert first == again
    assert json.loads(first)["passes"] == 4, "one ear, its four views"
    assert json.loads(run_here("hear", "--json", siren_wav, HEARING_BUDGET="0").stdout)["passes"] == 1


def test_a_late_sound_is_heard_and_it_is_told_from_where(tmp_path: Path) -> None:
    late = write_wav(tmp_path / "late.wav", np.concatenate([silence(65), 0.001 * siren()]))
    told = json.loads(run_here("hear", "--json", late).stdout)
    assert (told["begins_s"], told["shortened"], told["mendings"]) == (65, True, ["level"])
    for_people = run_here("hear", late).stdout
    assert "I listened from 1:05" in for_people
    assert "It was very faint; I turned it up." in for_people


@pytest.mark.usefixtures("spandrel")
def test_models_lists_what_was_found_where() -> None:
    done = run_here("models")
    assert done.returncode == 0, done.stderr
    assert "yamnet-mini" in done.stdout
    assert "upscaler-mini" in done.stdout
    assert "Apache-2.0" in done.stdout
    assert run_here("models", "list", "upscaler").returncode == 2


def test_models_says_which_extra_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("core.models.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["models"]) == 0
    assert "imagine-sound[upscale]" in capsys.readouterr().out


def test_doctor_checks_the_machine(tiny_pipeline: Path) -> None:
    done = run_here("doctor", IMAGE_MODEL=str(tiny_pipeline))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ffmpeg" in done.stdout
    assert "enlarging: none: " in done.stdout
    assert re.search(r"decoder: memory.*files.*network.*environment ✓", done.stdout)
    wrong = run_here("doctor", IMAGE_MODEL="/nowhere")
    assert wrong.returncode == 2


def test_whoever_stops_reading_ends_it_without_a_word(siren_wav: Path) -> None:
    """As `imagine-sound hear --json siren.wav | head -0` does."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        command = [sys.executable, "-m", "core", "hear", "--json", str(siren_wav)]
        ended = subprocess.run(command, stdout=nobody, stderr=subprocess.PIPE, cwd=ROOT, text=True, timeout=120)
    assert ended.returncode == ExitCode.DONE
    assert "fault" not in ended.stderr
    assert "pipe" not in ended.stderr
