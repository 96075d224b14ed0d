"""How something sounded, in words: "bark after bark", "in a vast hall", "coming closer", "a tiny one".

Only what the phrasebook allows for a label is told. Events are not individuals (ten barks are one dog), so that their
number is told only of what is as many things as it is events: knocks, shots, claps. It knows figures and words, but not
the sentence. The words hold no "and", which would be painted as one thing more, and none goes before the subject's
noun: the bundled painter knows its subjects by the words it learnt.
"""

from collections.abc import Iterator

from core.hearing.acoustics import Manner, Motion, Space
from core.hearing.size import Size
from core.prompting.merging import Subject
from core.prompting.phrasebook import Phrasebook, Telling

OFTEN = 4
"""From so many events on something happens again and again."""
FRANTIC_RATE = 5.0
"""Events a second above which it does so frantically."""
NUMBERS = ("no", "a single", "two", "three", "four", "five", "six")
"""How many things are told; more of them are many."""
MOTIONS = {Motion.APPROACHING: "coming closer", Motion.LEAVING: "moving away", Motion.PASSING: "rushing past"}
SIZES = {Size.SMALL: "a tiny one", Size.LARGE: "a huge one"}
HALL = "in a vast hall"


def tell(manner: Manner, subject: Subject, book: Phrasebook, *, indoors: bool) -> tuple[str, ...]:
    """What is told of `manner` where `subject` is the main one; of a hall only `indoors`, where it may be in one."""
    own = book[subject.label]
    allowed, event = own.manners, own.event
    if subject.action:
        action = book[subject.action]
        counting = frozenset({Telling.AGAIN, Telling.EACH})
        allowed, event = (own.manners & action.manners) - counting | action.manners & counting, action.event
    return tuple(_phrases(manner, allowed if indoors else allowed - {Telling.HALL}, event))


def _phrases(manner: Manner, allowed: frozenset[Telling], event: str) -> Iterator[str]:
    if manner.size and Telling.SIZE in allowed:
        yield SIZES[manner.size]
    often = _how_often(manner, event, each=Telling.EACH in allowed)
    if often and allowed & {Telling.AGAIN, Telling.EACH}:
        yield often
    if manner.motion in MOTIONS and Telling.MOTION in allowed:
        yield MOTIONS[manner.motion]
    if manner.space is Space.HALL and Telling.HALL in allowed:
        yield HALL


def _how_often(manner: Manner, event: str, *, each: bool) -> str:
    events, rate = manner.events or 0, manner.rate or 0.0
    if events == 1 or (each and 1 < events < len(NUMBERS)):
        return f"{NUMBERS[events]} {event}{'s' if events > 1 else ''}"
    if events < OFTEN:
        return ""
    return "frantically" if rate > FRANTIC_RATE else f"{event} after {event}"
