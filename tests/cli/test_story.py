"""`imagine-sound story`: what it writes where, what it says on the way, and what it leaves when it fails."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from core.errors import FilmTooLarge
from core.hearing.samples import in_a_row, silence, write_wav
from core.options import Shape
from core.prompting.styles import Style
from tests.cli.running import ROOT, run_here
from tests.stories.scripted import ScriptedStory

WAITS_FOR_EVER = """
import asyncio, sys
import core.cli.story
from core.cli.main import main
from tests.stories.scripted import ScriptedStory

core.cli.story.tell = ScriptedStory(gates={"filming": asyncio.Event()}).tell
sys.exit(main(sys.argv[1:]))
"""
"""The command line with a film that is never finished."""


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> ScriptedStory:
    scripted = ScriptedStory()
    monkeypatch.setattr("core.cli.story.tell", scripted.tell)
    return scripted


@pytest.fixture
def place(siren_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where somebody works, with a recording `walk.wav`."""
    (tmp_path / "walk.wav").write_bytes(siren_wav.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_in(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def test_a_film_comes_of_a_recording_and_its_scenes_are_told(place: Path, story: ScriptedStory) -> None:
    done = run_here("story", "walk.wav", "--out", "story.mp4", "--poster", "story.jpg")

    assert done.returncode == 0, done.stderr
    assert (place / "story.mp4").read_bytes() == story.content
    with Image.open(place / "story.jpg") as poster:
        assert (poster.format, poster.size) == ("JPEG", (64, 64))
        assert b"trainedAlgorithmicMedia" in poster.info["xmp"], "it says that a model made it"
    assert done.stdout.splitlines() == [
        "Heard:  3 scenes in 0:15",
        "        The recording is longer; the film begins at 1:05 of it.",
        "Scene 1: birdsong, painted",
        "Scene 2: siren, painted",
        "Scene 3: thunderstorm, painted",
        " 0:00  Birdsong",
        " 0:05  Siren",
        " 0:10  Thunderstorm",
        "story.mp4",
    ]
    assert story.directory is not None
    assert not story.directory.exists()


def test_three_sounds_in_a_row_become_a_film_of_three_scenes(place: Path, tiny_pipeline: Path) -> None:
    """All of it is real but the painter, which is tiny."""
    write_wav(place / "walk.wav", in_a_row())
    done = run_here("story", "walk.wav", "--out", "story.mp4", "--max-mb", "1", IMAGE_MODEL=str(tiny_pipeline))

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Heard:  3 scenes in 0:18\n")
    film = (place / "story.mp4").read_bytes()
    assert film[4:8] == b"ftyp"
    assert len(film) < 1_000_000
    assert names_in(place) == ["story.mp4", "walk.wav"]


def test_silence_makes_no_film(place: Path, tiny_pipeline: Path) -> None:
    write_wav(place / "walk.wav", silence())
    done = run_here("story", "walk.wav", IMAGE_MODEL=str(tiny_pipeline))
    assert done.returncode == 2
    assert done.stderr.endswith("There is nothing but silence in this recording, so there is nothing to paint.\n")
    assert names_in(place) == ["walk.wav"]


def test_what_is_chosen_for_it_is_what_is_asked_for(place: Path, story: ScriptedStory) -> None:
    chosen = ("--style", "comic", "--seed", "3", "--steps", "2", "--shape", "wide", "--captions", "--max-mb", "9.5")
    assert run_here("story", "walk.wav", *chosen).returncode == 0

    [(recording, options)] = story.asked
    assert recording == (place / "walk.wav").read_bytes()
    assert (options.max_bytes, options.captions) == (9_500_000, True)
    pictures = options.imagine
    assert (pictures.style, pictures.seed, pictures.steps, pictures.shape) == (Style.COMIC, 3, 2, Shape.WIDE)


def test_a_film_without_a_chosen_name_takes_a_free_one(place: Path, story: ScriptedStory) -> None:
    (place / "walk-story.mp4").write_text("somebody else's")
    done = run_here("story", "walk.wav")
    assert done.stdout.splitlines()[-1] == "walk-story-2.mp4"
    assert (place / "walk-story.mp4").read_text() == "somebody else's"


@pytest.mark.parametrize("option", ["--out", "--poster"])
def test_a_file_that_is_there_is_replaced_only_when_forced(option: str, place: Path, story: ScriptedStory) -> None:
    letter = place / ("letter.mp4" if option == "--out" else "letter.png")
    letter.write_text("dear all")
    refused = run_here("story", "walk.wav", option, letter)
    assert (refused.returncode, refused.stdout, story.asked) == (2, "", [])
    assert "add --force" in refused.stderr

    assert run_here("story", "walk.wav", option, letter, "--force").returncode == 0
    assert letter.read_bytes() != b"dear all"


def test_a_recording_is_never_overwritten_by_its_film(place: Path, story: ScriptedStory) -> None:
    (place / "walk.wav").rename(place / "walk.mp4")
    done = run_here("story", "walk.mp4", "--out", "walk.mp4", "--force")
    assert done.returncode == 2
    assert done.stderr == "imagine-sound: walk.mp4 is what it is made from; choose another name.\n"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("walk.wav", "--out", "x.mov"), "x.mov has to end in .mp4"),
        (("walk.wav", "--poster", "x.gif"), "x.gif has to end in .png, .jpg, .jpeg or .webp"),
        (("missing.wav",), "there is no file missing.wav"),
        (("walk.wav", "--style", "cubist"), "there is no style cubist"),
        (("walk.wav", "--steps", "0"), "Steps must be from"),
        (("walk.wav", "--adapter", "nobody"), "nobody"),
        (("walk.wav", "--max-mb", "0"), "'0' is not a number above 0"),
        (("walk.wav", "--size", "64x64", "--shape", "wide"), "not allowed with"),
        (("walk.wav", "--out", "walk.wav/story.mp4"), "nothing can be written in walk.wav"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_heard(
    wrong: tuple[str, ...], says: str, place: Path, story: ScriptedStory
) -> None:
    done = run_here("story", *wrong)
    assert done.returncode == 2
    assert says in done.stderr
    assert (done.stdout, story.asked, names_in(place)) == ("", [], ["walk.wav"])


def test_each_event_is_a_line_of_json(place: Path, story: ScriptedStory) -> None:
    story.lost = 1
    done = run_here("story", "walk.wav", "--json", "--out", "story.mp4")

    assert done.returncode == 0, done.stderr
    cut, *events = [json.loads(line) for line in done.stdout.splitlines()]
    assert (cut["event"], cut["duration_s"], cut["seed"], cut["begins_s"], cut["shortened"]) == ("cut", 15, 7, 65, True)
    assert [(scene["begins_s"], scene["ends_s"], scene["title"]) for scene in cut["scenes"]] == [
        (0, 5, "Birdsong"),
        (5, 10, "Siren"),
        (10, 15, "Thunderstorm"),
    ]
    assert [event["event"] for event in events if event.get("scene") == 0] == [
        "loading", "queued", "painting", "painted",
    ]  # fmt: skip
    assert {"event": "lost", "scene": 1, "error": "The painter has no more paint."} in events
    assert events[-4:] == [
        {"event": "filming", "done_s": 4.2, "of_s": 15},
        {"event": "filming", "done_s": 15, "of_s": 15},
        {"event": "filmed", "duration_s": 15, "size": [64, 64]},
        {"event": "saved", "path": "story.mp4"},
    ]


def test_a_scene_that_could_not_be_painted_is_told_and_the_film_comes(place: Path, story: ScriptedStory) -> None:
    story.lost = 1
    done = run_here("story", "walk.wav")
    assert done.returncode == 0
    assert "Scene 2: not painted; the picture beside it stands in. The painter has no more paint." in done.stdout


@pytest.mark.parametrize("stage", ["cut", "painting", "filming", "filmed"])
def test_what_fails_on_the_way_is_one_sentence_and_leaves_nothing(
    stage: str, place: Path, story: ScriptedStory
) -> None:
    story.errors[stage] = FilmTooLarge(megabytes=9.5)
    done = run_here("story", "walk.wav", "--out", "story.mp4", "--poster", "story.png")
    assert done.returncode == 2
    assert done.stderr == "imagine-sound: The film does not fit into 9.5 MB; please take a shorter recording.\n"
    assert names_in(place) == ["walk.wav"]


def test_a_disk_that_is_full_is_one_sentence_and_leaves_nothing(
    place: Path, story: ScriptedStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("core.files.shutil.copyfile", full)
    done = run_here("story", "walk.wav", "--out", "story.mp4")
    assert done.returncode == 2
    assert "story.mp4 cannot be written: No space left on device" in done.stderr
    assert names_in(place) == ["walk.wav"]
    assert story.ended == 1


def test_the_demo_makes_a_film_of_its_sounds_and_takes_its_own_name_again(
    tmp_path: Path, story: ScriptedStory, tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.cli.demo.tell", story.tell)
    demo = tmp_path / "demo"
    for _ in range(2):
        done = run_here("demo", "--out", demo, IMAGE_MODEL=str(tiny_pipeline))
        assert done.returncode == 0, done.stderr
        assert f"Film:   {demo / 'story.mp4'}" in done.stdout.splitlines()
        assert " 0:05  Siren" in done.stdout.splitlines()
    page = (demo / "index.html").read_text()
    assert 'src="story.mp4" poster="story.jpg"' in page
    assert '<a href="story.mp4#t=5.0"><span>0:05</span>Siren</a>' in page
    assert (demo / "story.mp4").read_bytes() == story.content
    assert [name for name in names_in(demo) if "-2" in name] == []


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_whoever_interrupts_it_is_left_with_nothing(by: signal.Signals, place: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with subprocess.Popen(
        [
            sys.executable,
            "-c",
            WAITS_FOR_EVER,
            "story",
            str(place / "walk.wav"),
            "--json",
            "--out",
            str(place / "x.mp4"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as process:
        assert process.stdout is not None
        assert any('"filming"' in line for line in process.stdout)
        process.send_signal(by)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")
    assert names_in(place) == ["temporary", "walk.wav"]
    assert names_in(temporary) == []
