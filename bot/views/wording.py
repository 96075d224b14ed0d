"""Short pure texts about what was heard and painted: words for confidence, alt texts, notes.

It knows the core's labels, and nothing of Discord but its lengths. What labels are called: `naming.py`.
"""

from collections.abc import Sequence

from bot.discord_api.markdown import Markdown, inert, stripped
from bot.storage.records import Outcome
from bot.views.naming import listed, name_of, worth_saying
from bot.views.texts import Translation
from core.events import HeardSummary
from core.generation.protocol import Note, Picture
from core.hearing.categories import CLEARLY, PERHAPS, PROBABLY, TopCategory
from core.hearing.timeline import WINDOW_S, clock, when_heard
from core.options import ImagineOptions
from core.prompting.styles import Style

LONGEST_ALT_TEXT = 1024
BAR = 8
MOST_LABELS = 5
MOST_TIMES = 3
"""Stretches that are named of one label."""

SURE = ((CLEARLY, "sure.clearly"), (PROBABLY, "sure.probably"), (PERHAPS, "sure.perhaps"), (0.0, "sure.guess"))
"""From this certainty on, these words."""


def bar(share: float, length: int = BAR) -> Markdown:
    """A bar for 0 to 1."""
    full = round(max(0.0, min(1.0, share)) * length)
    return Markdown("▰" * full + "▱" * (length - full))


def how_sure(t: Translation, certainty: float) -> Markdown:
    """How sure a label is, in words."""
    return t(next(key for least, key in SURE if certainty >= least))


def label_lines(t: Translation, heard: HeardSummary) -> Markdown:
    """The labels, one a line, with a bar and a word for how sure each is, and when it was heard."""
    lines = (
        f"`{bar(category.certainty)}` {times(t, heard, category)} **{inert(name_of(t, category))}** · "
        f"{how_sure(t, category.certainty)}"
        for category in worth_saying(heard.top)
    )
    return Markdown("\n".join(lines))


def times(t: Translation, heard: HeardSummary, category: TopCategory) -> str:
    """When a label was heard, by the clock of the whole recording."""
    stretches = when_heard(category, heard.windows)
    spans = []
    for stretch in stretches[:MOST_TIMES]:
        begin = clock(heard.begins_s + stretch.begin_s)
        lasts = stretch.end_s > heard.duration_s - WINDOW_S / 2  # what is shorter is no window of its own
        end = clock(heard.begins_s + (heard.duration_s if lasts else stretch.end_s))
        is_short = stretch.end_s - stretch.begin_s < 2 * WINDOW_S or begin == end
        spans.append(begin if is_short else t.plain("heard.span", begin=begin, end=end))
    return t.plain("list.between").join([*spans, *(["…"] if len(stretches) > MOST_TIMES else [])])


def strip_alt_text(t: Translation, heard: HeardSummary) -> str:
    """What the sound's strip shows, for those who cannot see it."""
    labels = t.plain("list.between").join(
        f"{times(t, heard, category)} {name_of(t, category)}" for category in worth_saying(heard.top)
    )
    return stripped(t.plain("alt.strip", seconds=f"{heard.duration_s:.0f}", labels=labels), LONGEST_ALT_TEXT)


def picture_alt_text(t: Translation, heard: HeardSummary, options: ImagineOptions) -> str:
    """What the picture was painted from and in which style, for those who cannot see it."""
    if options.prompt is not None:
        return stripped(t.plain("alt.words", words=options.prompt), LONGEST_ALT_TEXT)
    style = options.style or heard.style
    if style in (None, Style.NONE):
        return stripped(t.plain("alt.picture", labels=listed(t, heard.top)), LONGEST_ALT_TEXT)
    named = t.plain(f"style.{style.value}")
    return stripped(t.plain("alt.styled", labels=listed(t, heard.top), style=named), LONGEST_ALT_TEXT)


def heard_notes(heard: HeardSummary) -> tuple[Note, ...]:
    """What a person should know of the recording."""
    notes = []
    seconds = f"{heard.duration_s:.0f}"
    if heard.shortened and heard.begins_s:
        notes.append(Note("stretch", {"begin": clock(heard.begins_s), "seconds": seconds}))
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
