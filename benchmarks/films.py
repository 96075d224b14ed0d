"""Films as they come out: `python -m benchmarks.films [--seconds 10 60 180] [--side 1024]`.

For each length, in a process of its own, a film of pictures made in code, lighter and darker in turns, with a click at
each cut. Printed are what is in the file; by how much its length is wrong; its size, with the limit of 10 MiB; how far
picture and sound are apart at the worst cut; seconds of work for each second of film, by the clock and of the
processors; how long a film that is stopped takes to end; by how much Python's memory grew at most beside the pictures;
and the most that ffmpeg held.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
from PIL import Image

from core.errors import Cancelled
from core.stories.film import FilmOptions, Shot, make_film
from tests.stories.films import RATE, apart_s, facts, write_sound

LIMIT = 10 << 20
MOST_SCENES = 8
SCENE_S = 5.0
HEAD = "  film in the file                          length     size  apart   work    CPU   stop  Python  ffmpeg"

Levels = npt.NDArray[np.float64]


def main() -> None:
    """Measure each length in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, nargs="+", default=[10, 60, 180])
    parser.add_argument("--side", type=int, default=1024, help="of the square pictures, in pixels")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder is not None:
        print(json.dumps(measured(options.folder, options.seconds[0])))
        return
    print(HEAD)
    for seconds in options.seconds:
        with tempfile.TemporaryDirectory(prefix="films-") as folder:
            _prepare(Path(folder), seconds, options.side)
            command = [sys.executable, "-m", "benchmarks.films", "--folder", folder, "--seconds", str(seconds)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            print(_line(seconds, json.loads(done.stdout)), flush=True)


def _line(seconds: int, found: dict[str, str | float]) -> str:
    return (
        f"{seconds:>4} s {found['codecs']:34} {found['length_ms']:>+5.0f} ms {found['megabytes']:>5.2f} MB "
        f"{found['apart_ms']:>3.0f} ms {found['work']:>6.3f} {found['cpu']:>6.3f} {found['stop_s']:>4.2f} s "
        f"{found['python_mb']:>4.0f} MB {found['ffmpeg_mb']:>4.0f} MB"
    )


def _cuts(seconds: int) -> Levels:
    return np.linspace(0, seconds, min(MOST_SCENES, max(1, int(seconds / SCENE_S))) + 1)


def _prepare(folder: Path, seconds: int, side: int) -> None:
    """The pictures and the sound, made in another process than the one whose memory is measured."""
    cuts = _cuts(seconds)
    _write_sound(folder / "sound.wav", seconds, cuts[1:-1])
    for number in range(len(cuts) - 1):
        picture(number, side).save(folder / f"{number}.png")


def measured(folder: Path, seconds: int) -> dict[str, str | float]:
    """One film, and what is to be said of it."""
    cuts = _cuts(seconds)
    balances = (0.0, 0.6, -0.5, 0.1)
    shots = [
        Shot(Image.open(folder / f"{n}.png"), cuts[n], cuts[n + 1], f"Scene {n + 1}", balances[n % 4])
        for n in range(len(cuts) - 1)
    ]
    for shot in shots:
        shot.image.load()
    sound, film = folder / "sound.wav", folder / "film.mp4"
    held = _Held()
    began, used = time.monotonic(), os.times()
    make_film(shots, sound, film, FilmOptions("A film", "none", LIMIT), progress=held.look, stop=threading.Event())
    work_s, cpu_s = time.monotonic() - began, sum(os.times()[:4]) - sum(used[:4])
    return {
        "codecs": contents(film),
        "length_ms": (facts(film).seconds - seconds) * 1000,
        "megabytes": film.stat().st_size / 1e6,
        "apart_ms": max((apart * 1000 for apart in apart_s(film, cuts[1:-1])), default=0.0),
        "work": work_s / seconds,
        "cpu": cpu_s / seconds,
        "stop_s": _stopping_s(shots, sound, film),
        "python_mb": held.grown_mb,
        "ffmpeg_mb": held.child_mb,
    }


def picture(number: int, side: int) -> Image.Image:
    """Noise with as much at each scale as in photographs (1/f), light or dark."""
    random = np.random.default_rng(number)
    across, down = np.meshgrid(np.fft.rfftfreq(side), np.fft.fftfreq(side))
    spectrum = 1 / np.maximum(np.hypot(across, down), 1 / side)
    channels = [
        np.fft.irfft2(spectrum * np.exp(2j * np.pi * random.random(spectrum.shape)), (side, side)) for _ in "RGB"
    ]
    shape = np.stack(channels, axis=-1)
    shape = shape / shape.std() * 30 + (90 if number % 2 else 165)
    return Image.fromarray(shape.clip(0, 255).astype(np.uint8))


def _write_sound(path: Path, seconds: int, cuts: Sequence[float] | Levels) -> None:
    """Hum on two channels, and a click at each cut."""
    at = np.arange(seconds * RATE) / RATE
    hum = 0.02 * np.sin(2 * np.pi * 220 * at) * (1 + np.sin(2 * np.pi * 0.5 * at))
    for cut in cuts:
        hum[int(cut * RATE)] = 0.9
    write_sound(path, np.stack([hum, hum / 2], axis=1))


class _Held:
    """The most memory that this process and its children held, as often as somebody looked, in MB."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._before = self._process.memory_info().rss
        self.grown_mb = self.child_mb = 0.0

    def look(self, _: float) -> None:
        self.grown_mb = max(self.grown_mb, (self._process.memory_info().rss - self._before) / 1e6)
        for child in self._process.children():
            self.child_mb = max(self.child_mb, child.memory_info().rss / 1e6)


def _stopping_s(shots: Sequence[Shot], sound: Path, film: Path) -> float:
    """How long it takes until a film that is stopped under way has ended."""
    stop = threading.Event()
    stopped_at = 0.0

    def halt(_: float) -> None:
        nonlocal stopped_at
        stopped_at = time.monotonic()
        stop.set()

    try:
        make_film(shots, sound, film, FilmOptions("A film", "none"), progress=halt, stop=stop)
    except Cancelled:
        return time.monotonic() - stopped_at
    raise AssertionError("it was not stopped")


def contents(film: Path) -> str:
    """The codecs and forms in a few words."""
    said = facts(film).text
    video = re.search(r"Video: (\w+) \((\w+)\).*?(yuv\w+).*?(\d+x\d+)", said)
    audio = re.search(r"Audio: (\w+) .*?(mono|stereo)", said)
    if not (video and audio):
        sys.exit(f"This is no film: {said}")
    return " ".join([*video.groups(), *audio.groups()])


if __name__ == "__main__":
    main()
