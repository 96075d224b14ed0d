"""The film plays everywhere, is as long as its shots and in time with its sound, and is there whole or not at all."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from core import __version__
from core.errors import Cancelled, FilmFailed, FilmTooLarge, NoSpaceForFilm
from core.hearing.decoding.decoder import find_ffmpeg
from core.provenance.xmp import TRAINED_MEDIA, made_by
from core.stories import encoder
from core.stories.film import FPS, Shot
from tests.stories.films import (
    RATE,
    apart_s,
    boxes,
    facts,
    film_of,
    grain,
    heard,
    lightness,
    picture_at,
    shots_of,
    tone,
    write_sound,
    xmp,
)
from tests.tables import part

BLACK, WHITE = Image.new("RGB", (64, 64)), Image.new("RGB", (64, 64), "white")


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Three seconds."""
    return write_sound(tmp_path / "sound.wav", tone(3))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """An empty folder for films."""
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_it_plays_where_films_are_shown(sound: Path, out: Path) -> None:
    film = out / "film.mp4"
    assert film_of(shots_of([grain(1), grain(2)], 3), sound, film) == (720, 720)

    found = facts(film)
    assert found.has(r"Video: h264 \(High\) .* yuv420p\(tv, bt709, progressive\), 720x720.* 12 fps")
    assert found.has(r"Audio: aac \(LC\) .* 48000 Hz, mono")
    assert abs(found.seconds - 3) <= 1 / FPS
    assert boxes(film)[:2] == ["ftyp", "moov"]  # what plays it need not have all of it
    assert os.listdir(out) == ["film.mp4"]


def test_its_title_its_chapters_and_who_made_it_are_in_it(sound: Path, out: Path) -> None:
    shots = [Shot(BLACK, 0, 1.2, 'Rain; a=b #1 \\ "x"'), Shot(WHITE, 1.2, 2, "Hühner\n[CHAPTER]"), Shot(BLACK, 2, 3)]
    film_of(shots, sound, out / "film.mp4", title="A=walk;\n#1 🐕")

    found = facts(out / "film.mp4")
    assert found.has(r"title +: A=walk; #1 🐕\n")
    assert found.has(r"start 0\.0+, end 1\.20*\n.*\n +title +: Rain; a=b #1 \\ \"x\"\n")
    assert found.has(r"start 1\.20*, end 2\.0+\n.*\n +title +: Hühner \[CHAPTER\]\n")
    assert found.has(r"start 2\.0+, end 3\.0+\n")
    assert xmp(out / "film.mp4") == made_by("some/model", f"imagine-sound {__version__}")
    assert f'DigitalSourceType="{TRAINED_MEDIA}"' in xmp(out / "film.mp4")


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="no ffprobe")
def test_ffprobe_reads_the_same(sound: Path, out: Path) -> None:
    film_of(shots_of([grain(1), grain(2)], 3), sound, film := out / "film.mp4")
    asked = ("-export_xmp", "1", "-show_entries", "format_tags:stream=codec_name,pix_fmt,profile,nb_frames", film)
    told = subprocess.run(["ffprobe", "-v", "error", *asked], capture_output=True, text=True, check=True).stdout
    for line in ("codec_name=h264", "profile=High", "pix_fmt=yuv420p", "nb_frames=36", "codec_name=aac", "TAG:title="):
        assert line in told
    assert "trainedAlgorithmicMedia" in told


