"""Several looks at one sound, averaged: two models, each with the sound as it is, quieter, noisier and faster.

One look is easily misled: the same recording a little quieter, faster or with a trace of noise gets other labels, and
what several looks agree on is right more often (test-time augmentation; averaged are the scores, window by window). A
look costs as much as hearing did before, so that there is a budget in windows for each recording. This module knows
nothing of where the models' files come from, nor of who waits.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum, auto
from pathlib import Path
from queue import Empty, SimpleQueue
from types import MappingProxyType

import numpy as np

from core.hearing.audio import Clip
from core.hearing.classifier import (
    CATEGORIES_PER_WINDOW,
    WINDOW_SAMPLES,
    Category,
    Prediction,
    SoundClassifier,
    fill_windows,
    loudness_dbfs,
)
from core.hearing.sound import Samples, peak

LEVEL_PEAK = 0.7
"""What the loudest sample is brought to."""
QUIETER = 10 ** (-12 / 20)
NOISE_SHARE = 0.03
"""Of the sound's RMS."""
NOISE_SEED = 0
"""The same sound is always heard the same."""
FASTER = (5, 7)
"""A window takes 1.365 s of the sound, which is heard almost half an octave higher."""

MOST_PASSES = 8
CROWDED_PASSES, CROWDED_BUDGET = 3, 20
"""What each recording gets while many wait, in passes and in windows; what that is worth, `python -m benchmarks.crowd`
and `python -m benchmarks.page` show. Of a recording that takes more windows than that, each is looked at once."""


class View(Enum):
    """How the sound is looked at; all but the first begin with the sound at its level.

    As it was recorded a single look hears a little better than at a level: of 837 recordings the first label is right
    in 49.8 instead of 48.9 % (docs/hearing.md).
    """

    AS_RECORDED = auto()
    QUIETER = auto()
    NOISE = auto()
    FASTER = auto()


_VIEWS = (View.AS_RECORDED, View.QUIETER, View.NOISE, View.FASTER)

PASSES = MappingProxyType(
    {
        2: tuple((at % 2, view) for at, view in enumerate(_VIEWS))
        + tuple(((at + 1) % 2, view) for at, view in enumerate(_VIEWS)),
        1: tuple((0, view) for view in _VIEWS),
    }
)
"""By the number of ears: the ear and the view of each pass, in the order in which they are worth their price."""


class Ears:
    """One or two sound classifiers that hear as one; for one thread at a time.

    About 15 MB and 10 ms an ear. Raises ModelUnusable on creation when a file is no audio classifier.
    """

    def __init__(self, models: Sequence[Path]) -> None:
        """`models`: YamNet, and the second ear if there is one."""
        from scipy.signal import resample_poly

        self._resample = resample_poly  # it takes half a second to import: with the models, not with the first sound
        self._classifiers: list[SoundClassifier] = []
        try:
            for model in models:
                self._classifiers.append(SoundClassifier(model))
        except BaseException:
            self.close()
            raise

    def passes_for(self, clip: Clip, *, budget: int, most: int = MOST_PASSES) -> int:
        """How many passes a budget of so many windows allows for `clip`, from one to `most`.

        With one ear there are no more than its four views: a second look at the same would say the same again.
        """
        return max(1, min(budget // _count_windows(clip), most, len(PASSES[len(self._classifiers)])))

    def hear(self, clip: Clip, passes: int) -> tuple[Prediction, ...]:
        """One Prediction for each 0.975 s of `clip` (a shorter one is tiled): the mean of so many passes at that time.

        A label that a pass does not have counts 0 there. How loud the windows are is the recording's own.
        """
        chosen = PASSES[len(self._classifiers)][:passes]
        windows = _count_windows(clip)
        heard = [self._look(clip, ear, view, windows) for ear, view in chosen]
        samples = fill_windows(clip.samples)
        means = (_mean(at_that_time) for at_that_time in zip(*heard, strict=True))
        return tuple(
            replace(mean, loudness_dbfs=loudness_dbfs(samples[start : start + WINDOW_SAMPLES]))
            for mean, start in zip(means, range(0, len(samples), WINDOW_SAMPLES), strict=True)
        )

    def close(self) -> None:
        """Free the models; the ears cannot be used afterwards."""
        for classifier in self._classifiers:
            classifier.close()

    def _look(self, clip: Clip, ear: int, view: View, windows: int) -> list[Prediction]:
        """What one ear hears in one view, on the grid of the clip's own windows."""
        seen = self._classifiers[ear].classify(Clip(self._viewed(clip, view)))
        return [seen[(2 * number + 1) * len(seen) // (2 * windows)] for number in range(windows)]

    def _viewed(self, clip: Clip, view: View) -> Samples:
        """The clip's sound in a view: never longer than it is, nor louder than full scale."""
        if view is View.AS_RECORDED:
            return clip.samples
        level = level_view(clip)
        if not level.any():
            return level
        match view:
            case View.QUIETER:
                return level * np.float32(QUIETER)
            case View.NOISE:
                rms = math.sqrt(float(np.mean(np.square(level, dtype=np.float64))))
                noise = np.random.default_rng(NOISE_SEED).standard_normal(len(level), dtype=np.float32)
                seen = level + np.float32(NOISE_SHARE * rms) * noise
            case View.FASTER:
                seen = self._resample(level, *FASTER).astype(np.float32)
        return np.clip(seen, -1, 1, out=seen)


def level_view(clip: Clip) -> Samples:
    """The clip's sound with its peak at LEVEL_PEAK; silence stays as it is, lest its floor be heard as noise."""
    loudest = peak(clip.samples)
    if clip.silent or loudest == 0:
        return clip.samples
    return (clip.samples * np.float64(LEVEL_PEAK / loudest)).astype(np.float32)


def _count_windows(clip: Clip) -> int:
    return len(fill_windows(clip.samples)) // WINDOW_SAMPLES


def _mean(passes: Sequence[Prediction]) -> Prediction:
    """The mean of what was heard at one time, with as many labels as a pass has."""
    if len(passes) == 1:
        return passes[0]
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for heard in passes:
        for category in heard.categories:
            scores[category.name].append(category.score)
    means = [Category(name, math.fsum(found) / len(passes)) for name, found in scores.items()]
    best = sorted(means, key=lambda category: (-category.score, category.name))[:CATEGORIES_PER_WINDOW]
    return Prediction(passes[0].timestamp_ms, tuple(best))


class EarPool:
    """Ears for as many threads as hear at once: made where none are free, and kept until `close`."""

    def __init__(self, models: Sequence[Path]) -> None:
        """Makes the first pair, and so raises ModelUnusable."""
        self._models = tuple(models)
        self._free: SimpleQueue[Ears] = SimpleQueue()
        self._free.put(Ears(self._models))

    @contextmanager
    def lent(self) -> Iterator[Ears]:
        """Ears that nobody else uses meanwhile."""
        try:
            ears = self._free.get_nowait()
        except Empty:
            ears = Ears(self._models)
        try:
            yield ears
        finally:
            self._free.put(ears)

    def close(self) -> None:
        """Free all models. Nobody may hear any more."""
        while True:
            try:
                self._free.get_nowait().close()
            except Empty:
                return
