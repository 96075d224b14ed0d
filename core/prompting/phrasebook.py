"""The visual phrasebook: what each AudioSet label looks like.

One row a label in `phrasebook.csv` (columns separated by `|`), written by hand:

=========  ====================================================================================
column     meaning
=========  ====================================================================================
label      AudioSet display name, exactly as YamNet says it
phrase     what is painted. An action's phrase holds `{noun}` or `{phrase}` of what it joins;
           a setting's or quality's phrase is appended to the sentence
noun       the bare noun of a subject; for an action, the noun when it joins nothing
manners    what may be told of how it sounded, separated by `;`: `again` (and again), `each` (as many things
           as events), `hall`, `motion`, `size`. An action's row says how often, and both rows the rest
event      what happens once, where `again` or `each` may be told: "bark"
joins      an action: the labels (or their children) that it merges with;
           a subject: labels that are the same sound under another name, which it absorbs
alone      the whole scene when nothing else was heard, where that differs from the phrase
later      a clause for weather that arrives later than the subject ("thunder gathers")
=========  ====================================================================================

What kind each label is, and the family tree, come from `core/hearing/labels.py`. This module joins the two; how rows
become a sentence is `scene.py`'s business.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType

from core.hearing.labels import Label, Labels, Role, load_labels


class Telling(StrEnum):
    """What may be told of how a label sounded."""

    AGAIN = "again"
    EACH = "each"
    HALL = "hall"
    MOTION = "motion"
    SIZE = "size"


@dataclass(frozen=True)
class Entry:
    """One row of the phrasebook; see the module docstring for the columns."""

    row: Label
    phrase: str
    noun: str
    joins: tuple[str, ...]
    alone: str
    later: str
    manners: frozenset[Telling]
    event: str

    def __post_init__(self) -> None:
        """Raises ValueError for manners that cannot be told of the row's phrase."""
        if bool(self.manners & {Telling.AGAIN, Telling.EACH}) is not bool(self.event):
            raise ValueError(f"{self.label}: what happens again, or each time, has an event, and nothing else has.")
        if Telling.SIZE in self.manners and not self.phrase.startswith(("a ", "an ")):
            raise ValueError(f'{self.label}: a size is told of one thing, which begins with "a".')

    @property
    def label(self) -> str:
        """Its label's name."""
        return self.row.name

    @property
    def role(self) -> Role:
        """What it contributes to a picture."""
        return self.row.role

    @property
    def parents(self) -> tuple[str, ...]:
        """The labels directly above it."""
        return self.row.parents

    @property
    def generic(self) -> bool:
        """Whether it names no thing one could point at."""
        return self.row.generic

    def joined_to(self, subject: "Entry") -> str:
        """This action done by `subject`: "Bark" joined to "Dog" is "a barking dog"."""
        return with_articles(self.phrase.format(noun=subject.noun, phrase=subject.phrase))

    def by_itself(self) -> str:
        """What is painted when this label was heard and nothing that it could join."""
        if self.alone:
            return self.alone
        return with_articles(self.phrase.format(noun=self.noun, phrase=f"a {self.noun}"))


@dataclass(frozen=True)
class Phrasebook:
    """All rows by label, with the family tree over them."""

    entries: Mapping[str, Entry]
    labels: Labels

    def __getitem__(self, label: str) -> Entry:
        """The row of `label`. Raises KeyError for a label that YamNet does not have."""
        return self.entries[label]

    def __contains__(self, label: str) -> bool:
        return label in self.entries

    def ancestors(self, label: str) -> frozenset[str]:
        """Every label above `label` in AudioSet's tree, without `label` itself."""
        return self.labels.ancestors(label)

    def is_kind_of(self, label: str, kind: str) -> bool:
        """Whether `label` is `kind` or below it."""
        return self.labels.is_kind_of(label, kind)


_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])(?!(?:uku|uni|use|one|euro))", re.IGNORECASE)


def with_articles(phrase: str) -> str:
    """`phrase` with "a" turned into "an" where the next word begins with a vowel sound."""
    return _ARTICLE.sub(r"\1n ", phrase)


def _split(cell: str) -> tuple[str, ...]:
    return tuple(part for part in cell.split(";") if part)


@cache
def load_phrasebook() -> Phrasebook:
    """The phrasebook that comes with the package, read once."""
    labels = load_labels()
    with resources.files("core.prompting").joinpath("phrasebook.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="|", restval="", quoting=csv.QUOTE_NONE)
        entries = {
            row["label"]: Entry(
                row=labels[row["label"]],
                phrase=row["phrase"],
                noun=row["noun"],
                joins=_split(row["joins"]),
                alone=row["alone"],
                later=row["later"],
                manners=frozenset(map(Telling, _split(row["manners"]))),
                event=row["event"],
            )
            for row in rows
        }
    return Phrasebook(MappingProxyType(entries), labels)


__all__ = ["Entry", "Phrasebook", "Role", "Telling", "load_phrasebook", "with_articles"]
