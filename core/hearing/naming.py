"""Which labels of a recording are worth a person's while: a few that are sure enough, and none that says less.

Pure. It knows the labels' family tree, and no words in any language.
"""

from collections.abc import Mapping, Sequence

from core.hearing.categories import PERHAPS, PROBABLY, TopCategory
from core.hearing.labels import Role, load_labels

MOST_LABELS = 5
MOST_THINGS = 3
CHILD_YIELDS = 0.5
"""A label stands for the one above it from this share of its certainty on: below that, what is sure is said."""


def worth_saying(top: Sequence[TopCategory]) -> tuple[TopCategory, ...]:
    """The labels that are more than a guess, at most MOST_LABELS; where none is, the first.

    What says the same thing less exactly is left out: an animal, where a bird was heard as surely.
    """
    probable = [category for category in top if category.certainty >= PERHAPS]
    said = [category for category in probable if not _is_said_closer(category, probable)]
    return tuple(said[:MOST_LABELS]) or tuple(top[:1])


def things(top: Sequence[TopCategory]) -> tuple[TopCategory, ...]:
    """At most MOST_THINGS labels that are probable, of each family one; where none is, the first.

    A family is a label with all below it: it is called by the most certain line down from there.
    """
    sure = {category.name: category for category in top if category.certainty >= PROBABLY and _names_it(category.name)}
    families = [name for name in sure if not _is_in_another(name, sure)]
    found = dict.fromkeys(_down_from(name, sure) for name in families)
    return tuple(sure[name] for name in found)[:MOST_THINGS] or tuple(top[:1])


def _is_said_closer(category: TopCategory, others: Sequence[TopCategory]) -> bool:
    """Whether a label below it is about as sure."""
    below = load_labels().descendants(category.name)
    return any(other.name in below and other.certainty >= CHILD_YIELDS * category.certainty for other in others)


def _names_it(name: str) -> bool:
    """Whether a sound may be called by a label: not by "Noise", nor by the room that it seems to be in."""
    labels = load_labels()
    if name not in labels:
        return True
    is_room = labels[name].role is Role.PLACE and labels[name].generic
    return not is_room and labels[name].role is not Role.IGNORE


def _is_in_another(name: str, sure: Mapping[str, TopCategory]) -> bool:
    """Whether another label tells it: one above it that names a thing, or, if it names none itself, one below it."""
    labels = load_labels()
    if name in labels.generic and not labels.descendants(name).isdisjoint(sure):
        return True
    return any(other not in labels.generic for other in labels.ancestors(name) & sure.keys())


def _down_from(name: str, sure: Mapping[str, TopCategory]) -> str:
    labels = load_labels()
    below = [sure[other] for other in labels.descendants(name) if other in sure]
    strong = [other for other in below if other.certainty >= CHILD_YIELDS * sure[name].certainty]
    if not strong:
        return name
    return _down_from(max(strong, key=lambda other: (other.certainty, other.name)).name, sure)
