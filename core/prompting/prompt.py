"""The scene in words: Prompt(text, negative_text) within the text encoder's length.

Knows how a Scene becomes one English sentence and which part goes first when it is too long. It knows neither
labels (`scene.py`) nor models: how many tokens a text has is asked of `count_tokens`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from core.hearing.categories import SILENCE, TopCategory
from core.prompting.merging import Subject
from core.prompting.phrasebook import Role
from core.prompting.scene import SAID, Scene, compose_scene
from core.prompting.styles import TEMPLATES, UNWANTED, Style

CLIP_TOKENS = 77
"""CLIP's context length, start and end tokens included (Radford et al. 2021, section 2.4)."""

TokenCounter = Callable[[str], int]


@dataclass(frozen=True)
class Prompt:
    """What is painted, and what must not be in the picture."""

    text: str
    negative_text: str


def estimate_tokens(text: str) -> int:
    """About how many CLIP tokens `text` has, erring on the high side: for when no tokenizer is at hand.

    CLIP's vocabulary holds most English words whole and splits long ones about every six letters.
    """
    pieces = re.findall(r"[^\W\d_]+|\d|[^\w\s]", text)
    return 2 + sum(1 + (len(piece) - 1) // 6 if piece.isalpha() else 1 for piece in pieces)


def build_prompt(
    categories: Sequence[TopCategory],
    *,
    style: Style = Style.NONE,
    count_tokens: TokenCounter = estimate_tokens,
    max_tokens: int = CLIP_TOKENS,
) -> Prompt:
    """The prompt for what was heard, in `style`."""
    return describe(compose_scene(categories), style=style, count_tokens=count_tokens, max_tokens=max_tokens)


def describe(
    scene: Scene,
    *,
    style: Style = Style.NONE,
    count_tokens: TokenCounter = estimate_tokens,
    max_tokens: int = CLIP_TOKENS,
) -> Prompt:
    """`scene` as a Prompt of at most `max_tokens` tokens: the first of its shorter and shorter tellings that fits."""
    template = TEMPLATES[style]
    plain = replace(scene, manner=())  # how it sounded goes first when it is too long
    tellings = [
        ", ".join(filter(None, (sentence(shorter), template.words)))
        for shorter in (scene, *_shorter_and_shorter(plain))
    ]
    text = next((telling for telling in tellings if count_tokens(telling) <= max_tokens), tellings[-1])
    negative = ", ".join(filter(None, (UNWANTED, template.unwanted)))
    return Prompt(text, negative)


def in_style(words: str, style: Style) -> str:
    """Somebody's own words in a style, whose words follow them unless they are there already."""
    template = TEMPLATES[style]
    return ", ".join(filter(None, (words.strip(), template.words if template.words not in words else "")))


def sentence(scene: Scene) -> str:
    """One sentence without a full stop: who, how, where, in what weather and light, with what far off, in what mood."""
    main, *others = scene.subjects
    near = [other for other in others if not other.background and not other.follows]
    following = [other for other in others if not other.background and other.follows]
    far = [other for other in others if other.background]
    told = ", ".join((main.phrase, *scene.manner)) + ("," if scene.manner and len(near) == 1 else "")
    text = _and([told, *(subject.phrase for subject in near)])
    text += "".join(f" followed by {subject.phrase}" for subject in following)
    text += _unless_said(scene.place, text)
    if scene.weather and not scene.weather_follows:
        text += _unless_said(scene.weather, text)
    text += _unless_said(scene.light, text)
    if scene.uncertain:
        text += ", only dimly seen"
    if far:
        text += f", with {_and([subject.phrase for subject in far])} in the distance"
    if scene.weather and scene.weather_follows:
        text += f", while {scene.weather}"
    if scene.mood and scene.mood not in text:
        text += f", {scene.mood}"
    return text


def title_of(scene: Scene) -> str:
    """A short name of the sound, for people: "Barking dog, rain". Where things were said, those and the weather."""
    if scene.subjects[0].label == SILENCE:
        return SILENCE
    said = [re.sub(r"^(?:an?|the) ", "", subject.phrase) for subject in scene.subjects if subject.label == SAID]
    parts = said or [re.sub(r"^(?:an?|the|two|some) ", "", subject.phrase) for subject in scene.subjects]
    weather = (use.label.lower() for use in scene.uses if use.role is Role.WEATHER and use.became == use.label)
    parts += [word for word in weather if word not in " ".join(parts)][:1]
    title = ", ".join(parts)
    return title[:1].upper() + title[1:]


def _unless_said(words: str, text: str) -> str:
    """`words` to append to `text`: " in the rain", or nothing where `text` already speaks of rain or has the words."""
    last = words.rsplit(" ", 1)[-1]
    return f" {words}" if words and not re.search(rf"\b{re.escape(last)}\b", text) else ""


def _and(phrases: Sequence[str]) -> str:
    return phrases[0] if len(phrases) == 1 else f"{', '.join(phrases[:-1])} and {phrases[-1]}"


def _shorter_and_shorter(scene: Scene) -> Iterator[Scene]:
    """The scene, then without its least important parts, down to the main subject alone."""
    yield scene
    yield replace(scene, mood="")
    yield replace(scene, mood="", subjects=_without_far(scene.subjects))
    yield replace(scene, mood="", weather="", light="", subjects=scene.subjects[:2])
    yield replace(scene, mood="", weather="", light="", subjects=scene.subjects[:1])
    yield replace(scene, mood="", weather="", light="", place="", subjects=scene.subjects[:1])


def _without_far(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    return tuple(subject for subject in subjects if not subject.background) or tuple(subjects[:1])
