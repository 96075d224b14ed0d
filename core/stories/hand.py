"""All scenes of a story in one hand: where it takes place, and who comes again, are told alike in each.

Pure. It changes scenes, and knows nothing of seeds and styles, which are one for the whole story anyway.
"""

from collections.abc import Sequence
from dataclasses import replace

from core.hearing.categories import SILENCE
from core.prompting.merging import Subject
from core.prompting.phrasebook import Phrasebook, Role, load_phrasebook
from core.prompting.scene import SAID, Scene

_PLACES = (Role.PLACE, Role.ACOUSTICS, Role.WEATHER)
"""A subject that is the surroundings itself: the sea is in no other place."""


def in_one_hand(
    scenes: Sequence[Scene], seconds: Sequence[float], phrasebook: Phrasebook | None = None
) -> tuple[Scene, ...]:
    """`scenes`, so many `seconds` long each, with one place where they have none, and one phrase for each who returns.

    The place is that of most of the time. Who returns is told as where it is heard most clearly.
    """
    book = phrasebook or load_phrasebook()
    place = _prevailing_place(scenes, seconds)
    best = _best_phrases(scenes)
    return tuple(_placed(_retold(scene, best), place, book) for scene in scenes)


def _prevailing_place(scenes: Sequence[Scene], seconds: Sequence[float]) -> str:
    """ "" where no scene has a place."""
    lasts: dict[str, float] = {}
    for scene, length in zip(scenes, seconds, strict=True):
        if scene.place:
            lasts[scene.place] = lasts.get(scene.place, 0.0) + length
    return max(lasts, key=lambda place: lasts[place], default="")


def _best_phrases(scenes: Sequence[Scene]) -> dict[str, Subject]:
    best: dict[str, Subject] = {}
    for subject in (subject for scene in scenes for subject in scene.subjects):
        known = best.get(subject.label)
        if subject.label != SAID and (known is None or subject.prominence > known.prominence):
            best[subject.label] = subject
    return best


def _retold(scene: Scene, best: dict[str, Subject]) -> Scene:
    """What a subject does stays its own in each scene; a dog that barks here may only pant there."""
    subjects = tuple(
        replace(subject, phrase=best[subject.label].phrase)
        if subject.label in best and best[subject.label].action == subject.action
        else subject
        for subject in scene.subjects
    )
    return replace(scene, subjects=subjects)


def _placed(scene: Scene, place: str, book: Phrasebook) -> Scene:
    main = scene.subjects[0].label
    has_its_own = scene.place or scene.weather or main == SILENCE or (main in book and book[main].role in _PLACES)
    return scene if has_its_own else replace(scene, place=place)
