"""Windows as a classifier would hear them, written by hand."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.hearing.audio import SAMPLE_RATE, Samples
from core.hearing.classifier import WINDOW_SAMPLES, Category, Prediction

WINDOW_MS = 1000 * WINDOW_SAMPLES // SAMPLE_RATE

DOG = {"Animal": 0.8, "Dog": 0.75, "Bark": 0.6}
RAIN = {"Rain": 0.7, "Water": 0.4, "Raindrop": 0.3}
TRAIN = {"Vehicle": 0.6, "Train": 0.55, "Rail transport": 0.5}
NOTHING = {"Silence": 1.0}


def windows(*heard: Mapping[str, float], dbfs: Sequence[float] | None = None) -> tuple[Prediction, ...]:
    """One after the other, each as loud as `dbfs` says, all alike without it."""
    loudness = dbfs or [-20.0] * len(heard)
    return tuple(
        Prediction(
            index * WINDOW_MS,
            tuple(Category(name, score) for name, score in sorted(scores.items(), key=lambda one: -one[1])),
            level,
        )
        for index, (scores, level) in enumerate(zip(heard, loudness, strict=True))
    )


def noise(seconds: float, *, level: float = 0.1, seed: int = 0) -> Samples:
    generator = np.random.default_rng(seed)
    return level * generator.standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)


def tone(seconds: float, hertz: float, *, level: float = 0.1) -> Samples:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def quiet(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)
