"""Words that are not painted: whether a text holds one of them, however it is written.

Texts are compared after Unicode's compatibility forms (NFKC), case folding, taking off accents, and exchanging letters
of other alphabets, and digits, for those that they look like. It finds words, not meanings, and has no list of its own.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

LOOK_ALIKES = str.maketrans(
    "0134578$"  # digits and a sign that stand for letters
    "авекмнорстухіјѕԁԛԝ"  # Cyrillic
    "αβεικνορτυχγ"  # Greek
    "łøđħıß",
    "oieastbs"
    "abekmhopctyxijsdqw"
    "abeiknoptuxy"
    "lodhis",
)  # fmt: skip
"""One letter for each that looks like it; both sides of a comparison go through it, so that it need not be right."""
_WITHIN = re.compile(r"(?<=[^\W_])[@!|](?=[^\W_])")
"""Signs that stand for letters within a word, and for themselves around it."""
_WORD = re.compile(r"[^\W_]+")
BLOCKED_WORDS = "blocked-words.txt"
"""In the data directory: what whoever runs the program lets nobody paint."""
LONGEST_LIST = 2000
LONGEST_WORD = 100


def plain_words(text: str) -> list[str]:
    """The words of `text` as they are compared. Letters that stand apart from each other are one word."""
    return ["".join(group) for group in _groups(text)]


def _spelt_out(text: str) -> list[str]:
    """What is spelt out letter by letter; other letters may stand beside it, as in `a b.a.d`."""
    return ["".join(group) for group in _groups(text) if len(group) > 1]


def _groups(text: str) -> list[list[str]]:
    """Words, one a group, and letters that stand apart, all in one group."""
    groups: list[list[str]] = []
    for word in _WORD.findall(_folded(text)):
        if len(word) == 1 and groups and len(groups[-1][-1]) == 1:
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().translate(LOOK_ALIKES)
    bare = "".join(
        character
        for character in unicodedata.normalize("NFD", folded)
        if unicodedata.category(character) not in ("Mn", "Cf", "Cc")
    )
    return _WITHIN.sub(lambda sign: {"@": "a"}.get(sign[0], "i"), bare.translate(LOOK_ALIKES))


@dataclass(frozen=True)
class WordList:
    """Words and phrases that are not painted, as they are compared."""

    phrases: frozenset[tuple[str, ...]] = frozenset()

    @classmethod
    def of(cls, words: Iterable[str]) -> "WordList":
        """The list of these; empty ones are left out."""
        plain = (tuple(plain_words(word[:LONGEST_WORD])) for word in words)
        return cls(frozenset([phrase for phrase in plain if phrase][:LONGEST_LIST]))

    def __or__(self, other: "WordList") -> "WordList":
        """Both."""
        return WordList(self.phrases | other.phrases)

    def holds(self, text: str) -> bool:
        """Whether one of them stands in `text`."""
        if not self.phrases:
            return False
        words = plain_words(text)
        longest = max(map(len, self.phrases))
        if any(len(phrase) == 1 and phrase[0] in run for run in _spelt_out(text) for phrase in self.phrases):
            return True
        return any(
            tuple(words[start : start + length]) in self.phrases
            for start in range(len(words))
            for length in range(1, min(longest, len(words) - start) + 1)
        )


def read_word_list(path: Path) -> WordList:
    """The list in a file, a word or phrase a line, `#` before a remark; an empty one where there is no file.

    Raises OSError and UnicodeDecodeError.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return WordList()
    return WordList.of(line for line in lines if not line.lstrip().startswith("#"))
