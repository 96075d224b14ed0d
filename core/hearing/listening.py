"""What is heard in a clip, whoever asks: its windows, and the labels of the whole.

It knows neither where clips come from nor what they become.
"""

from dataclasses import dataclass

from core.hearing.audio import Clip
from core.hearing.categories import SILENCE, TopCategory, get_top_categories
from core.hearing.classifier import Prediction
from core.hearing.ears import Ears


@dataclass(frozen=True)
class Listened:
    """`clip` as it was heard, turned up perhaps, in so many `passes`."""

    clip: Clip
    windows: tuple[Prediction, ...]
    top: tuple[TopCategory, ...]
    passes: int


def listen(clip: Clip, ears: Ears, passes: int) -> Listened:
    """Hear a clip in so many passes; what is heard as silence, though it is not, is turned up and looked at once more.

    The quieter looks would tell nothing new then.
    """
    windows = ears.hear(clip, passes)
    top = get_top_categories(windows)
    if not clip.silent and all(category.name == SILENCE for category in top):
        clip, passes = clip.turned_up(), 1
        windows = ears.hear(clip, passes)
        top = get_top_categories(windows)
    return Listened(clip, windows, top, passes)