@pytest.mark.table
@pytest.mark.parametrize("seconds", part([10, 60, 180], every=3))
def test_picture_and_sound_stay_together_and_it_fits(seconds: int, out: Path, tmp_path: Path) -> None:
    """A click sounds at each cut between black and white, and half of the fade is seen then."""
    count = min(8, seconds // 4)
    shots = shots_of([grain(n) if seconds > 10 else (BLACK, WHITE)[n % 2] for n in range(count)], seconds)
    if seconds > 10:
        images = [
            Image.blend(grain(n, (720, 720)), (BLACK, WHITE)[n % 2].resize((720, 720)), 0.8) for n in range(count)
        ]
        shots = shots_of(images, seconds)
    cuts = [shot.begins_s for shot in shots[1:]]
    click = tone(seconds, 0.001)
    for cut in cuts:
        click[int(cut * RATE)] = 0.9
    limit = 10 << 20
    film_of(shots, write_sound(tmp_path / "sound.wav", click), film := out / "film.mp4", max_bytes=limit)

    assert abs(facts(film).seconds - seconds) <= 1 / FPS
    assert film.stat().st_size <= limit
    assert abs(len(lightness(film)) - seconds * FPS) <= 1
    assert abs(len(heard(film)) - seconds * RATE) <= RATE / FPS
    assert max(apart_s(film, cuts)) <= 0.040


@pytest.mark.parametrize("max_bytes", [1_500_000, 700_000, 400_000])
def test_it_is_no_larger_than_it_may_be(max_bytes: int, sound: Path, out: Path) -> None:
    film_of(
        shots_of([grain(1, (720, 720)), grain(2, (720, 720))], 3), sound, film := out / "film.mp4", max_bytes=max_bytes
    )
    assert max_bytes / 8 < film.stat().st_size <= max_bytes


@pytest.mark.parametrize("max_bytes", [0, 1000, 50_000])
def test_what_cannot_be_so_small_is_an_error(max_bytes: int, sound: Path, out: Path) -> None:
    with pytest.raises(FilmTooLarge, match=f"into {max_bytes / 1e6:g} MB"):
        film_of(shots_of([grain(1)], 3), sound, out / "film.mp4", max_bytes=max_bytes)
    assert os.listdir(out) == []


def test_even_what_cannot_be_compressed_is_never_larger(out: Path, tmp_path: Path) -> None:
    """Eight shots of noise in two seconds; there is a film that fits, or there is none."""
    sound = write_sound(tmp_path / "sound.wav", tone(2))
    shots = shots_of([grain(n, (1440, 720)) for n in range(8)], 2)
    try:
        film_of(shots, sound, out / "film.mp4", max_bytes=90_000)
    except FilmTooLarge:
        assert os.listdir(out) == []
    else:
        assert (out / "film.mp4").stat().st_size <= 90_000


@pytest.mark.parametrize(
    ("seconds", "size", "count"),
    [(0.01, (64, 64), 1), (0.3, (53, 37), 1), (1, (16, 9), 1), (2, (640, 360), 8), (2.99, (9, 16), 3)],
)
def test_any_length_and_proportion(seconds: float, size: tuple[int, int], count: int, sound: Path, out: Path) -> None:
    width, height = film_of(
        shots_of([grain(n, size) for n in range(count)], seconds), sound, film := out / "film.mp4", captions=True
    )
    assert facts(film).has(f"{width}x{height}")
    assert abs(facts(film).seconds - max(seconds, 1 / FPS)) <= 1 / FPS
    assert len(lightness(film)) == max(1, round(seconds * FPS))


def test_sound_in_stereo_stays_so_and_silence_follows_what_is_too_short(out: Path, tmp_path: Path) -> None:
    stereo = write_sound(tmp_path / "sound.wav", np.stack([tone(1), np.zeros(RATE)], axis=1))
    film_of(shots_of([BLACK], 2), stereo, film := out / "film.mp4")
    played = heard(film)
    assert facts(film).has("Audio: aac .* stereo")
    assert np.abs(played[: RATE // 2, 0]).max() > 10 * np.abs(played[: RATE // 2, 1]).max()
    assert np.abs(played[int(1.1 * RATE) :]).max() < 0.001


def test_captions_are_written_into_the_lower_part_only_by_choice(sound: Path, out: Path) -> None:
    grey = Image.new("RGB", (720, 720), (120, 120, 120))
    long = "a very long title of a scene in which there is much to be heard " * 4
    shots = [Shot(grey, 0, 1.5, "Dog"), Shot(grey, 1.5, 3, long)]
    film_of(shots, sound, out / "with.mp4", captions=True)
    film_of(shots, sound, out / "without.mp4")

    for at_s in (0.5, 2.5):
        with_it = np.asarray(picture_at(out / "with.mp4", at_s).convert("L"), np.int16)
        assert abs(with_it[:500] - 120).max() < 20
        assert with_it[560:].max() > 220
        assert with_it[560:].min() < 70
        assert abs(with_it[:, :20] - 120).max() < 20
        assert abs(with_it[:, -20:] - 120).max() < 20
        assert abs(np.asarray(picture_at(out / "without.mp4", at_s).convert("L"), np.int16) - 120).max() < 20


def test_progress_is_told_in_seconds(sound: Path, out: Path) -> None:
    told: list[float] = []
    film_of(shots_of([BLACK], 2.5), sound, out / "film.mp4", progress=told.append)
    assert told == [1, 2, 2.5]


class _SetAfter(threading.Event):
    """Set once somebody has asked so often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._times = times

    def is_set(self) -> bool:
        self._times -= 1
        return self._times < 0


@pytest.mark.parametrize("times", [0, 1, 2, 3, 5, 8, 13, 21, 34, 42])
def test_a_stop_at_any_stage_leaves_nothing(times: int, sound: Path, out: Path) -> None:
    with pytest.raises(Cancelled):
        film_of(shots_of([BLACK, WHITE], 3), sound, out / "film.mp4", stop=_SetAfter(times))
    assert os.listdir(out) == []
    assert _encoders() == []


def test_a_film_that_was_there_stays_when_another_is_cancelled(sound: Path, out: Path) -> None:
    (out / "film.mp4").write_bytes(b"older")
    with pytest.raises(Cancelled):
        film_of(shots_of([BLACK], 3), sound, out / "film.mp4", stop=_SetAfter(9))
    assert (out / "film.mp4").read_bytes() == b"older"
    assert os.listdir(out) == ["film.mp4"]


def _encoders() -> list[psutil.Process]:
    """ffmpeg, as far as this process has started it."""
    return [child for child in psutil.Process().children() if Path(child.exe()).samefile(find_ffmpeg())]


def _to_each_encoder(number: int) -> Callable[[float], None]:
    def send(_: float) -> None:
        for process in _encoders():
            process.send_signal(number)

    return send


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_an_encoder_that_is_killed_is_an_error(sound: Path, out: Path) -> None:
    with pytest.raises(FilmFailed):
        film_of(shots_of([BLACK], 3), sound, out / "film.mp4", progress=_to_each_encoder(signal.SIGKILL))
    assert os.listdir(out) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_an_encoder_that_takes_nothing_more_is_killed(sound: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "PATIENCE_S", 1.0)
    with pytest.raises(FilmFailed):
        film_of(shots_of([BLACK], 3), sound, out / "film.mp4", progress=_to_each_encoder(signal.SIGSTOP))
    assert os.listdir(out) == []
    assert _encoders() == []


def test_an_encoder_that_stands_still_is_cancelled_at_once(sound: Path, out: Path) -> None:
    stop = threading.Event()

    def stand_still(_: float) -> None:
        _to_each_encoder(signal.SIGSTOP)(0)
        threading.Timer(0.2, stop.set).start()

    with pytest.raises(Cancelled):
        film_of(shots_of([BLACK], 3), sound, out / "film.mp4", progress=stand_still, stop=stop)
    assert os.listdir(out) == []


FULL = """
import resource, sys
from pathlib import Path
from core.errors import NoSpaceForFilm
from tests.stories.films import film_of, grain, shots_of
sound, out, limit = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    film_of(shots_of([grain(1), grain(2)], 3), sound, out / "film.mp4")
except NoSpaceForFilm as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
@pytest.mark.parametrize("limit", [0, 10, 3000, 100_000])
def test_a_full_disk_is_told_and_nothing_is_left(limit: int, sound: Path, out: Path) -> None:
    """Where files may not grow beyond a limit, writing fails as it does on a full disk."""
    command = [sys.executable, "-c", FULL, str(sound), str(out), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == str(NoSpaceForFilm()), done.stderr
    assert os.listdir(out) == []


def test_a_sound_that_is_none_and_a_folder_that_is_not_there_are_errors(sound: Path, out: Path) -> None:
    (out / "no sound").write_bytes(b"no sound")
    with pytest.raises(FilmFailed):
        film_of(shots_of([BLACK], 1), out / "no sound", out / "film.mp4")
    with pytest.raises(FilmFailed):
        film_of(shots_of([BLACK], 1), out / "missing.wav", out / "film.mp4")
    with pytest.raises(FilmFailed):
        film_of(shots_of([BLACK], 1), sound, out / "nowhere" / "film.mp4")
    assert os.listdir(out) == ["no sound"]


def test_a_missing_ffmpeg_is_an_error(sound: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(out / "none"))
    with pytest.raises(FilmFailed):
        film_of(shots_of([BLACK], 1), sound, out / "film.mp4")
    assert os.listdir(out) == []


def test_without_walls_it_works_as_well(sound: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.hearing.decoding.walls._wrapper", lambda: None)
    film_of(shots_of([BLACK], 1), sound, out / "film.mp4")
    assert facts(out / "film.mp4").seconds == 1


def test_folders_with_odd_names_do_no_harm(sound: Path, out: Path) -> None:
    odd = out / "-i http:%d ä'\n[x]"
    odd.mkdir()
    film_of(shots_of([BLACK], 1), sound, odd / "a film: %03d.mp4")
    assert os.listdir(odd) == ["a film: %03d.mp4"]
