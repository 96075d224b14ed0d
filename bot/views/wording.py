"""Short pure texts about what was heard and painted: the thread's title, words for confidence, alt texts, notes.

It knows the core's labels and scenes, and nothing of Discord but its lengths.
"""

from collections.abc import Sequence

from bot.storage.records import Outcome
from bot.views.texts import Translation
from core.events import HeardSummary
from core.generation.protocol import Note, Picture
from core.hearing.categories import CERTAIN, LIKELY, VERY_CERTAIN, TopCategory

LONGEST_THREAD_NAME = 100
LONGEST_ALT_TEXT = 1024
BAR = 8

CONFIDENCE = (
    (VERY_CERTAIN, "sure.certain"), (CERTAIN, "sure.very_likely"), (LIKELY, "sure.likely"), (0.0, "sure.maybe"),
)  # fmt: skip
"""From this score on, these words."""


def bar(share: float, length: int = BAR) -> str:
    """A bar for 0 to 1."""
    full = round(max(0.0, min(1.0, share)) * length)
    return "▰" * full + "▱" * (length - full)


def confidence(t: Translation, score: float) -> str:
    """How sure a score is, in words."""
    return t(next(key for least, key in CONFIDENCE if score >= least))


def label_lines(t: Translation, top: Sequence[TopCategory], most: int = 5) -> str:
    """The labels, one a line, with a bar and a word for how sure each is."""
    return "\n".join(
        f"`{bar(category.score)}` **{category.name}** · {confidence(t, category.score)}" for category in top[:most]
    )


def figure_alt_text(t: Translation, top: Sequence[TopCategory], duration_s: float) -> str:
    """What the figure shows, for those who cannot see it."""
    names = ", ".join(f"{category.name} ({category.score:.0%})" for category in top[:5])
    return shortened(t("alt.figure", seconds=f"{duration_s:.0f}", labels=names), LONGEST_ALT_TEXT)


def picture_alt_text(t: Translation, prompt: str) -> str:
    """What the picture shows, for those who cannot see it."""
    return shortened(t("alt.picture", prompt=prompt), LONGEST_ALT_TEXT)


def heard_notes(heard: HeardSummary) -> tuple[Note, ...]:
    """What a person should know of the recording."""
    notes = []
    seconds = f"{heard.duration_s:.0f}"
    if heard.shortened and heard.begins_s:
        minutes, rest = divmod(int(heard.begins_s), 60)
        notes.append(Note("stretch", {"begin": f"{minutes}:{rest:02d}", "seconds": seconds}))
    elif heard.shortened:
        notes.append(Note("shortened", {"seconds": seconds}))
    if heard.damaged:
        notes.append(Note("damaged", {}))
    return (*notes, *(Note(mending.name.lower(), {}) for mending in heard.mendings))


def picture_notes(picture: Picture | Outcome) -> tuple[Note, ...]:
    """What a person should know of the picture."""
    return (Note("miniature", {}), *picture.notes) if picture.is_miniature else picture.notes


def note_text(t: Translation, note: Note) -> str:
    """A note as a sentence."""
    return t(f"note.{note.key}", **note.values)


def names_of(permissions: Sequence[str], t: Translation) -> str:
    """The permissions as Discord's client calls them, in bold."""
    return ", ".join(f"**{t(f'permission.{name}')}**" for name in permissions)


def shortened(text: str, most: int) -> str:
    """`text`, cut with an ellipsis where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
