"""Which nouns name something that can be seen, and of what kind.

`nouns.txt.gz` is made from WordNet (`training/said_nouns`); `words.csv` says otherwise of words that people use in
another sense than dictionaries count, and holds names of the kind too.
"""

import csv
import gzip
from dataclasses import dataclass
from functools import cache
from importlib import resources

UNSEEN = "unseen"
GENERIC = "generic"
"""People of whom nothing is said."""


@dataclass(frozen=True)
class Nouns:
    """Kinds by noun, in the singular, and irregular plurals. `common` are those that people know."""

    kinds: dict[str, str]
    common: frozenset[str]
    plurals: dict[str, str]

    def kind(self, word: str) -> str:
        """The kind of what `word` names, in singular or plural; empty where that cannot be seen, or is not known."""
        kind = self.kinds.get(word) or self.kinds.get(self.singular(word), UNSEEN)
        return "" if kind == UNSEEN else kind

    def singular(self, word: str) -> str:
        """`word` in the singular, if it is the plural of a known noun."""
        if word in self.plurals:
            return self.plurals[word]
        for ending, instead in (("ies", "y"), ("ves", "f"), ("es", ""), ("s", "")):
            if word.endswith(ending) and word.removesuffix(ending) + instead in self.kinds:
                return word.removesuffix(ending) + instead
        return word


@cache
def load_nouns() -> Nouns:
    """The nouns that come with the package, read once."""
    kinds: dict[str, str] = {}
    common: set[str] = set()
    plurals: dict[str, str] = {}
    folder = resources.files("core.speech")
    with folder.joinpath("nouns.txt.gz").open("rb") as file:
        for line in gzip.decompress(file.read()).decode().splitlines():
            kind, use, *words = line.split()
            if kind == "plurals":
                plurals |= dict(word.split("=") for word in words)
                continue
            kinds |= dict.fromkeys(words, kind)
            common.update(words if use == "common" else ())
    with folder.joinpath("words.csv").open(encoding="utf-8") as file:
        said = [(word, row["kind"]) for row in csv.DictReader(file, delimiter="|") for word in row["words"].split()]
    kinds |= dict(reversed(said))  # of two kinds, the first is meant
    common.update(word for word, _ in said)
    return Nouns(kinds, frozenset(common), plurals)
