"""What the command line writes takes no file's place, is what its name says, and is there whole or not at all."""

import os
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from core.cli.output import OwnNames, free_name
from core.errors import WrongSetting
from core.files import written_whole
from core.hearing.palette import palette_of
from core.hearing.samples import birdsong, write_wav
from core.pictures import read_recipe
from tests.cli.running import ROOT, run_here

QUICK = ("--steps", "1")

STOPS_BEFORE_THE_END = """
import os, sys, time

def replace(*names, **more):
    print("about to replace", flush=True)
    time.sleep(60)

os.replace = replace
from core.cli.main import main
main(sys.argv[1:])
"""
"""The command line, which stops when the new file is whole and has not got its name yet."""


@pytest.fixture
def recording(siren_wav: Path, tmp_path: Path) -> Path:
    """A recording of the test's own."""
    copy = tmp_path / "x.wav"
    copy.write_bytes(siren_wav.read_bytes())
    return copy


def test_a_recording_is_never_overwritten_by_its_picture(recording: Path, tmp_path: Path, tiny_pipeline: Path) -> None:
    before = recording.read_bytes()
    other_name = tmp_path / "link.png"
    other_name.symlink_to(recording)
    second = tmp_path / "second.png"
    second.hardlink_to(recording)
    for out in (recording, other_name, second):
        for flags in ([], ["--force"]):
            done = run_here("imagine", recording, "--out", out, *flags, IMAGE_MODEL=str(tiny_pipeline))
            assert done.returncode == 2
            assert done.stderr.strip() == f"imagine-sound: {out} is what it is made from; choose another name."
    assert recording.read_bytes() == before


def test_a_picture_is_never_overwritten_by_what_its_recipe_paints(
    recording: Path, tmp_path: Path, tiny_pipeline: Path
) -> None:
    picture = tmp_path / "x.png"
    run_here("imagine", recording, "--out", picture, *QUICK, IMAGE_MODEL=str(tiny_pipeline))
    before = picture.read_bytes()
    done = run_here("imagine", "--recipe", picture, "--out", picture, "--force", IMAGE_MODEL=str(tiny_pipeline))
    assert (done.returncode, picture.read_bytes()) == (2, before)


def test_a_file_that_is_there_is_replaced_only_when_forced(
    recording: Path, tmp_path: Path, tiny_pipeline: Path
) -> None:
    letter = tmp_path / "letter.png"
    letter.write_text("dear all")
    refused = run_here("imagine", recording, "--out", letter, IMAGE_MODEL=str(tiny_pipeline))
    assert refused.returncode == 2
    assert refused.stdout == "", "before anything was heard"
    assert "add --force" in refused.stderr
    assert letter.read_text() == "dear all"

    forced = run_here("imagine", recording, "--out", letter, "--force", *QUICK, IMAGE_MODEL=str(tiny_pipeline))
    assert forced.returncode == 0, forced.stderr
    assert read_recipe(letter).heard[0].startswith("Siren")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letter.png", "x.wav"]


@pytest.mark.parametrize(
    ("name", "kind"), [("x.png", "PNG"), ("x.jpg", "JPEG"), ("x.JPEG", "JPEG"), ("x.webp", "WEBP")]
)
def test_a_picture_is_what_its_name_says_and_its_recipe_is_in_it(
    name: str, kind: str, recording: Path, tmp_path: Path, tiny_pipeline: Path
) -> None:
    done = run_here("imagine", recording, "--out", tmp_path / name, *QUICK, IMAGE_MODEL=str(tiny_pipeline))
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / name) as picture:
        assert picture.format == kind
    assert read_recipe(tmp_path / name).heard[0].startswith("Siren")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (("imagine", "x.wav", "--out", "x.gif"), ".png, .jpg, .jpeg or .webp"),
        (("imagine", "x.wav", "--out", "x"), ".png, .jpg, .jpeg or .webp"),
        (("hear", "x.wav", "--figure", "x.jpg"), ".png"),
        (("convert", "x.wav", "x.mp3"), ".wav"),
    ],
)
def test_what_a_file_cannot_become_is_refused(
    command: tuple[str, ...], says: str, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recording.parent)
    done = run_here(*command)
    assert done.returncode == 2
    assert f"has to end in {says}, " in done.stderr
    assert done.stdout == ""
    assert [path.name for path in recording.parent.iterdir()] == ["x.wav"]


def test_a_picture_without_a_chosen_name_takes_a_free_one(
    recording: Path, monkeypatch: pytest.MonkeyPatch, tiny_pipeline: Path
) -> None:
    monkeypatch.chdir(recording.parent)
    assert free_name("dog-imagined", "png") == Path("dog-imagined.png")
    Path("dog-imagined.png").touch()
    Path("dog-imagined-2.png").symlink_to("nowhere")
    assert free_name("dog-imagined", "png") == Path("dog-imagined-3.png")

    def meanwhile(*_: object) -> str:
        Path("x-imagined.png").write_text("somebody else's")
        return "a bell"

    monkeypatch.setattr("core.cli.imagine.one_line", meanwhile)
    monkeypatch.setattr("core.cli.imagine.remarks", lambda _: [meanwhile()])
    done = run_here("imagine", "x.wav", *QUICK, IMAGE_MODEL=str(tiny_pipeline))
    assert done.stdout.splitlines()[-1] == "x-imagined-2.png"
    assert Path("x-imagined.png").read_text() == "somebody else's"


