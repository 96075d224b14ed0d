"""The page's sentences about what was heard and painted, in English. Pure; it knows nothing of HTML."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.events import HeardSummary
from core.hearing.categories import CLEARLY, PERHAPS, PROBABLY, TopCategory
from core.hearing.labels import ENGLISH, name_in
from core.hearing.naming import things, worth_saying
from core.hearing.timeline import WINDOW_S, Stretch, when_heard
from core.options import ImagineOptions
from core.prompting.styles import TEMPLATES, Style

ORDINALS = ("Next", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
SECONDS_STEP, SECONDS_UNTIL = 5, 90
"""How exactly waiting is told, in seconds; from then on it is minutes."""

LEFT = "If you leave, your place is kept for half a minute."

STYLE_NAMES = {
    Style.NONE: "As it comes",
    Style.PHOTOGRAPH: "Photograph",
    Style.OIL_PAINTING: "Oil painting",
    Style.WATERCOLOUR: "Watercolour",
    Style.COMIC: "Comic",
    Style.PIXEL_ART: "Pixel art",
    Style.NIGHT_NEON: "Night neon",
    Style.CHILDRENS_BOOK: "Children’s book",
}


LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "da": "Danish", "de": "German",
    "el": "Greek", "en": "English", "es": "Spanish", "et": "Estonian", "fa": "Persian", "fi": "Finnish", "fr": "French",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "id": "Indonesian", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "lt": "Lithuanian", "lv": "Latvian", "nl": "Dutch", "no": "Norwegian",
    "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak", "sl": "Slovenian",
    "sr": "Serbian", "sv": "Swedish", "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
"""Those that are recognised most often, by their codes; another is called by its code."""


@dataclass(frozen=True)
class Thing:
    """Something that was heard, and a word for how sure that is; "" where it is clear."""

    name: str
    sure: str


@dataclass(frozen=True)
class Times:
    """When a label was heard: `stretches` in seconds, and the same as words for whoever does not see them."""

    name: str
    sure: str
    stretches: tuple[Stretch, ...]
    words: str


def how_sure(certainty: float) -> str:
    """A word for it."""
    if certainty >= CLEARLY:
        return "clearly"
    if certainty >= PROBABLY:
        return "probably"
    return "perhaps" if certainty >= PERHAPS else "at a guess"


def things_in(heard: HeardSummary, options: ImagineOptions) -> tuple[Thing, ...]:
    """What is painted, at most three things, the first of them the title; a scene that was told is one."""
    said = heard.spoken.said if heard.spoken is not None and options.spoken_words else None
    if said is not None and said.subjects:
        return (Thing(said.title, ""),)
    return tuple(map(_thing, things(heard.top))) or (Thing("A sound", ""),)


def _thing(category: TopCategory) -> Thing:
    name = name_in(category.name, ENGLISH)
    return Thing(name, "" if category.certainty >= CLEARLY else how_sure(category.certainty))


def title_of(heard: HeardSummary, options: ImagineOptions) -> str:
    """All of it in a line: "Rain, thunder"."""
    first, *others = things_in(heard, options)
    return ", ".join([first.name, *(lowered(thing.name) for thing in others)])


def said_to_ears(heard: HeardSummary, options: ImagineOptions) -> str:
    """What a screen reader is told once it is heard: "I hear rain, and probably thunder."."""
    told = [" ".join(filter(None, (thing.sure, lowered(thing.name)))) for thing in things_in(heard, options)]
    return f"I hear {', and '.join([', '.join(told[:-1]), told[-1]] if len(told) > 1 else told)}."


def lowered(name: str) -> str:
    """A label's name within a sentence; names such as CD keep their capitals."""
    return name[:1].lower() + name[1:] if name[1:2].islower() else name


def alt_text(heard: HeardSummary, options: ImagineOptions) -> str:
    """What the picture was painted from, and in which style, for those who cannot see it."""
    words = options.prompt
    source = f"the words “{words}”" if words is not None else f"the sound of {_listed(heard, options)}"
    style = options.style or heard.style
    painted = "" if style in (None, Style.NONE) else f", as {lowered(STYLE_NAMES[Style(style)])}"
    return f"A picture painted by a model from {source}{painted}."


def _listed(heard: HeardSummary, options: ImagineOptions) -> str:
    names = [lowered(thing.name) for thing in things_in(heard, options)]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def place_in_line(position: int) -> str:
    """A place in the queue; 1 is next."""
    return f"{ORDINALS[position - 1] if position <= len(ORDINALS) else f'Number {position}'} in line"


def about(seconds: float | None) -> str:
    """About how long something takes, no more exactly than that is known; "" where it is not."""
    if seconds is None:
        return ""
    if seconds < SECONDS_UNTIL:
        return f"about {max(SECONDS_STEP, round(seconds / SECONDS_STEP) * SECONDS_STEP)} seconds"
    return f"about {round(seconds / 60)} minutes"


def waiting(position: int, seconds: float | None) -> dict[str, str]:
    """A place in the queue as a `line`, and what is to be known `about` it."""
    known = f"{capitalised(about(seconds))}. " if seconds is not None else ""
    return {"line": place_in_line(position), "about": f"{known}{LEFT}"}


def loading(arrived: float | None) -> dict[str, str]:
    """The same while the painter is made ready; `arrived`: how much of it has been fetched, 0 to 1."""
    if arrived is None:
        return {"line": "Getting my brushes", "about": "The first picture after a start takes longest."}
    tenths = counted(int(arrived * 10), "tenth of it is", "tenths of it are")
    return {"line": "Getting my brushes", "about": f"The painter is being fetched, once only: {tenths} here."}


def times_in(heard: HeardSummary) -> tuple[Times, ...]:
    """When each label was heard that is more than a guess."""
    return tuple(_times(heard, category) for category in worth_saying(heard.top))


def _times(heard: HeardSummary, category: TopCategory) -> Times:
    ends = heard.duration_s
    found = when_heard(category, heard.windows)
    # what is shorter than half a window is no window of its own
    clipped = (Stretch(s.begin_s, ends if s.end_s > ends - WINDOW_S / 2 else s.end_s) for s in found)
    stretches = tuple(stretch for stretch in clipped if stretch.end_s > stretch.begin_s)
    words = ", ".join(f"from {stretch.begin_s:.0f} to {stretch.end_s:.0f} seconds" for stretch in stretches)
    return Times(name_in(category.name, ENGLISH), how_sure(category.certainty), stretches, words)


def own_words(prompt: str, style: Style | None) -> str:
    """A prompt without the words that its style added, as somebody may change it."""
    added = TEMPLATES[style or Style.NONE].words
    return prompt.removesuffix(added).rstrip(" ,") if added else prompt


def counted(number: int, one: str, many: str) -> str:
    """ "One picture", "three pictures"."""
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return f"{words[number] if number < len(words) else number} {one if number == 1 else many}"


def capitalised(text: str) -> str:
    """`text` as it begins a sentence."""
    return text[:1].upper() + text[1:]


def listed_things(things: Sequence[Thing]) -> list[dict[str, str]]:
    """The same as JSON."""
    return [{"name": thing.name, "sure": thing.sure} for thing in things]
