"""How well recordings are cut into scenes: `python -m benchmarks.story_cuts RECORDINGS [--speech DIR]`.

RECORDINGS is ESC-10's folder, or any with a folder for each kind of sound. Two or three recordings of different kinds,
drawn by chance, are joined 60 times: the joins are where one should cut. A recording that is joined with itself should
not be cut, nor should speech. Each goes the way that it goes in a story, from its samples to its scenes, with the
models that the settings name. Printed are the shares with 95 % intervals (Clopper and Pearson 1934).
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.marking import interval
from core.hearing.audio import SAMPLE_RATE, Clip, Samples, load_clip
from core.hearing.ears import Ears
from core.hearing.listening import listen
from core.models import ModelStore
from core.settings import CoreSettings
from core.stories.cutting import cut

JOINS = 60
WITHIN_S = 0.5


@dataclass(frozen=True)
class Recording:
    """A recording, and where in it something else begins, in seconds."""

    kinds: tuple[str, ...]
    samples: Samples
    joins: tuple[float, ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Join, cut, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, help="a folder with a folder for each kind of sound")
    parser.add_argument("--speech", type=Path, help="a folder with recordings in which one person speaks")
    parser.add_argument("--seed", type=int, default=2, help="1 is what PRICE was chosen on")
    options = parser.parse_args(arguments)
    settings = CoreSettings()
    ears = Ears(ModelStore(settings).ears())

    def cuts_of(samples: Samples) -> list[float]:
        clip = Clip(samples)
        windows = listen(clip, ears, ears.passes_for(clip, budget=settings.hearing_budget)).windows
        return [span.begins_s for span in cut(windows, samples)[1:]]

    found, missed, more = 0, 0, 0
    for recording in joined(options.recordings, options.seed):
        cuts = cuts_of(recording.samples)
        hits = [any(abs(at - join) <= WITHIN_S for at in cuts) for join in recording.joins]
        found, missed = found + sum(hits), missed + len(hits) - sum(hits)
        more += max(0, len(cuts) - len(recording.joins))
        if not all(hits):
            print(f"  {' + '.join(recording.kinds)}: {_times(recording.joins)}, cut at {_times(cuts) or 'none'}")
    print(f"joins found within {WITHIN_S} s: {_share(found, found + missed)} (asked 85 %); cuts too many: {more}")
    alone = [recording.samples for recording in repeated(options.recordings, options.seed)]
    alone += [load_clip(path).samples for path in sorted(options.speech.glob("*.wav"))] if options.speech else []
    wrong = sum(bool(cuts_of(samples)) for samples in alone)
    print(f"single recordings that are cut: {_share(wrong, len(alone))} (asked 10 % at most)")
    ears.close()


def joined(folder: Path, seed: int) -> Iterator[Recording]:
    """Two or three recordings of different kinds, one after the other, JOINS times."""
    chance = random.Random(seed)
    kinds = _kinds(folder)
    for number in range(JOINS):
        chosen = chance.sample(kinds, 2 + number % 2)
        parts = [load_clip(chance.choice(_files(kind))).samples for kind in chosen]
        ends = np.cumsum([len(part) / SAMPLE_RATE for part in parts])
        yield Recording(tuple(kind.name for kind in chosen), np.concatenate(parts), tuple(map(float, ends[:-1])))


def repeated(folder: Path, seed: int) -> Iterator[Recording]:
    """One recording, two or three times, JOINS times."""
    chance = random.Random(seed + 1000)
    kinds = _kinds(folder)
    for number in range(JOINS):
        kind = kinds[number % len(kinds)]
        samples = load_clip(chance.choice(_files(kind))).samples
        yield Recording((kind.name,), np.tile(samples, 2 + number % 2), ())


def _kinds(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def _files(kind: Path) -> list[Path]:
    return sorted(path for path in kind.iterdir() if path.suffix in (".ogg", ".wav"))


def _share(part: int, whole: int) -> str:
    low, high = interval(part, whole)
    return f"{part} of {whole} ({part / whole:.1%}, {low:.1%} to {high:.1%})"


def _times(times: Sequence[float]) -> str:
    return ", ".join(f"{at:.1f} s" for at in times)


if __name__ == "__main__":
    main()
