"""YamNet's 521 labels: what kind each is, their family tree, and what people call them in each language.

One row a label in `labels.csv` (columns separated by `|`), in YamNet's order:

=========  ====================================================================================
column     meaning
=========  ====================================================================================
label      AudioSet display name, exactly as YamNet says it
role       `subject`, `action`, `setting:place|weather|acoustics`, `quality:genre|mood|texture`
           or `ignore`
parents    AudioSet parents, separated by `;`
generic    `generic`: a parent that names no thing one could point at (Animal, Music, Vehicle)
en, de, …  a short name for people, at most 40 characters, a language a column: "Birdsong" for
           "Bird vocalization, bird call, bird song"; no two labels share one
=========  ====================================================================================

The names were made by machine, label by label, and no speaker of each language has gone through them. To correct one,
edit its cell; CONTRIBUTING.md says how a language is added.

This module knows what the labels are to each other; what they look like is the phrasebook's business.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from importlib import resources
from types import MappingProxyType

ENGLISH = "en"
_OWN_COLUMNS = ("label", "role", "parents", "generic")
"""All others are languages."""


class Role(StrEnum):
    """What a label is in a sound, and contributes to a picture."""

    SUBJECT = "subject"
    ACTION = "action"
    PLACE = "setting:place"
    WEATHER = "setting:weather"
    ACOUSTICS = "setting:acoustics"
    GENRE = "quality:genre"
    MOOD = "quality:mood"
    TEXTURE = "quality:texture"
    IGNORE = "ignore"


@dataclass(frozen=True)
class Label:
    """One row; see the module docstring for the columns."""

    name: str
    role: Role
    parents: tuple[str, ...]
    generic: bool
    names: Mapping[str, str]
    """By language."""


@dataclass(frozen=True)
class Labels:
    """All labels by name, with the family tree over them."""

    rows: Mapping[str, Label]

    def __getitem__(self, name: str) -> Label:
        """The label called `name`. Raises KeyError for one that YamNet does not have."""
        return self.rows[name]

    def __contains__(self, name: str) -> bool:
        return name in self.rows

    @cached_property
    def generic(self) -> frozenset[str]:
        """Those that name no thing."""
        return frozenset(name for name, label in self.rows.items() if label.generic)

    def children(self, name: str) -> tuple[str, ...]:
        """The labels directly below `name`, in YamNet's order."""
        return self._children.get(name, ())

    def ancestors(self, name: str) -> frozenset[str]:
        """Every label above `name`, without `name` itself."""
        return self._ancestors.get(name, frozenset())

    def descendants(self, name: str) -> frozenset[str]:
        """Every label below `name`, without `name` itself."""
        return self._descendants.get(name, frozenset())

    def is_kind_of(self, name: str, kind: str) -> bool:
        """Whether `name` is `kind` or below it."""
        return name == kind or kind in self.ancestors(name)

    @cached_property
    def _children(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for name, label in self.rows.items():
            for parent in label.parents:
                found.setdefault(parent, []).append(name)
        return {name: tuple(children) for name, children in found.items()}

    @cached_property
    def _ancestors(self) -> Mapping[str, frozenset[str]]:
        return {name: self._above(name) for name in self.rows}

    @cached_property
    def _descendants(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for name, ancestors in self._ancestors.items():
            for ancestor in ancestors:
                found.setdefault(ancestor, set()).add(name)
        return {name: frozenset(below) for name, below in found.items()}

    def _above(self, name: str) -> frozenset[str]:
        found: set[str] = set()
        waiting = list(self.rows[name].parents)
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found.add(parent)
                waiting.extend(self.rows[parent].parents)
        return frozenset(found)


@cache
def load_labels() -> Labels:
    """The labels that come with the package, read once."""
    with resources.files("core.hearing").joinpath("labels.csv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="|", restval="", quoting=csv.QUOTE_NONE)
        labels = {
            row["label"]: Label(
                name=row["label"],
                role=Role(row["role"]),
                parents=tuple(parent for parent in row["parents"].split(";") if parent),
                generic=row["generic"] == "generic",
                names=MappingProxyType({column: row[column] for column in row if column not in _OWN_COLUMNS}),
            )
            for row in rows
        }
    return Labels(MappingProxyType(labels))


def name_in(label: str, locale: str) -> str:
    """What people call a label in the language of `locale`, as Discord says it: "de", "pt-BR", "en-GB".

    English where there is no column for that language. A label that YamNet does not have is its own name.
    """
    labels = load_labels()
    if label not in labels:
        return label
    names = labels[label].names
    return next(names[language] for language in (locale, locale.split("-")[0], ENGLISH) if language in names)
