"""Where somebody speaks in a recording, by its labels: what is handed to a recogniser, which invents words elsewhere.

It knows labels, not words. `hearing/voice.py` asks whether there may be any voice at all, and is far more generous.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core.hearing.audio import SAMPLE_RATE, Samples
from core.hearing.classifier import WINDOW_SAMPLES, Prediction
from core.hearing.labels import load_labels

VOICE_FROM = 0.3
"""The score of any label of speech from which a window is handed over."""
MUSIC_FROM = 0.5
"""The score of music from which it is not: lyrics over a band are no speech."""
MARGIN_S = 0.5
"""So much is handed over beside each window, since words do not keep to windows."""

_ROOTS = ("Speech", "Shout", "Whispering", "Screaming", "Singing")
SPOKEN = frozenset(_ROOTS).union(*(load_labels().descendants(root) for root in _ROOTS))
"""The labels in which words may be, as YamNet spells them."""

_WINDOW_S = WINDOW_SAMPLES / SAMPLE_RATE


@dataclass(frozen=True)
class Voice:
    """Where somebody speaks: `spans` of begin and end in seconds, in order and apart from each other."""

    spans: tuple[tuple[float, float], ...]

    @property
    def seconds(self) -> float:
        """Of all spans."""
        return sum(end - begin for begin, end in self.spans)


def voice_in(windows: Sequence[Prediction]) -> Voice | None:
    """The voice in a recording of these windows; None where nobody speaks in any."""
    spoken = [window.timestamp_ms / 1000 for window in windows if _is_spoken(window)]
    if not spoken:
        return None
    return Voice(tuple(_merged((max(0.0, at - MARGIN_S), at + _WINDOW_S + MARGIN_S) for at in spoken)))


def only_voice(samples: Samples, voice: Voice) -> Samples:
    """`samples` with everything but the voice silenced, so that times stay as they are."""
    silenced = np.zeros_like(samples)
    for begin, end in voice.spans:
        span = slice(round(begin * SAMPLE_RATE), round(end * SAMPLE_RATE))
        silenced[span] = samples[span]
    return silenced


def _is_spoken(window: Prediction) -> bool:
    scores = {category.name: category.score for category in window.categories}
    voice = max((score for name, score in scores.items() if name in SPOKEN), default=0.0)
    return voice >= VOICE_FROM and scores.get("Music", 0.0) < MUSIC_FROM


def _merged(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """`spans`, which begin one after the other, with those that touch made one."""
    merged: list[tuple[float, float]] = []
    for begin, end in spans:
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
