"""What was said and what was heard as one Scene: what was said leads, and what was heard fills what was not said.

Pure. It knows labels, phrases and their nouns, and no grammar; who found the said scene, and how, is not known here.

  1. Nothing visible was said: the heard scene stays; where it has no mood, in the one that was said, or the voice's.
  2. Said subjects become Subjects with the label SAID. Without any, what was heard leads, or the place itself.
  3. The speaker is not in the picture. Other things that were heard stand in the background, unless said already.
  4. Heard weather and place are taken where none was said and nothing said speaks against them. A small room is
     where somebody spoke: it is no place for a ship.
  5. Of the background a request takes the weather alone.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.hearing.labels import load_labels
from core.hearing.voice import VOICE
from core.prompting.merging import Subject
from core.prompting.phrasebook import Role, load_phrasebook, with_articles
from core.prompting.prompt import estimate_tokens
from core.prompting.scene import MOST_SUBJECTS, SAID, LabelUse, Scene
from core.prompting.vocabulary import Thing, found_in, things
from core.speech.spoken import SaidScene
from core.speech.tone import Tone

LONGEST_PHRASE = 40
"""Tokens; what is longer loses its end, so that the main subject and the words of a style always fit together."""

_BREATHS = {"Breathing", "Cough", "Sneeze", "Sniff", "Hiccup", "Burping, eructation", "Whistling"}
SPEAKER = VOICE.union(_BREATHS, *map(load_labels().descendants, _BREATHS))
"""The labels of whoever speaks: the voice, and what else comes from mouth and nose."""

MOODS = {tone: tone.value for tone in (Tone.HUSHED, Tone.DRAMATIC, Tone.JOYFUL, Tone.MELANCHOLY)}
"""A child and a singer speak in any mood."""

_PREPOSITION = (
    r"(?:in front of|next to|on top of|in|inside|into|on|onto|at|by|near|beside|behind|under|over|above|below|along|"
    r"across|through|among|between|around|outside)"
)
_WHERE = re.compile(rf"\b{_PREPOSITION} (?:the|an?|his|her|its|their|my|our|your)\b", re.IGNORECASE)
_LEADING = re.compile(rf"^(?:{_PREPOSITION}\s+)+", re.IGNORECASE)
_WEATHER = re.compile(
    r"\b(?:rain|snow|storm|thunder|fog|blizzard|hail|drizzl)\w*|"
    r"\b(?:misty?|sun|sunny|sunshine|windy?|clear sky|blue sky)\b",
    re.IGNORECASE,
)
_INDOORS = re.compile(
    r"^(?:in|inside|at) .*\b(?:room|bedroom|bathroom|kitchen|house|home|hall|office|school|church|cellar|attic|garage|"
    r"shop|theatre|museum|cave)\b|^(?:indoors|inside|at home)$",
    re.IGNORECASE,
)
_OUTDOORS = re.compile(
    r"\b(?:sea|ocean|beach|shore|coast|mountains?|hills?|forest|woods?|trees?|fields?|meadow|garden|park|river|lake|desert|"
    r"island|sky|clouds?|moon|planets?|rocket|castle|city|village|street|road|bridge|house)\b",
    re.IGNORECASE,
)
_OUTDOOR_KINDS = ("Vehicle", "Wild animals", "Livestock, farm animals, working animals")


def blend(said: SaidScene, heard: Scene, tone: Tone) -> Scene:
    """The scene of `said`, filled from `heard`, as `compose_scene` makes it, and told in the mood of `tone`."""
    said = _shown(said)
    if not any((said.subjects, said.place, said.weather, said.light)):
        return replace(heard, mood=heard.mood or _mood_words(said.mood or MOODS.get(tone, "")))
    background = _Background.of(heard, said)
    lead, said = _led(said, background.things)
    beside = () if said.kind == "request" else background.things
    others = tuple(replace(thing, background=True, follows=False) for thing in beside if thing not in lead)
    subjects = (*lead, *others)[:MOST_SUBJECTS]
    weather, place, mood = background.weather, background.place, background.mood
    told_mood = _mood_words(said.mood or MOODS.get(tone, ""))
    told = {subject.label for subject in subjects}
    told |= {use.label for use in (weather, place, None if told_mood else mood) if use is not None}
    return Scene(
        subjects=subjects,
        place=said.place or (place.phrase if place else ""),
        weather=said.weather or (weather.phrase if weather else ""),
        light=said.light,
        mood=told_mood or (mood.phrase if mood else ""),
        uses=tuple(use if use.became in told else replace(use, became="") for use in heard.uses),
    )


@dataclass(frozen=True)
class _Background:
    """What of a heard scene may be told beside a said one: things, and the labels of its settings."""

    things: tuple[Subject, ...]
    place: LabelUse | None
    weather: LabelUse | None
    mood: LabelUse | None

    @classmethod
    def of(cls, heard: Scene, said: SaidScene) -> "_Background":
        """Without the speaker, and without what was said or is spoken against."""
        place = _first_told(heard, Role.PLACE, Role.ACOUSTICS)
        weather = _first_told(heard, Role.WEATHER)
        if said.kind == "request":
            return cls((), None, weather if _may_have(said, weather) else None, None)
        return cls(
            things=tuple(subject for subject in heard.subjects if _is_thing(subject) and not _is_said(subject, said)),
            place=place if _may_be_in(said, place) else None,
            weather=weather if _may_have(said, weather) else None,
            mood=_first_told(heard, Role.MOOD, Role.GENRE),
        )


def _led(said: SaidScene, heard: tuple[Subject, ...]) -> tuple[tuple[Subject, ...], SaidScene]:
    """Who leads, and what remains to be told of `said`: said subjects, else what was heard there, else the place."""
    if said.subjects:
        return tuple(map(_said_subject, said.subjects[:MOST_SUBJECTS])), said
    if heard:
        return (replace(heard[0], background=False, follows=False),), said
    if said.place:
        return (_said_subject(_LEADING.sub("", said.place) or said.place),), replace(said, place="")
    if said.weather:
        return (_said_subject(_LEADING.sub("", said.weather) or said.weather),), replace(said, weather="")
    return (_said_subject(_LEADING.sub("", said.light) or said.light),), replace(said, light="")


def _said_subject(phrase: str) -> Subject:
    return Subject(phrase, SAID, confidence=1.0, prominence=1.0, first_ms=0)


def _shown(said: SaidScene) -> SaidScene:
    """`said` in phrases of good length, without empty ones; nothing at all where nothing was said that can be seen."""
    if said.kind == "nothing":
        return SaidScene()
    return replace(
        said,
        subjects=tuple(dict.fromkeys(filter(None, map(_bounded, said.subjects)))),
        place=_bounded(said.place),
        weather=_bounded(said.weather),
        light=_bounded(said.light),
    )


def _bounded(phrase: str) -> str:
    words = phrase.split()
    while words and estimate_tokens(" ".join(words)) > LONGEST_PHRASE:
        words.pop()
    return " ".join(words)


def _mood_words(mood: str) -> str:
    return with_articles(f"in a {mood} mood") if mood else ""


def _first_told(heard: Scene, *roles: Role) -> LabelUse | None:
    """The label of one of `roles` that the heard scene shows, whether around its subjects or as one."""
    told = (use for use in heard.uses if use.became == use.label and use.label not in VOICE)
    return next((use for use in told if use.role in roles), None)


def _is_thing(subject: Subject) -> bool:
    """Whether it is something that stands in a picture, and not whoever speaks, the weather, or silence."""
    return subject.label not in SPEAKER and load_phrasebook()[subject.label].role in (Role.SUBJECT, Role.ACTION)


def _is_said(subject: Subject, said: SaidScene) -> bool:
    """Whether a said phrase names what was heard: by its noun, or by one of its kind or of what it is a kind of."""
    book = load_phrasebook()
    labels = {label for label in (subject.label, subject.action) if label}
    nouns = {book[label].noun for label in labels}
    return any(
        thing.noun in nouns or any(_are_kin(one, other) for one in thing.labels for other in labels)
        for thing in _things_in((*said.subjects, said.place))
    )


def _are_kin(one: str, other: str) -> bool:
    book = load_phrasebook()
    joined = one in book[other].joins or other in book[one].joins
    return joined or book.is_kind_of(one, other) or book.is_kind_of(other, one)


def _things_in(phrases: Iterable[str]) -> tuple[Thing, ...]:
    known = things()
    return tuple(known[noun] for phrase in phrases for noun in found_in(phrase, frozenset(known)))


def _may_have(said: SaidScene, weather: LabelUse | None) -> bool:
    """Whether heard weather goes with what was said: no weather was said, and no room."""
    spoken = " ".join((*said.subjects, said.place))
    return weather is not None and not (said.weather or _WEATHER.search(spoken) or _INDOORS.search(said.place))


def _may_be_in(said: SaidScene, place: LabelUse | None) -> bool:
    """Whether a heard place goes with what was said: no place was said, and, for a room, nothing that is outdoors."""
    subjects = " ".join(said.subjects)
    if place is None or said.place or _WHERE.search(subjects):
        return False
    is_room = place.role is Role.ACOUSTICS or place.label.startswith("Inside")
    return not is_room or not (said.weather or said.light or _are_outdoors(subjects))


def _are_outdoors(subjects: str) -> bool:
    book = load_phrasebook()
    labels = {label for thing in _things_in((subjects,)) for label in thing.labels}
    return bool(_OUTDOORS.search(subjects)) or any(
        book.is_kind_of(label, kind) for label in labels for kind in _OUTDOOR_KINDS
    )
