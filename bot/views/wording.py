"""Short pure texts about what was heard and painted: words for confidence, alt texts, notes.

It knows the core's labels, and nothing of Discord but its lengths. What labels are called: `naming.py`.
"""

from collections.abc import Sequence

from bot.discord_api.markdown import Markdown, inert, joined, mention, shortened, stripped
from bot.storage.records import Outcome
from bot.views.naming import BETWEEN, listed, name_of
from bot.views.texts import Translation
from core.events import HeardSummary
from core.generation.protocol import Note, Picture
from core.hearing.categories import CLEARLY, PERHAPS, PROBABLY, TopCategory
from core.hearing.naming import things, worth_saying
from core.hearing.timeline import WINDOW_S, clock, when_heard
from core.options import ImagineOptions
from core.prompting.styles import Style
from core.speech.spoken import Outcome as SpeechOutcome

LONGEST_ALT_TEXT = 1024
LONGEST_SCENE = 150
LONGEST_WORDS = 80
"""Of somebody's own words that a line shows."""
UNPAINTED = (SpeechOutcome.TOO_LATE, SpeechOutcome.FAILED, SpeechOutcome.DOUBTED, SpeechOutcome.NO_ENGLISH)
"""Why what was said is not painted, as everybody may know."""
MOST_TIMES = 3
"""Stretches that are named of one label."""

SECONDS_STEP, SECONDS_UNTIL = 5, 90
"""How exactly waiting is told, in seconds; from then on it is minutes."""

SURE = ((CLEARLY, "sure.clearly"), (PROBABLY, "sure.probably"), (PERHAPS, "sure.perhaps"), (0.0, "sure.guess"))
"""From this certainty on, these words."""


def how_sure(t: Translation, certainty: float) -> Markdown:
    """How sure a label is, in words."""
    return t(next(key for least, key in SURE if certainty >= least))


def things_line(t: Translation, top: Sequence[TopCategory]) -> Markdown:
    """What was heard, at most three things, with a word for how sure that is where it is not clear."""
    first, *others = (_thing(t, thing) for thing in things(top)) if top else (t("thread.listening"),)
    return joined(BETWEEN, Markdown(f"**{first}**"), *others)


def heard_line(t: Translation, heard: HeardSummary) -> Markdown:
    """What is painted, in a line: the scene of what was said, else what was heard. What was said never stands here."""
    if scene := said_title(heard):
        return Markdown(f"**{inert(scene)}**")
    return things_line(t, heard.top)


def said_title(heard: HeardSummary) -> str:
    """The scene of what was said, in English, as whoever paints reads it; empty where nothing of it is painted."""
    said = heard.spoken.said if heard.spoken is not None else None
    if said is None or not said.subjects:
        return ""
    return shortened(said.title, LONGEST_SCENE)


def _thing(t: Translation, thing: TopCategory) -> Markdown:
    name = inert(name_of(t, thing))
    return name if thing.certainty >= CLEARLY else t("heard.unsure", name=name, sure=how_sure(t, thing.certainty))


def label_lines(t: Translation, heard: HeardSummary) -> Markdown:
    """The labels, one a line: when each was heard, and a word for how sure that is."""
    lines = (
        f"{times(t, heard, category)} · **{inert(name_of(t, category))}** · {how_sure(t, category.certainty)}"
        for category in worth_saying(heard.top)
    )
    return Markdown("\n".join(lines))


def loading_line(t: Translation, arrived: float | None) -> Markdown:
    """That the painter is made ready, and how much of it has been fetched while it is."""
    if arrived is None:
        return t("status.loading")
    return t("status.fetching", percent=round(100 * arrived))


def waiting_line(t: Translation, position: int, seconds: float | None) -> Markdown:
    """A place in the queue, and about how long that takes, where it is known: no more exactly than that."""
    if seconds is None:
        return t("status.queued", position=position)
    if seconds < SECONDS_UNTIL:
        rounded = max(SECONDS_STEP, round(seconds / SECONDS_STEP) * SECONDS_STEP)
        return t("status.queued_seconds", position=position, seconds=rounded)
    return t("status.queued_minutes", position=position, minutes=round(seconds / 60))


def painted_line(
    t: Translation, user_id: int, options: ImagineOptions, style: Style | None, origin: Markdown
) -> Markdown:
    """For whom a picture is, of which words where they are somebody's own, in which style, and what it comes from."""
    parts = [t("status.painted", user=mention(user_id))]
    if options.prompt is not None:
        parts.append(t("status.words", words=inert(options.prompt, LONGEST_WORDS)))
    if options.adapter is not None:
        parts.append(inert(options.adapter, LONGEST_WORDS))
    if style not in (None, Style.NONE):
        parts.append(t(f"style.{style.value}"))
    return joined(BETWEEN, *parts, *([origin] if origin else ()))


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
    return alt_text_of(t, said_title(heard) or listed(t, heard.top), options.style or heard.style)


def alt_text_of(t: Translation, labels: str, style: Style | None) -> str:
    """What a picture of these things was painted from and in which style."""
    if style in (None, Style.NONE):
        return stripped(t.plain("alt.picture", labels=labels), LONGEST_ALT_TEXT)
    named = t.plain(f"style.{style.value}")
    return stripped(t.plain("alt.styled", labels=labels, style=named), LONGEST_ALT_TEXT)


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
    if heard.spoken is not None and heard.spoken.outcome in UNPAINTED:
        notes.append(Note(f"said_{heard.spoken.outcome.name.lower()}", {}))
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
