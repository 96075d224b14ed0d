"""In what tone somebody speaks, as far as the sound's labels tell it. It knows no words."""

import math
from collections.abc import Sequence
from enum import StrEnum

from core.hearing.classifier import Prediction
from core.hearing.labels import load_labels

CLEARLY = 0.3
"""A label of a lower score says nothing of a window's tone."""


class Tone(StrEnum):
    """How something was said."""

    NONE = ""
    HUSHED = "hushed"
    DRAMATIC = "dramatic"
    JOYFUL = "joyful"
    MELANCHOLY = "melancholy"
    CHILD = "child"
    SINGING = "singing"


_ROOTS = {
    Tone.HUSHED: {"Whispering"},
    Tone.DRAMATIC: {"Shout", "Screaming"},
    Tone.JOYFUL: {"Laughter"},
    Tone.MELANCHOLY: {"Crying, sobbing"},
    Tone.CHILD: {"Child speech, kid speaking"},
    Tone.SINGING: {"Singing"},
}
LABELS_OF = {tone: frozenset(roots).union(*map(load_labels().descendants, roots)) for tone, roots in _ROOTS.items()}
"""The labels that speak for each tone: those above and all below them, as YamNet spells them."""


def tone_of(windows: Sequence[Prediction]) -> Tone:
    """The tone whose label has the largest sum of scores over the windows in which it scores CLEARLY, or NONE.

    In each window a tone has the score of its surest label, so that a giggle is not counted again as laughter.
    """
    sums = {tone: math.fsum(_clear_score(window, labels) for window in windows) for tone, labels in LABELS_OF.items()}
    best = max(sums, key=lambda tone: sums[tone])
    return best if sums[best] > 0 else Tone.NONE


def _clear_score(window: Prediction, labels: frozenset[str]) -> float:
    score = max((category.score for category in window.categories if category.name in labels), default=0.0)
    return score if score >= CLEARLY else 0.0
