"""Makes `core/speech/nouns.txt.gz`: English nouns, what kind of thing each is, and whether it is a common word.

    python -m training.said_nouns.make /usr/share/wordnet

reads WordNet 3.0's files (Debian: wordnet-base) and nothing else. A noun has a kind where at least half of what is
meant by it can be seen: its senses weigh what they were counted in WordNet's tagged texts, and a little by their rank.
A noun is common where it was counted there, or where WordNet's own definitions and examples use it: "agua" is a toad,
and nobody says so.
"""

from __future__ import annotations

import argparse
import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

OUT = Path("core/speech/nouns.txt.gz")
SEEN_FROM = 0.5
"""The share of a noun's weight in senses that can be seen from which it is a visible noun."""
COMMON_FROM = 3
"""So many times a common noun is used in WordNet's definitions and examples, or once in its tagged texts."""
KINDS_OF_FILES = {"05": "animal", "06": "thing", "08": "body", "13": "food", "17": "thing", "18": "person",
                  "20": "plant", "27": "stuff"}  # fmt: skip
"""WordNet's lexicographer files (lexnames(5WN)) whose nouns can be seen."""
ROOTS = {
    "vehicle": ["vehicle 1"],
    "clothing": ["clothing 1", "footwear 1", "footwear 2", "headdress 1", "garment 1"],
    "animal": ["mythical_monster 1", "mythical_being 1", "dragon 1"],
    "weather": ["weather 1", "storm 1"],
    "thing": ["light 1", "flower 1", "fruit 1", "game_equipment 1", "musical_instrument 1", "toy 1", "plaything 1",
              "furniture 1", "celestial_body 1", "fire 1"],
    "place": ["structure 1", "room 1", "area 5", "geological_formation 1", "body_of_water 1", "way 6", "land 4",
              "land 2", "road 1", "forest 1", "forest 2", "tract 1", "municipality 1", "geographical_area 1",
              "district 1", "garden 1", "facility 1", "workplace 1", "shop 1", "passage 3", "ice_mass 1", "field 1",
              "vegetation 1", "establishment 4", "artifact_place 1", "tract 1", "building 1", "floor 1"],
}  # fmt: skip
"""Kinds that lie below nouns, each with the number of its sense; the nearest above a noun decides."""
CLOSED = {"thing": ["door 1", "wall 1", "fence 1", "bridge 1", "statue 1", "barrier 1", "tower 1", "memorial 3",
                    "sphere 1", "support 10", "counter 1", "fountain 1", "arch 4", "chimney 1", "stone 1"]}  # fmt: skip
"""Structures, but things to look at rather than places to be."""


UNSAID = re.compile(r"slur|offensive|disparag|derogat|obscene|vulgar|profan")
"""What the definition of a word holds that is not to be said of anybody."""


@dataclass(frozen=True)
class Synset:
    """One meaning: the lexicographer file that it is in, its words as they are spelt, and the meanings above it."""

    file: str
    words: frozenset[str]
    above: tuple[str, ...]
    unsaid: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wordnet", type=Path, help="the directory with WordNet 3.0's index.noun, data.noun and others")
    wordnet = parser.parse_args().wordnet
    senses, synsets = dict(read_senses(wordnet)), dict(read_synsets(wordnet))
    kinds = find_kinds(senses, synsets)
    counts, used = read_counts(wordnet), count_words(wordnet)
    lines: dict[tuple[str, str], list[str]] = defaultdict(list)
    for word, offsets in senses.items():
        meant = [synsets[offset] for offset in offsets]
        if not re.fullmatch(r"[a-z]{2,}", word) or meant[0].unsaid:
            continue
        kind = kind_of([kinds.get(at, "") if word in synsets[at].words else "" for at in offsets], counts[word])
        common = bool(counts[word]) or used[word] + used[f"{word}s"] >= COMMON_FROM
        if kind or (common and any(word in one.words for one in meant)):
            lines[kind or "unseen", "common" if common else "rare"].append(word)
    known = {word for words in lines.values() for word in words}
    plurals = sorted(
        f"{plural}={one}" for plural, one in read_plurals(wordnet) if one in known and used[plural] + used[one] >= 2
    )
    rows = [f"{kind} {common} {' '.join(sorted(words))}" for (kind, common), words in sorted(lines.items())]
    text = "\n".join([*rows, f"plurals - {' '.join(plurals)}"]) + "\n"
    OUT.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    sizes = {" ".join(key): len(words) for key, words in sorted(lines.items())}
    print(f"{sum(sizes.values())} nouns, {len(plurals)} irregular plurals, {OUT.stat().st_size} bytes: {sizes}")


