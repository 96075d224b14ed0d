"""What a clause says of its words, as spaCy reads it: who does what, what is denied. It knows verbs, and no nouns."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from core.speech.sayings import AT, MOST_IN_PHRASE, MOVING, NEGATIONS, PEOPLE, TOLD

if TYPE_CHECKING:
    from spacy.tokens import Token


def gerund(lemma: str) -> str:
    """The present participle: "run" is "running"."""
    if lemma in ("lie", "die", "tie"):
        return f"{lemma[:-2]}ying"
    if lemma.endswith("e") and not lemma.endswith(("ee", "oe", "ye")):
        return f"{lemma[:-1]}ing"
    if re.fullmatch(r"[^aeiou]*[aeiou][bdgklmnprt]", lemma) and not lemma.endswith(("ok", "oak")):
        return f"{lemma}{lemma[-1]}ing"
    return f"{lemma}ing"


@cache
def verbs(kind: str) -> frozenset[str]:
    """The verbs of a kind in `verbs.csv`."""
    with resources.files("core.speech").joinpath("verbs.csv").open(encoding="utf-8") as file:
        return frozenset(
            next(row["words"] for row in csv.DictReader(file, delimiter="|") if row["kind"] == kind).split()
        )


def cut(phrase: str) -> str:
    """A phrase of plain words, no longer than MOST_IN_PHRASE."""
    words = re.sub(r"[^A-Za-z' -]", "", phrase).split()[:MOST_IN_PHRASE]
    while words and words[-1] in (*AT, *MOVING, "a", "an", "the", "with", "of", "to"):
        words.pop()
    return " ".join(words)


def is_negated(token: Token) -> bool:
    """Whether it, or the clause that it is in, is denied."""
    if any(child.lower_ in NEGATIONS for child in token.children):
        return True
    if token.pos_ in ("NOUN", "PROPN", "ADP") and token.head.i != token.i:
        return token.head.lower_ in NEGATIONS or (
            token.head.pos_ in ("VERB", "AUX", "NOUN", "ADP") and is_negated(token.head)
        )
    return False


def is_unreal(verb: Token) -> bool:
    """Whether it is said under an "if"."""
    return any(child.dep_ == "mark" and child.lower_ in ("if", "unless", "whether") for child in verb.children)


def is_there(verb: Token) -> bool:
    """Whether a verb says that something is there."""
    return verb.lemma_ == "be" and (
        any(child.dep_ == "expl" for child in verb.children)
        or any(
            child.dep_ == "nsubj" and child.lower_ in ("this", "that", "it", "these", "those", "there")
            for child in verb.children
        )
    )


def lemma(verb: Token) -> str:
    """Its infinitive; the pipeline takes "riding" for a form of "rid"."""
    lemma = verb.lemma_.lower()
    return f"{lemma}e" if lemma not in verbs("act") | verbs("get") and f"{lemma}e" in verbs("act") else lemma


def doing_of(noun: Token) -> Token | None:
    """The verb that says what a requested thing does: "a dog running", "a dog that runs"."""
    for child in noun.children:
        if child.dep_ in ("acl", "relcl", "amod") and child.pos_ == "VERB" and child.i > noun.i:
            return child
    return noun.head if noun.dep_ == "nsubj" and noun.head.pos_ == "VERB" else None


def is_in_setting(token: Token, kind: str) -> bool:
    """Whether a requested thing is only where the others are."""
    return token.dep_ == "pobj" and (
        kind in ("place", "weather") or token.head.lower_ in (*AT, *MOVING, "during", "to")
    )


def is_beside_the_point(token: Token) -> bool:
    """Whether it only tells of which kind something is, whose, or what it is like."""
    if token.head.lower_ in ("about", "of") and token.head.head.lemma_ in TOLD:
        return False
    return token.dep_ in ("compound", "poss", "nmod", "npadvmod") or token.head.lower_ in (
        "like",
        "as",
        "of",
        "about",
        "for",
    )


def of_what(noun: Token) -> Token | None:
    """What a noun is of: work, in "a mountain of work"."""
    return next(
        (one for prep in noun.children if prep.lower_ == "of" for one in prep.children if one.dep_ == "pobj"), None
    )


def is_said_of_people(verb: Token) -> bool:
    """Whether a verb has a pronoun for people as its subject."""
    return any(one.dep_ == "nsubj" and one.lower_ in PEOPLE for one in verb.children)
