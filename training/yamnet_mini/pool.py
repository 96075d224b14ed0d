"""Step 1: gather the pool of sounds that training windows are cut from.

Decodes recordings (ESC-10 folds 1-4 and unpacked Debian packages), renders General MIDI with fluidsynth, speaks with
espeak-ng and synthesises; everything becomes 16 kHz mono int16 in one file. Recordings that also occur in a folder
kept for judging are left out by comparing loudness envelopes. What this module does not know: labels of any kind.

    python -m training.yamnet_mini.pool POOL.npz --esc10 ESC10 --packages UNPACKED --judging JUDGING --scratch SCRATCH
"""

import argparse
import logging
import random
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import instruments
from .speech import speak
from .synthesis import RATE
from .synthesis_scenes import synthesise
from .unpack import sound_files

log = logging.getLogger(__name__)
Samples = NDArray[np.int16]

SOUNDFONT_SUFFIXES = {".sf2", ".sf3"}
TEST_FOLD = "5-"
MAX_FILES_PER_PACKAGE = 450
MAX_SECONDS = 14.0
SYNTHESISED = 2500


@dataclass
class Pool:
    """Recordings end to end, where each begins, and the source that each came from."""

    samples: Samples
    starts: NDArray[np.int64]
    sources: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, i: int) -> Samples:
        return self.samples[self.starts[i] : self.starts[i + 1]]

    @staticmethod
    def load(path: Path) -> "Pool":
        with np.load(path) as stored:
            return Pool(stored["samples"], stored["starts"], stored["sources"])


def decode(path: Path, seconds: float = MAX_SECONDS) -> Samples:
    command = ["ffmpeg", "-v", "quiet", "-nostdin", "-threads", "1", "-i", str(path), "-t", str(seconds)]
    output = subprocess.run([*command, "-f", "s16le", "-ac", "1", "-ar", str(RATE), "-"], capture_output=True).stdout
    return np.frombuffer(output[: len(output) // 2 * 2], np.int16)


def fingerprint(samples: Samples) -> NDArray[np.float32]:
    """Loudness envelope in 48 steps, normalised: equal for copies in another format or at another loudness."""
    edges = np.linspace(0, len(samples), 49).astype(int)
    power = np.add.reduceat(np.square(samples.astype(np.float32)), edges[:-1]) / np.maximum(np.diff(edges), 1)
    shape = np.log(power + 1e-3 * power.max() + 1.0)
    shape -= shape.mean()
    return np.asarray(shape / (np.linalg.norm(shape) + 1e-9), np.float32)


class Twins:
    """Recognises recordings that are also in the judging folders."""

    def __init__(self, recordings: Iterable[Samples]) -> None:
        kept = [r for r in recordings if len(r) > RATE // 10]
        self.lengths = np.array([len(r) for r in kept])
        self.prints = np.array([fingerprint(r) for r in kept])

    def has(self, samples: Samples) -> bool:
        if not len(self.lengths) or len(samples) <= RATE // 10:
            return False
        near = np.abs(self.lengths - len(samples)) < 0.02 * len(samples)
        return bool(near.any() and (self.prints[near] @ fingerprint(samples)).max() > 0.985)


def audible(samples: Samples) -> bool:
    return len(samples) > 800 and int(np.abs(samples.astype(np.int32)).max()) > 100


def render(score: instruments.Score, name: str, soundfont: Path, seconds: int, scratch: Path) -> list[Samples]:
    midi, wav = scratch / f"{name}.mid", scratch / f"{name}-{soundfont.stem}.wav"
    score.write(midi)
    command = ["fluidsynth", "-ni", "-q", "-g", "0.6", "-r", "44100", "-F", str(wav), str(soundfont), str(midi)]
    subprocess.run(command, check=True, capture_output=True)
    whole = decode(wav, seconds=1e6)
    wav.unlink()
    return [whole[i : i + seconds * RATE] for i in range(0, len(whole) - RATE, seconds * RATE)]


def gather(esc10: Path, packages: Path, judging: Path | None, scratch: Path, seed: int) -> dict[str, list[Samples]]:
    rng = random.Random(seed)
    scratch.mkdir(parents=True, exist_ok=True)
    judged = sound_files(judging, scratch) if judging else []
    twins = Twins(decode(path) for path in judged)
    gathered: dict[str, list[Samples]] = {}

    def add(source: str, recordings: Iterable[Samples]) -> None:
        heard = [r for r in recordings if audible(r)]
        fresh = [r for r in heard if not twins.has(r)]
        minutes = sum(map(len, fresh)) / RATE / 60
        log.info(
            "%-28s %5d recordings %6.1f min, %d twins left out", source, len(fresh), minutes, len(heard) - len(fresh)
        )
        if fresh:
            gathered[source] = fresh

    add("esc10", (decode(p) for p in sorted(esc10.rglob("*.ogg")) if not p.name.startswith(TEST_FOLD)))
    for package in sorted(p for p in packages.iterdir() if p.is_dir()):
        files = sound_files(package, scratch)
        add(package.name, (decode(p) for p in rng.sample(files, min(len(files), MAX_FILES_PER_PACKAGE))))
    fonts = sorted(p for p in packages.rglob("*") if p.suffix in SOUNDFONT_SUFFIXES and not p.is_symlink())
    for font in (f for f in fonts if f.stat().st_size > 10_000_000 and "drum" not in f.stem.lower()):
        add(f"programs of {font.stem}", render(instruments.programs(rng), "programs", font, 4, scratch))
        add(f"percussion of {font.stem}", render(instruments.percussion(rng), "percussion", font, 3, scratch))
        add(f"bands of {font.stem}", render(instruments.bands(rng), "bands", font, 6, scratch))
    add("speech", (decode(p) for p in speak(scratch / "speech", seed)))
    add("synthesis", ((s * 32767).astype(np.int16) for s in synthesise(SYNTHESISED, seed)))
    return gathered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("--esc10", type=Path, required=True, help="folder of ESC-10's recordings")
    parser.add_argument("--packages", type=Path, required=True, help="folder with one unpacked package a subfolder")
    parser.add_argument("--judging", type=Path, help="folder of sounds kept for judging: their twins are left out")
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    gathered = gather(arguments.esc10, arguments.packages, arguments.judging, arguments.scratch, arguments.seed)
    recordings = [r for source in gathered.values() for r in source]
    sources = [source for source, found in gathered.items() for _ in found]
    starts = np.concatenate([[0], np.cumsum([len(r) for r in recordings])])
    np.savez(arguments.pool, samples=np.concatenate(recordings), starts=starts, sources=np.array(sources))
    log.info("%d recordings, %.1f hours", len(recordings), starts[-1] / RATE / 3600)


if __name__ == "__main__":
    main()
