"""Of several sound tracks the right one is heard, and it is told if that is not the default one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from core.errors import NotAudio
from core.hearing.audio import Mending, load_clip
from core.hearing.decoding.account import Account, Track
from core.hearing.decoding.tracks import first_with_sound, in_order
from core.hearing.samples import birdsong, silence, siren, write_wav
from tests.hearing.reference import encode, play


@dataclass(frozen=True)
class Tried:
    tracks: Sequence[Track]
    has_sound: bool


@pytest.mark.parametrize(
    ("default", "sounding", "heard", "readings"),
    [
        (None, {0, 1, 2}, 0, [0]),
        (2, {0, 1, 2}, 2, [0, 2]),
        (None, {2}, 2, [0, 1, 2]),
        (1, {0}, 0, [0, 1, 0]),
        (1, set(), 1, [0, 1, 0, 2]),
    ],
)
def test_the_rule(default: int | None, sounding: set[int], heard: int, readings: list[int]) -> None:
    """The default one if it has sound, else the first that has; if none has, the default one answers."""
    tracks = [Track(number, default=number == default) for number in range(3)]
    read: list[int] = []

    def attempt(number: int) -> Tried:
        read.append(number)
        return Tried(tracks, number in sounding)

    assert first_with_sound(attempt)[0] == heard
    assert read == readings


def test_where_no_tracks_are_known_the_first_is_tried() -> None:
    assert in_order(()) == (0,)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sounds")
    made = {"siren": siren(2), "birdsong": birdsong(2), "silence": silence(2)}
    return {name: write_wav(folder / f"{name}.wav", sound) for name, sound in made.items()}


def _film(path: Path, *tracks: Path, more: Sequence[str] = ()) -> Path:
    inputs = [argument for track in tracks for argument in ("-i", track)]
    maps = [argument for number in range(len(tracks)) for argument in ("-map", f"{number + 1}:a")]
    picture = ("-f", "lavfi", "-i", "color=s=64x64:d=2")
    return encode(*picture, *inputs, "-map", "0:v", *maps, "-c:v", "libx264", "-c:a", "aac", *more, path)


@pytest.mark.parametrize("container", ["mp4", "mkv", "mov", "ts", "avi"])
def test_a_silent_track_hides_no_other(container: str, sounds: dict[str, Path], tmp_path: Path) -> None:
    film = _film(tmp_path / f"film.{container}", sounds["silence"], sounds["siren"], sounds["birdsong"])
    clip = load_clip(film)
    assert clip.mendings == (Mending.OTHER_TRACK,)
    assert np.array_equal(clip.samples, play(film, "0:a:1"))


def test_the_first_track_is_heard_where_none_is_the_default(sounds: dict[str, Path], tmp_path: Path) -> None:
    clip = load_clip(film := _film(tmp_path / "film.mp4", sounds["siren"], sounds["birdsong"]))
    assert clip.mendings == ()
    assert np.array_equal(clip.samples, play(film))


def test_the_default_track_comes_before_the_first(sounds: dict[str, Path], tmp_path: Path) -> None:
    marks = ("-disposition:a:0", "0", "-disposition:a:1", "default")
    clip = load_clip(film := _film(tmp_path / "film.mkv", sounds["siren"], sounds["birdsong"], more=marks))
    assert clip.mendings == ()
    assert np.array_equal(clip.samples, play(film, "0:a:1"))


def test_a_track_whose_codec_nobody_knows_hides_no_other(sounds: dict[str, Path], tmp_path: Path) -> None:
    film = _film(tmp_path / "film.mkv", sounds["siren"], sounds["birdsong"], more=("-c:a:0", "aac", "-c:a:1", "flac"))
    data = film.read_bytes()
    clip = load_clip(data.replace(b"A_AAC", b"A_XYZ", 1))
    assert clip.mendings == (Mending.OTHER_TRACK,)
    assert np.array_equal(clip.samples, play(film, "0:a:1"))


def test_where_no_codec_is_known_it_is_no_recording(sounds: dict[str, Path], tmp_path: Path) -> None:
    film = _film(tmp_path / "film.mkv", sounds["siren"], sounds["birdsong"])
    with pytest.raises(NotAudio):
        load_clip(film.read_bytes().replace(b"A_AAC", b"A_XYZ"))


def test_where_every_track_is_silent_it_is_silence(sounds: dict[str, Path], tmp_path: Path) -> None:
    clip = load_clip(_film(tmp_path / "film.mp4", sounds["silence"], sounds["silence"]))
    assert clip.silent
    assert clip.mendings == ()


def test_what_is_said_of_tracks_is_read_from_ffmpegs_own_lines_only() -> None:
    """A title cannot pass for a track, nor for a complaint."""
    account = Account()
    account.add(
        b"[info] Input #0, mov,mp4, from 'fd:':\n[info]   Metadata:\n[info]     title           : x\n"
        b"                    : Stream #0:9: Audio: [error] forged\n"
        b"[info]   Stream #0:0[0x1](und): Video: h264 (default)\n"
        b"[info]   Stream #0:1[0x2](und): Audio: aac (LC), 16000 Hz, stereo, fltp, 82 kb/s\n"
        b"[info]   Stream #0:2[0x3](und): Audio: aac (LC), 16000 Hz, stereo, fltp (default)\n[info] Stream map"
    )
    account.add(b"ping:\n[info]   Stream #0:0: Audio: pcm\n[aac @ 0x1f] [error] Invalid data\n")
    account.end()
    assert account.tracks == (Track(0), Track(1, default=True))
    assert account.container == "mov,mp4,"
    assert account.complaints == "[aac @ 0x1f] [error] Invalid data"
