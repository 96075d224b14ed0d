"""Short pure texts about what was heard and painted: the thread's title, words for confidence, alt texts, notes.

It knows the core's labels and scenes, and nothing of Discord but its lengths.
"""

from collections.abc import Sequence

from bot.discord_api.markdown import Markdown, inert, stripped
from bot.storage.records import Outcome
from bot.views.texts import Translation
from core.events import HeardSummary
from core.generation.protocol import Note, Picture
from core.hearing.categories import CLEARLY, PERHAPS, PROBABLY, TopCategory

LONGEST_THREAD_NAME = 100
LONGEST_ALT_TEXT = 1024
BAR = 8

MOST_LABELS = 5

SURE = ((CLEARLY, "sure.clearly"), (PROBABLY, "sure.probably"), (PERHAPS, "sure.perhaps"), (0.0, "sure.guess"))
"""From this certainty on, these words."""


def bar(share: float, length: int = BAR) -> Markdown:
    """A bar for 0 to 1."""
    full = round(max(0.0, min(1.0, share)) * length)
    return Markdown("▰" * full + "▱" * (length - full))


def how_sure(t: Translation, certainty: float) -> Markdown:
    """How sure a label is, in words."""
    return t(next(key for least, key in SURE if certainty >= least))


def worth_saying(top: Sequence[TopCategory]) -> tuple[TopCategory, ...]:
    """The labels that are more than a guess, at most MOST_LABELS; where none is, the first."""
    return tuple(category for category in top if category.certainty >= PERHAPS)[:MOST_LABELS] or tuple(top[:1])


def label_lines(t: Translation, top: Sequence[TopCategory]) -> Markdown:
    """The labels, one a line, with a bar and a word for how sure each is."""
    lines = (
        f"`{bar(category.certainty)}` **{inert(category.name)}** · {how_sure(t, category.certainty)}"
        for category in worth_saying(top)
    )
    return Markdown("\n".join(lines))


def figure_alt_text(t: Translation, top: Sequence[TopCategory], duration_s: float) -> str:
    """What the figure shows, for those who cannot see it."""
    names = ", ".join(f"{category.name} ({category.certainty:.0%})" for category in worth_saying(top))
    return stripped(t.plain("alt.figure", seconds=f"{duration_s:.0f}", labels=names), LONGEST_ALT_TEXT)


def picture_alt_text(t: Translation, prompt: str) -> str:
    """What the picture shows, for those who cannot see it."""
    return stripped(t.plain("alt.picture", prompt=prompt), LONGEST_ALT_TEXT)


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


def note_text(t: Translation, note: Note) -> Markdown:
    """A note as a sentence."""
    if note.key == "no_thread":
        return t("note.no_thread", permissions=names_of(str(note.values["permissions"]).split(), t))
    return t(f"note.{note.key}", **{name: inert(value) for name, value in note.values.items()})


def names_of(permissions: Sequence[str], t: Translation) -> Markdown:
    """The permissions as Discord's client calls them, in bold."""
    return Markdown(", ".join(f"**{t(f'permission.{name}')}**" for name in permissions))
