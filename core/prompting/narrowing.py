"""A said scene in the words that a painter knows: what it has never seen comes out as a blob.

Pure functions over Scene and the phrasebook's vocabulary. Which words a painter knows is said by the painter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from core.prompting.merging import Subject
from core.prompting.phrasebook import Entry, Role, with_articles
from core.prompting.scene import SAID, Scene
from core.prompting.vocabulary import found_in, plain_words, settings, things

_SLIGHT = frozenset({
    "a", "an", "the", "this", "that", "these", "those", "some", "my", "your", "his", "her", "its", "our", "their",
    "in", "into", "on", "onto", "at", "by", "near", "beside", "to", "of",
})  # fmt: skip
"""Words that nobody misses in a picture."""


def narrowed(scene: Scene, words: frozenset[str] | None) -> tuple[Scene | None, tuple[str, ...]]:
    """`scene` with what was said reduced to `words` (None: all are known), and the phrases of which words are lost.

    "Two cats" becomes "a cat", "a woman playing a violin" "a violin", and a place that is known only from a reduced
    phrase becomes the place: "a girl running into the sea". What has no known word is left out: then what was heard
    leads, and without that the said place or weather. None for the scene: nothing is left of what was said, and the
    heard scene, with the speaker, is all there is to paint. Moods are kept; they are no things.
    """
    if words is None:
        return scene, ()
    said = [subject for subject in scene.subjects if subject.label == SAID]
    parts = {subject.phrase: _Part.subject(subject.phrase, words) for subject in said}
    place, weather = _setting(scene, scene.place, words), _setting(scene, scene.weather, words)
    light = _Part(scene.light, scene.light if found_in(scene.light, words) else "")
    around = [entry for part in parts.values() if part.told != part.said for entry in _settings_in(part.said, words)]
    told = replace(
        scene,
        subjects=_subjects(scene, parts),
        place=place.told or ("" if scene.place else _first(around, Role.PLACE, Role.ACOUSTICS)),
        weather=weather.told or ("" if scene.weather else _first(around, Role.WEATHER)),
        light=light.told,
    )
    painted = told if told.subjects else _led_by_setting(told)
    phrases = [part.said for part in (*parts.values(), place, weather, light) if not _is_heard(scene, part.said)]
    return painted, tuple(phrase for phrase in phrases if not _is_told(phrase, painted))


@dataclass(frozen=True)
class _Part:
    """A phrase as it was said, and as it is told; "" where it is left out."""

    said: str
    told: str

    @classmethod
    def subject(cls, phrase: str, words: frozenset[str]) -> "_Part":
        known = [noun for noun in found_in(phrase, words) if noun not in settings()]
        if not known:
            return cls(phrase, "")
        thing = things().get(known[0])
        if thing is None:
            return cls(phrase, with_articles(f"a {known[0]}"))
        return cls(phrase, phrase if phrase in thing.tellings else thing.phrase)


def _subjects(scene: Scene, parts: dict[str, _Part]) -> tuple[Subject, ...]:
    """Those that are left, each phrase once; the first of them leads."""
    told: dict[str, Subject] = {}
    for subject in scene.subjects:
        phrase = parts[subject.phrase].told if subject.label == SAID else subject.phrase
        if phrase:
            told.setdefault(phrase, replace(subject, phrase=phrase))
    if not told:
        return ()
    lead, *others = told.values()
    return (replace(lead, background=False, follows=False), *others)


def _is_told(phrase: str, scene: Scene | None) -> bool:
    """Whether no word of `phrase` is missing that could be seen."""
    parts = (*(one.phrase for one in scene.subjects), scene.place, scene.weather, scene.light) if scene else ()
    return _SLIGHT.union(*map(plain_words, parts)).issuperset(plain_words(phrase))


def _setting(scene: Scene, phrase: str, words: frozenset[str]) -> _Part:
    """A place or weather as the phrasebook tells it; one that was heard is told so already."""
    if _is_heard(scene, phrase) or (scene.weather_follows and phrase == scene.weather):
        return _Part(phrase, phrase)
    known = found_in(phrase, words)
    entry = next((settings()[word] for word in known if word in settings()), None)
    if entry is not None:
        return _Part(phrase, entry.phrase)
    return _Part(phrase, phrase if any(word not in things() for word in known) else "")


def _is_heard(scene: Scene, phrase: str) -> bool:
    return any(use.phrase == phrase and use.became == use.label for use in scene.uses)


def _settings_in(phrase: str, words: frozenset[str]) -> list[Entry]:
    return [settings()[word] for word in found_in(phrase, words) if word in settings()]


def _first(entries: Sequence[Entry], *roles: Role) -> str:
    return next((entry.phrase for entry in entries if entry.role in roles), "")


def _led_by_setting(scene: Scene) -> Scene | None:
    """`scene`, which has no subjects, led by its place or weather if that was said; None if it was not."""
    entries = {entry.phrase: entry for entry in settings().values()}
    for part, rest in ((scene.place, replace(scene, place="")), (scene.weather, replace(scene, weather=""))):
        if part in entries and not _is_heard(scene, part):
            lead = Subject(entries[part].by_itself(), SAID, confidence=1.0, prominence=1.0, first_ms=0)
            return replace(rest, subjects=(lead,))
    return None
