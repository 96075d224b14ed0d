"""When an answer is right, how often answers are, and how sure that figure is.

Pure functions over what was heard and the labels that are accepted. What this module does not know: where recordings
and answers come from.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SCORES = ("top-1", "top-3", "strict-1", "strict-3", "main subject", "main strictly")
RESAMPLES = 4000
SEED = 0
TENTHS = 10

PHANTOM_RANGE = (0.1, 0.5)
PHANTOM_SHARE = 0.15
PHANTOM_LEAST = 5
"""A label that was listed less often may have been wrong by chance: of five, one that is right in half the cases is
wrong each time in three of a hundred."""

Hits = NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """The answer for one recording: its labels with their certainty (0 to 1), the first first, and those that the main
    subject is painted for: its own, and that of what it does."""

    labels: tuple[tuple[str, float], ...]
    main: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """What was heard beside what is accepted."""

    heard: Heard
    accepted: frozenset[str]


@dataclass(frozen=True)
class Share:
    """A share of right answers, or a difference of two, with its 95 % interval; all 0 to 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Count:
    """How often something was listed and how often it was right."""

    listed: int
    right: int


def score(answer: Answer, generic: Collection[str]) -> tuple[bool, ...]:
    """Whether the answer is right, by each of SCORES. Strictly, a label that names no thing is never right."""
    names = [name for name, _ in answer.heard.labels]
    strict = answer.accepted.difference(generic)
    return (
        *(not accepted.isdisjoint(names[:first]) for accepted in (answer.accepted, strict) for first in (1, 3)),
        *(not accepted.isdisjoint(answer.heard.main) for accepted in (answer.accepted, strict)),
    )


def score_all(answers: Sequence[Answer], generic: Collection[str]) -> Hits:
    """Shape (answers, SCORES), 1 for right and 0 for wrong."""
    return np.array([score(answer, generic) for answer in answers], np.float64).reshape(-1, len(SCORES))


def shares(hits: Hits, before: Hits | None = None) -> tuple[Share, ...]:
    """The share of right answers by each of SCORES, or, with the same recordings' hits `before`, what it rose by.

    Intervals are the bootstrap's percentiles (Efron and Tibshirani 1993, 13.3): recordings are drawn with replacement,
    RESAMPLES times; with `before` in pairs. Raises ValueError for no recordings, or if the two differ in number.
    """
    values = hits if before is None else hits - before
    if len(values) == 0:
        raise ValueError("there are no recordings to draw from")
    random = np.random.default_rng(SEED)
    drawn = random.multinomial(len(values), np.full(len(values), 1 / len(values)), RESAMPLES) @ values / len(values)
    low, high = np.percentile(drawn, (2.5, 97.5), axis=0)
    return tuple(map(Share, values.mean(axis=0).tolist(), low.tolist(), high.tolist()))


def calibrate(answers: Iterable[Answer], judged: Collection[str]) -> tuple[Count, ...]:
    """By tenths of certainty how many labels were listed and right: [0, 0.1) first, [0.9, 1] last.

    Only `judged` labels count: a file name says nothing of the room or of the mood.
    """
    listed, right = Counter[int](), Counter[int]()
    for answer in answers:
        for name, certainty in answer.heard.labels:
            if name in judged:
                tenth = min(int(certainty * TENTHS), TENTHS - 1)
                listed[tenth] += 1
                right[tenth] += name in answer.accepted
    return tuple(Count(listed[tenth], right[tenth]) for tenth in range(TENTHS))


def phantoms(answers: Iterable[Answer], judged: Collection[str]) -> dict[str, Count]:
    """The labels that are right in fewer than PHANTOM_SHARE of the cases in which they are listed within PHANTOM_RANGE.

    Of `judged` labels, those that were listed so at least PHANTOM_LEAST times; the most often listed first.
    """
    low, high = PHANTOM_RANGE
    listed, right = Counter[str](), Counter[str]()
    for answer in answers:
        for name, certainty in answer.heard.labels:
            if name in judged and low <= certainty < high:
                listed[name] += 1
                right[name] += name in answer.accepted
    found = {name: Count(number, right[name]) for name, number in listed.items() if number >= PHANTOM_LEAST}
    wrong = (item for item in found.items() if item[1].right < PHANTOM_SHARE * item[1].listed)
    return dict(sorted(wrong, key=lambda item: (-item[1].listed, item[0])))
