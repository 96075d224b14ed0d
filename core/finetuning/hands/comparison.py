"""Base against adapter, picture by picture: means, intervals, and a test for yes-or-no measures. Pure.

Pictures of one prompt resemble each other, so the bootstrap draws prompts, not pictures.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, bootstrap

RESAMPLES = 5000
YES_OR_NO = ("detected_0.3", "detected_0.5", "detected_0.7", "count_is_right")


@dataclass(frozen=True)
class Comparison:
    """One measure: means over the pairs in which both have a value, adapter − base with a 95 % interval.

    `p_value`: McNemar's exact test, for yes-or-no measures only. `interval` is None below two prompts.
    """

    name: str
    base: float
    adapter: float
    difference: float
    interval: tuple[float, float] | None
    pairs: int
    p_value: float | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


Numbers = NDArray[np.float64]
Row = Mapping[str, float | None]


def compare(prompts: Sequence[str], base: Sequence[Row], adapter: Sequence[Row]) -> list[Comparison]:
    """Every measure of paired rows; `prompts` says which rows belong together. Measures without a pair are left out."""
    found = []
    for name in base[0] if base else ():
        pairs = [
            (prompt, before, after)
            for prompt, one, two in zip(prompts, base, adapter, strict=True)
            if (before := one[name]) is not None and (after := two[name]) is not None
        ]
        if not pairs:
            continue
        befores, afters = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
        found.append(
            Comparison(
                name=name,
                base=float(np.mean(befores)),
                adapter=float(np.mean(afters)),
                difference=float(np.mean(afters) - np.mean(befores)),
                interval=paired_interval([(prompt, after - before) for prompt, before, after in pairs]),
                pairs=len(pairs),
                p_value=mcnemar(befores, afters) if name in YES_OR_NO else None,
            )
        )
    return found


def paired_interval(differences: Sequence[tuple[str, float]], seed: int = 0) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean difference, drawing whole prompts (prompt, difference)."""
    by_prompt: dict[str, list[float]] = defaultdict(list)
    for prompt, difference in differences:
        by_prompt[prompt].append(difference)
    if len(by_prompt) < 2:
        return None
    sums = np.array([sum(values) for values in by_prompt.values()])
    counts = np.array([len(values) for values in by_prompt.values()], dtype=float)

    def mean_of(sums: Numbers, counts: Numbers, axis: int = -1) -> Numbers:
        ratio: Numbers = sums.sum(axis=axis) / counts.sum(axis=axis)
        return ratio

    result = bootstrap(
        (sums, counts),
        mean_of,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def mcnemar(before: Sequence[float], after: Sequence[float]) -> float:
    """Exact two-sided p-value: are the pairs that changed as likely to have changed one way as the other?

    McNemar (1947), in its exact binomial form.
    """
    lost = sum(one > two for one, two in zip(before, after, strict=True))
    won = sum(two > one for one, two in zip(before, after, strict=True))
    return float(binomtest(won, won + lost, 0.5).pvalue) if won + lost else 1.0
