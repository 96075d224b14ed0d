"""Which labels of a recording hold their own within their families, and which yield to a surer relative.

Pure functions over TopCategory and the phrasebook: step 1 of the scene grammar. A label competes with the surest of its
line that was heard, and with what stands beside it. What becomes of those that hold is `merging.py`'s business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.hearing.categories import CERTAIN, LIKELY, TopCategory
from core.prompting.phrasebook import Phrasebook, Role

SUBJECT_YIELDS = 0.5
"""A thing below this share of the thing that it is a kind of is a slip: many sure birds are no doubtful owls."""
CHILD_YIELDS = 0.2
"""The same for verbs, for all below verbs, and for things below a generic label that does not stand for them."""
SETTING_YIELDS = 0.04
"""The same for rain, the sea and rock below a generic label: they are around what is painted, and not in its place."""
RIVALS = 2.5
"""Two kinds of a thing less than so many times apart are two names for one sound, if one of them is doubtful. With 2.5
the main subject of 421 recordings is right in 52 instead of 50.5 %, and names the thing in 45 instead of 43.5 %."""


@dataclass(frozen=True)
class Families:
    """The labels `heard`, and what the generic ones among them stand for (`categories.walk`)."""

    heard: Sequence[TopCategory]
    stands_for: Mapping[str, str]
    book: Phrasebook

    def yields_to(self, category: TopCategory) -> TopCategory | None:
        """The relative to whom a label yields, None if it holds its own."""
        above = [other for other in self.heard if other.name in self.book.ancestors(category.name)]
        surest = max((one for one in above if not self.book[one.name].generic), key=_prominence, default=None)
        if surest is not None:
            takes_its_place = self._is_thing(category) and self._is_thing(surest)
            needed = SUBJECT_YIELDS if takes_its_place else CHILD_YIELDS
            if category.prominence < needed * surest.prominence or self._has_rival(category, surest):
                return surest
            gone = (one for one in above if not self.book[one.name].generic and one.prominence > category.prominence)
            taken_along = next(filter(None, map(self.yields_to, gone)), None)
            if taken_along is not None:
                return taken_along  # without gunfire there is no volley
        generic = sorted((one for one in above if self.book[one.name].generic), key=_prominence, reverse=True)
        return next((one for one in generic if not self._follows(category, one)), None)

    def _follows(self, category: TopCategory, generic: TopCategory) -> bool:
        """Whether a label is painted rather than the generic one above it.

        What the generic label stands for is, and what lies below that, unless it is doubtful where the generic label is
        certain. So is another thing that is sure enough by itself, and a verb of a thing that is.
        """
        entry, named = self.book[category.name], self.stands_for.get(generic.name)
        if entry.role not in (Role.SUBJECT, Role.ACTION):
            return category.prominence >= SETTING_YIELDS * generic.prominence
        if named is not None and self.book.is_kind_of(category.name, named):
            return self._is_sure_enough(named, generic)
        if entry.generic and self._is_thing(category):
            return category.prominence >= generic.prominence
        if self._joins_a_thing(category):
            return True
        if category.prominence < CHILD_YIELDS * generic.prominence:
            return False
        between = (one for one in self.heard if self._is_between(one.name, category.name, generic.name))
        return self._is_sure_enough(category.name, generic) or any(self._follows(one, generic) for one in between)

    def _is_sure_enough(self, name: str, generic: TopCategory) -> bool:
        """Whether a thing, or what is below it, is more than doubtful, or the generic label is not certain either."""
        best = max(one.score for one in self.heard if self.book.is_kind_of(one.name, name))
        return best >= LIKELY or generic.score < CERTAIN

    def _is_thing(self, category: TopCategory) -> bool:
        return self.book[category.name].role is Role.SUBJECT

    def _joins_a_thing(self, category: TopCategory) -> bool:
        """Whether a verb tells how something does it that was heard and is not generic."""
        entry = self.book[category.name]
        things = [one.name for one in self.heard if self._is_thing(one)]
        return entry.role is Role.ACTION and any(
            self.book.is_kind_of(thing, kind) and not self.book[thing].generic
            for thing in things
            for kind in entry.joins or entry.parents
        )

    def _is_between(self, name: str, lower: str, upper: str) -> bool:
        """Whether a label that is not generic lies below one label and above another."""
        above_lower, above = self.book.ancestors(lower), self.book.ancestors(name)
        return name in above_lower and upper in above and not self.book[name].generic

    def _has_rival(self, category: TopCategory, parent: TopCategory) -> bool:
        """Whether another kind of the same parent claims the same sound as well, one of the two doubtfully.

        They share windows, for sure, where they cover more than all of them together.
        """
        if not self._is_thing(category) or category.prominence > parent.prominence:
            return False
        return any(
            self._is_thing(other)
            and parent.name in self.book.ancestors(other.name)
            and not self._are_of_one_line(other.name, category.name)
            and max(other.prominence, category.prominence) < RIVALS * min(other.prominence, category.prominence)
            and min(other.score, category.score) < CERTAIN
            and other.coverage + category.coverage > 1
            for other in self.heard
        )

    def _are_of_one_line(self, one: str, other: str) -> bool:
        return self.book.is_kind_of(one, other) or self.book.is_kind_of(other, one)


def _prominence(category: TopCategory) -> tuple[float, str]:
    return (category.prominence, category.name)
