"""Base against adapter, picture by picture: means, intervals, and a test for each measure. Pure.

Pictures of one prompt resemble each other, so both the bootstrap and the test take prompts, not pictures, for what is
independent.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

RESAMPLES = 5000
DRAWS = 10_000
"""Of signs, where there are more than EXACT prompts."""
EXACT = 20
LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """One measure: means over the pairs in which both have a value, adapter − base with a 95 % interval.

    `interval` is None below two prompts. `p_value`: of the sign flips; `adjusted`: Holm's, for looking at several.
    """

    name: str
    base: float
    adapter: float
    difference: float
    interval: tuple[float, float] | None
    pairs: int
    p_value: float
    adjusted: float

    @property
    def is_clear(self) -> bool:
        """Whether interval and test agree that there is a difference."""
        leaves_out_zero = self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)
        return leaves_out_zero and self.adjusted < LEVEL


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
        differences = [(prompt, after - before) for prompt, before, after in pairs]
        p_value = sign_flips(differences)
        found.append(
            Comparison(
                name=name,
                base=float(np.mean([before for _, before, _ in pairs])),
                adapter=float(np.mean([after for _, _, after in pairs])),
                difference=float(np.mean([difference for _, difference in differences])),
                interval=paired_interval(differences),
                pairs=len(pairs),
                p_value=p_value,
                adjusted=p_value,
            )
        )
    adjusted = holm([comparison.p_value for comparison in found])
    return [replace(one, adjusted=value) for one, value in zip(found, adjusted, strict=True)]


def paired_interval(differences: Sequence[tuple[str, float]], seed: int = 0) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval of the mean difference, drawing whole prompts (prompt, difference)."""
    by_prompt = _by_prompt(differences)
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


def sign_flips(differences: Sequence[tuple[str, float]], seed: int = 0) -> float:
    """Two-sided p-value: would the mean be as far from zero if each prompt had as likely gone the other way?

    A permutation test that flips the signs of whole prompts (Fisher, 1935): all flips of up to 20 prompts that changed,
    else 10,000 draws, the observed one among them.
    """
    sums = np.array([sum(values) for values in _by_prompt(differences).values()])
    sums = sums[sums != 0]
    least = abs(sums.sum()) * (1 - 1e-9)  # rounding is no difference
    if len(sums) <= EXACT:
        totals = np.zeros(1)
        for value in sums:
            totals = np.concatenate([totals + value, totals - value])
        return float(np.mean(np.abs(totals) >= least))
    draws = np.random.default_rng(seed).integers(0, 2, (DRAWS - 1, len(sums)), dtype=np.int8)
    totals = (2.0 * draws - 1) @ sums
    return float((1 + np.count_nonzero(np.abs(totals) >= least)) / DRAWS)


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value corrected for there being several (Holm, 1979), in the order given."""
    adjusted, least = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = least
    return adjusted


def _by_prompt(differences: Sequence[tuple[str, float]]) -> dict[str, list[float]]:
    by_prompt: dict[str, list[float]] = defaultdict(list)
    for prompt, difference in differences:
        by_prompt[prompt].append(difference)
    return by_prompt