def test_convert_writes_a_wav_and_overwrites_nothing(
    siren_wav: Path, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    ffmpeg("-i", siren_wav, tmp_path / "siren.mp3")
    done = run_here("convert", tmp_path / "siren.mp3", tmp_path / "siren.wav")
    assert done.returncode == 0, done.stderr
    with wave.open(str(tmp_path / "siren.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
        assert file.getnframes() / 16_000 == pytest.approx(5.0, abs=0.15)

    before = (tmp_path / "siren.wav").read_bytes()
    (tmp_path / "letter.mp3").write_text("dear all")
    for source, target, *force in (
        ("siren.mp3", "siren.wav"),
        ("siren.mp3", "siren.mp3"),
        ("missing.mp3", "new.wav"),
        ("letter.mp3", "siren.wav", "--force"),
        ("siren.wav", "siren.wav", "--force"),
    ):
        refused = run_here("convert", tmp_path / source, tmp_path / target, *force)
        assert refused.returncode == 2
        assert len(refused.stderr.strip().splitlines()) == 1
    assert (tmp_path / "siren.wav").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["letter.mp3", "siren.mp3", "siren.wav"]


@pytest.mark.parametrize(
    ("command", "name", "earlier"),
    [(("imagine", "--force", *QUICK, "--out"), "out.png", b"an earlier picture"), (("convert",), "out.wav", None)],
)
def test_a_process_that_is_killed_while_it_writes_leaves_nothing_half_written(
    command: tuple[str, ...], name: str, earlier: bytes | None, recording: Path, tiny_pipeline: Path
) -> None:
    out = recording.parent / name
    if earlier is not None:
        out.write_bytes(earlier)
    verb, *options = command
    with subprocess.Popen(
        [sys.executable, "-c", STOPS_BEFORE_THE_END, verb, str(recording), *options, str(out)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"IMAGE_MODEL": str(tiny_pipeline)},
    ) as process:
        assert process.stdout is not None
        assert "about to replace\n" in iter(process.stdout.readline, "")
        process.kill()
    assert (out.read_bytes() if out.exists() else None) == earlier


def test_what_fails_half_way_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"an earlier picture")

    def write() -> None:
        with written_whole(out) as temporary:
            temporary.write_bytes(b"half")
            raise OSError(28, "No space left on device")

    with pytest.raises(WrongSetting, match="No space left on device"):
        write()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an earlier picture"]


def test_names_made_together_are_all_different_whatever_is_there(tmp_path: Path) -> None:
    (tmp_path / "dog.png").touch()
    (tmp_path / "cat.png").touch()
    names = OwnNames(tmp_path, replaced=["cat.png"])
    wanted = ["index.html", "Index.html", "dog.png", "cat.png", "cat.png"]
    assert [names.take(name).name for name in wanted] == [
        "index.html", "Index-2.html", "dog-2.png", "cat.png", "cat-2.png",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["dog.png", "index.html", "dog-strip.png"])
def test_the_demo_keeps_a_sound_whatever_it_is_called(
    name: str, siren_wav: Path, tmp_path: Path, tiny_pipeline: Path
) -> None:
    demo, sound = tmp_path / "demo", tmp_path / name
    sound.write_bytes(siren_wav.read_bytes())
    for _ in range(2):
        done = run_here("demo", "--sound", sound, "--out", demo, IMAGE_MODEL=str(tiny_pipeline))
        assert done.returncode == 0, done.stderr
    files = list(demo.iterdir())
    assert len(files) == 4, "the page, the sound, its picture and its strip; the second time the same ones"
    [copy] = [file for file in files if file.read_bytes() == siren_wav.read_bytes()]
    page = next(file for file in files if file.suffix == ".html" and file != copy).read_text()
    assert f'src="{copy.name}"' in page
    pictures = [file for file in files if file.suffix == ".png" and file != copy]
    assert all(f'src="{file.name}"' in page for file in pictures)
    strip, picture = sorted(pictures, key=lambda file: not file.name.endswith("-strip.png"))
    with Image.open(picture) as image:
        palette = palette_of(image)
    with Image.open(strip) as image:
        assert palette.loud in {colour for _, colour in image.convert("RGB").getcolors(256) or ()}
    assert "Siren</span>" in page


def test_the_demo_takes_no_files_place(siren_wav: Path, tmp_path: Path, tiny_pipeline: Path) -> None:
    mine = {"dog.png": b"a photo", "index.html": b"my own page", "dog-strip.png": b"another"}
    for name, content in mine.items():
        (tmp_path / name).write_bytes(content)
    write_wav(tmp_path / "dog.wav", birdsong())
    birds = (tmp_path / "dog.wav").read_bytes()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "dog.wav").write_bytes(siren_wav.read_bytes())

    done = run_here("demo", "--sound", elsewhere / "dog.wav", "--out", tmp_path, IMAGE_MODEL=str(tiny_pipeline))

    assert done.returncode == 0, done.stderr
    assert f"All on one page: {tmp_path / 'index-2.html'}" in done.stdout
    assert {name: (tmp_path / name).read_bytes() for name in mine} == mine
    assert (tmp_path / "dog.wav").read_bytes() == birds
    assert (tmp_path / "dog-2.wav").read_bytes() == siren_wav.read_bytes()


@pytest.mark.parametrize("directory", ["/proc/demo", "x.wav", "x.wav/demo"])
def test_a_directory_in_which_nothing_can_be_written_is_a_sentence(
    directory: str, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(recording.parent)
    done = run_here("demo", "--out", directory)
    assert done.returncode == 2
    assert done.stderr.startswith(f"imagine-sound: nothing can be written in {directory}: ")
    assert len(done.stderr.splitlines()) == 1