def kind_of(kinds: list[str], counted: Counter[int]) -> str:
    """The kind that weighs most among those of a noun's senses; empty where less than half of it can be seen."""
    weights: Counter[str] = Counter()
    for rank, kind in enumerate(kinds, 1):
        weights[kind] += counted[rank] + 1 / rank**2  # type: ignore[assignment]
    seen = {kind: weight for kind, weight in weights.items() if kind}
    if sum(seen.values()) < SEEN_FROM * sum(weights.values()):
        return ""
    surest = max(seen, key=lambda kind: seen[kind])
    uncounted = (surest not in ("food", "stuff") and counted.total() == 0) or surest in ("food", "stuff")
    return "animal" if uncounted and "animal" in kinds[:2] else surest  # and not what is made of it


def read_senses(wordnet: Path) -> Iterator[tuple[str, list[str]]]:
    """Each noun with its meanings, the most frequent first."""
    for line in (wordnet / "index.noun").read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            fields = line.split()
            yield fields[0], fields[-int(fields[2]) :]


def read_synsets(wordnet: Path) -> Iterator[tuple[str, Synset]]:
    """Each meaning by its offset, by which other files know it."""
    for line in (wordnet / "data.noun").read_text(encoding="latin-1").splitlines():
        if not line.startswith(" "):
            written, _, gloss = line.partition(" | ")
            fields = written.split()
            end = 4 + 2 * int(fields[3], 16)
            above = tuple(
                one for sign, one in zip(fields[end:], fields[end + 1 :], strict=False) if sign in ("@", "@i")
            )
            yield fields[0], Synset(fields[1], frozenset(fields[4:end:2]), above, bool(UNSAID.search(gloss)))


def find_kinds(senses: dict[str, list[str]], synsets: dict[str, Synset]) -> dict[str, str]:
    """The kind of each meaning that can be seen."""
    roots = {
        senses[name][int(number) - 1]: kind
        for table in (ROOTS, CLOSED)
        for kind, entries in table.items()
        for name, number in (entry.split() for entry in entries)
        if name in senses and int(number) <= len(senses[name])
    }
    return {offset: kind for offset in synsets if (kind := _nearest(offset, synsets, roots))}


def _nearest(offset: str, synsets: dict[str, Synset], roots: dict[str, str]) -> str:
    """The kind of the nearest meaning above, or that of the file."""
    layer, seen = [offset], set()
    while layer:
        for one in layer:
            if one in roots:
                return roots[one]
        seen.update(layer)
        layer = [up for one in layer for up in synsets[one].above if up not in seen]
    return KINDS_OF_FILES.get(synsets[offset].file, "")


def read_counts(wordnet: Path) -> defaultdict[str, Counter[int]]:
    """How often each sense of a noun was counted in tagged texts."""
    counts: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for line in (wordnet / "cntlist.rev").read_text(encoding="latin-1").splitlines():
        key, number, times = line.split()
        word, _, rest = key.partition("%")
        if rest.startswith("1:"):
            counts[word][int(number)] += int(times)
    return counts


def count_words(wordnet: Path) -> Counter[str]:
    """How often each word is used in definitions and examples."""
    used: Counter[str] = Counter()
    for part in ("noun", "verb", "adj", "adv"):
        for line in (wordnet / f"data.{part}").read_text(encoding="latin-1").splitlines():
            used.update(re.findall(r"[a-z]+", line.partition(" | ")[2].lower()))
    return used


def read_plurals(wordnet: Path) -> Iterator[tuple[str, str]]:
    """Irregular plurals with their singulars."""
    for line in (wordnet / "noun.exc").read_text(encoding="latin-1").splitlines():
        plural, one = line.split()[:2]
        if plural != one and re.fullmatch(r"[a-z]+", plural):
            yield plural, one


if __name__ == "__main__":
    main()
