"""Whether everything that ffmpeg plays from disk is heard, and as before where nothing is mended: `make recordings`.

Prints the recordings that would have been hidden, 65 voice memos, the sweep, what reading costs compared with ffmpeg
alone, and, where TEST_RECORDINGS and TEST_YAMNET_MODEL are set, 400 real recordings; ends with 1 if anything failed.
"""

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from core.errors import ImagineSoundError
from core.hearing.audio import Clip, load_clip
from core.hearing.categories import TopCategory, get_top_categories
from core.hearing.classifier import SoundClassifier
from tests.hearing.reference import MONO_16_BITS, PLAIN, encode, play
from tests.hearing.sweep import Recipe, loudest_difference, memos, recipes
from tests.hearing.test_hearing import ESC10
from tests.hostile.formats import FORMATS

MINIATURE = Path("core/miniatures/yamnet-mini/yamnet-mini.tflite")
REPEATED = 15


def main() -> int:
    """Run everything."""
    with tempfile.TemporaryDirectory(prefix="recordings-") as name:
        folder = Path(name)
        faults = [*_heard("65 voice memos", memos(), folder), *_heard("the sweep", recipes(), folder)]
        costs = _costs(folder)
    faults += costs
    if "TEST_RECORDINGS" in os.environ:
        yamnet = Path(os.environ.get("TEST_YAMNET_MODEL", MINIATURE))
        faults += _real(SoundClassifier(yamnet), Path(os.environ["TEST_RECORDINGS"]))
    print(f"{len(faults)} faults", *faults, sep="\n")
    return 1 if faults else 0


def _heard(title: str, some: Iterable[Recipe], folder: Path) -> list[str]:
    """Faults in what is heard of `some`, which are encoded first."""
    faults, number, mended = [], 0, Counter[str]()
    as_played = 0
    for recipe in some:
        try:
            path = recipe.cook(folder)
        except subprocess.CalledProcessError:
            faults.append(f"{recipe.name}: cannot be made here")
            continue
        played = play(path)
        if not len(played):
            faults.append(f"{recipe.name}: not even ffmpeg plays it")
            continue
        number += 1
        where = f"{recipe.name}, {recipe.sound}, {recipe.seconds:g} s, {recipe.level_db} dB"
        try:
            clip = load_clip(path)
        except ImagineSoundError as error:
            faults.append(f"{where}: {type(error).__name__}")
            continue
        mended.update(clip.mendings)
        if clip.silent and np.any(played):  # 8 bits leave nothing of what is 55 dB down
            faults.append(f"{where}: silent")
        if clip.damaged:
            faults.append(f"{where}: said to be damaged")
        if not clip.mendings:
            difference = loudest_difference(clip.samples, played)
            as_played += difference == 0
            if difference > ("f64" in recipe.name):
                faults.append(f"{where}: differs by {difference:g} steps from what is played")
        path.unlink()
    print(f"{title}: {number} recordings, {len(faults)} faults; {as_played} bit for bit as played; {dict(mended)}")
    return faults


def _costs(folder: Path) -> list[str]:
    """Processor time and wall-clock time for a minute in each of 20 formats, ours and the way before."""
    sound = folder / "sound.wav"
    sources = "aevalsrc=0.3*sin(2*PI*(400+200*sin(3*t))*t)+0.1*random(0):s=44100:d=60:c=mono"
    encode("-f", "lavfi", "-i", sources, sound)
    faults = []
    print(f"{'a minute of':14} {'CPU ms before':>14} {'now':>6} {'ratio':>6} {'ms before':>10} {'now':>6}")
    for name, options in FORMATS.items():
        options = tuple(option.replace("d=3", "d=60") for option in options)
        path = encode("-i", sound, *options, folder / f"minute.{name}")
        before, now = _compare(path)
        ratio = now[0] / before[0]
        print(f"{name:14} {before[0]:14.0f} {now[0]:6.0f} {ratio:6.2f} {before[1]:10.0f} {now[1]:6.0f}")
        if ratio > 1.3:
            faults.append(f"{name}: {ratio:.2f} times the processor time")
        if name == "mp3" and now[1] - before[1] > 40:
            faults.append(f"{name}: {now[1] - before[1]:.0f} ms later")
    return faults


def _compare(path: Path) -> tuple[tuple[float, float], tuple[float, float]]:
    """The children's least processor time and the least wall-clock time, in ms: the way before, and ours.

    The least, since other work on the machine only adds. The way before is a pipe through ffmpeg's cache, as far as it
    needs to read.
    """
    data = path.read_bytes()
    command = [get_ffmpeg_exe(), *PLAIN, "-protocol_whitelist", "cache,pipe"]
    command += ["-read_ahead_limit", "-1", "-i", "cache:pipe:0", "-map", "0:a:0"]
    command += MONO_16_BITS

    def as_before() -> None:
        subprocess.run(command, input=data, capture_output=True, check=False)

    taken: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for _ in range(REPEATED):
        for times, run in zip(taken, (as_before, lambda: load_clip(data)), strict=True):
            times.append(_timed(run))
    before, now = ((min(c for c, _ in times), min(w for _, w in times)) for times in taken)
    return before, now


def _timed(run: Callable[[], object]) -> tuple[float, float]:
    used, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run()
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - used.ru_utime + after.ru_stime - used.ru_stime), 1000 * wall


def _real(classifier: SoundClassifier, recordings: Path) -> list[str]:
    """Real recordings: as played where nothing is mended, and known as well as before."""
    before, now, mended = Counter[str](), Counter[str](), Counter[str]()
    faults = []
    for folder, (_, labels) in ESC10.items():
        for path in sorted((recordings / folder).glob("*.ogg")):
            clip, played = load_clip(path), Clip(play(path))
            mended.update(clip.mendings or ["as played"])
            if not clip.mendings and loudest_difference(clip.samples, played.samples):
                faults.append(f"{path.name}: not as played")
            if clip.silent or clip.damaged:
                faults.append(f"{path.name}: silent or damaged")
            for counts, heard in ((before, played), (now, clip)):
                _count(counts, get_top_categories(classifier.classify(heard)), labels)
    print(f"real recordings: before {dict(before)}, now {dict(now)}; {dict(mended)}")
    if any(now[key] < before[key] for key in before):
        faults.append("fewer real recordings are known than before")
    return faults


def _count(counts: Counter[str], top: tuple[TopCategory, ...], labels: str) -> None:
    counts["top-1"] += bool(re.match(labels, top[0].name))
    counts["top-3"] += any(re.match(labels, category.name) for category in top[:3])


if __name__ == "__main__":
    sys.exit(main())
