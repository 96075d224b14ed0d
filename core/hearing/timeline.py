"""When each thing was heard: the stretches of a recording in which a label was there.

Pure. It knows windows and labels, and no words for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from core.hearing.categories import HEARD, TopCategory
from core.hearing.classifier import WINDOW_SAMPLES, Prediction
from core.hearing.sound import SAMPLE_RATE

WINDOW_S = WINDOW_SAMPLES / SAMPLE_RATE


@dataclass(frozen=True)
class Stretch:
    """From when to when, in seconds."""

    begin_s: float
    end_s: float


def when_heard(category: TopCategory, windows: Sequence[Prediction]) -> tuple[Stretch, ...]:
    """The stretches in which the label was heard in one window after the other; at least the first that it was.

    A window in which it is not heard ends a stretch.
    """
    begins = [window.timestamp_ms / 1000 for window in windows if _is_heard(category.name, window)]
    stretches: list[Stretch] = []
    for begin in begins or [category.first_ms / 1000]:
        if stretches and begin - stretches[-1].end_s < WINDOW_S / 2:
            stretches[-1] = Stretch(stretches[-1].begin_s, begin + WINDOW_S)
        else:
            stretches.append(Stretch(begin, begin + WINDOW_S))
    return tuple(stretches)


def clock(seconds: float) -> str:
    """Minutes and seconds, as a player shows them: 0:03, 10:00."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _is_heard(name: str, window: Prediction) -> bool:
    return any(category.name == name and category.score >= HEARD for category in window.categories)
