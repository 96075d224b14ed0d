"""Short pure texts about what was heard and painted: the thread's title, words for confidence, alt texts, notes.

It knows the core's labels and scenes, and nothing of Discord but its lengths.
"""

import re
from collections.abc import Sequence

from bot.texts import Speaker
from core.generation.protocol import Note
from core.hearing.categories import SILENCE, TopCategory
from core.prompting.phrasebook import Role
from core.prompting.scene import Scene

LONGEST_THREAD_NAME = 100
LONGEST_ALT_TEXT = 1024
BAR = 8

CONFIDENCE = ((0.7, "sure.certain"), (0.4, "sure.very_likely"), (0.2, "sure.likely"), (0.0, "sure.maybe"))
"""From this score on, these words. Of YamNet's answers 97, 81, 62 and (from 0.1 on) 32 % were right."""


def title_of(scene: Scene, top: Sequence[TopCategory]) -> str:
    """A short name of the sound, at most LONGEST_THREAD_NAME long: "Barking dog, rain"."""
    if not top or top[0].name == SILENCE:
        return SILENCE
    parts = [re.sub(r"^(?:an?|the|two|some) ", "", subject.phrase) for subject in scene.subjects]
    weather = (
        heard.label.lower() for heard in scene.heard if heard.role is Role.WEATHER and heard.became == heard.label
    )
    parts += [word for word in weather if word not in " ".join(parts)][:1]
    title = ", ".join(parts)
    return shortened(title[:1].upper() + title[1:], LONGEST_THREAD_NAME)


def bar(share: float, length: int = BAR) -> str:
    """A bar for 0 to 1."""
    full = round(max(0.0, min(1.0, share)) * length)
    return "▰" * full + "▱" * (length - full)


def confidence(say: Speaker, score: float) -> str:
    """How sure a score is, in words."""
    return say(next(key for least, key in CONFIDENCE if score >= least))


def label_lines(say: Speaker, top: Sequence[TopCategory], most: int = 5) -> str:
    """The labels, one a line, with a bar and a word for how sure each is."""
    return "\n".join(
        f"`{bar(category.score)}` **{category.name}** · {confidence(say, category.score)}" for category in top[:most]
    )


def figure_alt_text(say: Speaker, top: Sequence[TopCategory], duration_s: float) -> str:
    """What the figure shows, for those who cannot see it."""
    names = ", ".join(f"{category.name} ({category.score:.0%})" for category in top[:5])
    return shortened(say("alt.figure", seconds=f"{duration_s:.0f}", labels=names), LONGEST_ALT_TEXT)


def picture_alt_text(say: Speaker, prompt: str) -> str:
    """What the picture shows, for those who cannot see it."""
    return shortened(say("alt.picture", prompt=prompt), LONGEST_ALT_TEXT)


def note_text(say: Speaker, note: str | Note) -> str:
    """A note of a picture as a sentence; one that is a sentence already stays as it is."""
    return note if isinstance(note, str) else say(f"note.{note.key}", **note.values)


def shortened(text: str, most: int) -> str:
    """`text`, cut with an ellipsis where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
