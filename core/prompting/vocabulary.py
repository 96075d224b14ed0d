"""The phrasebook's nouns and settings by their words, to be found in what somebody said.

It knows plurals and a few nearest words, but no grammar: "a duck" and "they duck" are alike to it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from types import MappingProxyType

from core.prompting.phrasebook import Entry, Role, load_phrasebook, with_articles

SETTINGS = (Role.PLACE, Role.ACOUSTICS, Role.WEATHER)
LONGEST = 3
"""Words of the longest noun."""

_IRREGULAR = {
    "child": "children",
    "foot": "feet",
    "goose": "geese",
    "leaf": "leaves",
    "man": "men",
    "mouse": "mice",
    "person": "persons",
}
NEAREST = MappingProxyType(
    {
        **dict.fromkeys(("kitten", "tomcat"), "cat"),
        **dict.fromkeys(("doggy", "hound"), "dog"),
        **dict.fromkeys(("boy", "girl", "kid"), "child"),
        **dict.fromkeys(("foal", "pony"), "horse"),
        **dict.fromkeys(("bull", "calf"), "cow"),
        **dict.fromkeys(("lamb",), "sheep"),
        **dict.fromkeys(("seagull", "sparrow", "blackbird", "robin"), "bird"),
        **dict.fromkeys(("bike",), "bicycle"),
        **dict.fromkeys(("motorbike",), "motorcycle"),
        **dict.fromkeys(("plane", "aeroplane"), "airplane"),
        **dict.fromkeys(("lorry",), "truck"),
        **dict.fromkeys(("phone",), "telephone"),
        **dict.fromkeys(("fiddle",), "violin"),
        **dict.fromkeys(("beach", "coast", "ocean", "seaside", "shore"), "sea"),
        **dict.fromkeys(("brook", "creek", "lake", "pond", "river"), "stream"),
        **dict.fromkeys(("city", "road", "town"), "street"),
        **dict.fromkeys(("farm", "field", "forest", "garden", "hill", "meadow", "park"), "countryside"),
        **dict.fromkeys(("bedroom", "kitchen", "office"), "room"),
        **dict.fromkeys(("station", "theatre"), "hall"),
        **dict.fromkeys(("drizzle",), "rain"),
        **dict.fromkeys(("storm",), "thunderstorm"),
        **dict.fromkeys(("breeze",), "wind"),
    }
)
"""What people say, and the phrasebook's word that comes nearest."""


@dataclass(frozen=True)
class Thing:
    """A noun of the phrasebook: the `labels` of the things it names, how it is told alone, and in all other ways."""

    noun: str
    labels: frozenset[str]
    phrase: str
    tellings: frozenset[str]


@cache
def things() -> Mapping[str, Thing]:
    """By noun."""
    book = load_phrasebook()
    told: dict[str, list[Entry]] = {}
    tellings: dict[str, set[str]] = {}
    for entry in book.entries.values():
        if entry.noun:
            told.setdefault(entry.noun, []).append(entry)
            tellings.setdefault(entry.noun, set()).add(entry.by_itself())
        for subject in book.entries.values() if entry.role is Role.ACTION else ():
            kinds = entry.joins or entry.parents
            if subject.role is Role.SUBJECT and any(book.is_kind_of(subject.label, kind) for kind in kinds):
                tellings.setdefault(subject.noun, set()).add(entry.joined_to(subject))
    return MappingProxyType(
        {
            noun: Thing(
                noun,
                frozenset(entry.label for entry in entries if entry.role is Role.SUBJECT),
                _plainest(noun, entries),
                frozenset(tellings[noun]),
            )
            for noun, entries in told.items()
        }
    )


@cache
def settings() -> Mapping[str, Entry]:
    """Places and weathers by the last word of their phrase: "by the sea" by "sea"."""
    found: dict[str, Entry] = {}
    for entry in load_phrasebook().entries.values():
        if entry.role in SETTINGS:
            found.setdefault(entry.phrase.rsplit(" ", 1)[-1], entry)
    return MappingProxyType(found)


def phrasebook_words() -> frozenset[str]:
    """The nouns, and the words of places and weathers, that the phrasebook's phrases are made of."""
    return frozenset(things()) | frozenset(settings())


def found_in(text: str, words: frozenset[str]) -> tuple[str, ...]:
    """Those of `words` that are in `text`, in any number or by a nearest word, in its order; longest first where they
    overlap, so that a fire engine is no fire."""
    forms = _forms_of_all(words)
    return tuple(_found(plain_words(text), forms))


def plain_words(text: str) -> list[str]:
    """The words of `text` in lower case."""
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.lower())


def _found(said: list[str], forms: Mapping[str, str]) -> Iterator[str]:
    at = 0
    while at < len(said):
        spans = (" ".join(said[at : at + length]) for length in range(min(LONGEST, len(said) - at), 0, -1))
        span = next((span for span in spans if span in forms), "")
        if span:
            yield forms[span]
        at += len(span.split()) or 1


@lru_cache(maxsize=8)
def _forms_of_all(words: frozenset[str]) -> Mapping[str, str]:
    """By each form of each of `words`, that word. A word of their own comes before another's form."""
    forms = {form: word for word in sorted(words) for form in _forms(word)}
    near = {form: word for other, word in NEAREST.items() if word in words for form in _forms(other)}
    return {**near, **forms, **{word.lower(): word for word in words}}


def _forms(word: str) -> set[str]:
    """`word` and more plurals than it has, and its singular where it ends like a plural."""
    before, _, last = word.lower().rpartition(" ")
    endings = {last, f"{last}s", f"{last}es", re.sub(r"y$", "ies", last), re.sub(r"fe?$", "ves", last)}
    if last.endswith("s") and not last.endswith(("ss", "us")):
        endings.add(last[:-1])
    if last.endswith(("shes", "ches")):
        endings.add(last[:-2])
    endings |= {many for one, many in _IRREGULAR.items() if one == last}
    endings |= {one for one, many in _IRREGULAR.items() if many == last}
    return {f"{before} {ending}".strip() for ending in endings}


def _plainest(noun: str, entries: list[Entry]) -> str:
    """The noun alone where a label is told so, else the first label whose subject it is, or an action's."""
    plain = with_articles(f"a {noun}")
    phrases = [entry.by_itself() for entry in sorted(entries, key=lambda entry: entry.role is not Role.SUBJECT)]
    return plain if plain in phrases else phrases[0]
