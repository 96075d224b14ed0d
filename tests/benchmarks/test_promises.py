"""What the words for certainty promise is what was measured: `python -m benchmarks.hearing` writes the figures."""

import json
from pathlib import Path

import pytest

from core.hearing.categories import CLEARLY, PERHAPS, PROBABLY

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "hearing-after.json"


@pytest.mark.parametrize(
    ("begin", "end", "least", "most"),
    [(CLEARLY, 1.0, 0.8, 1.0), (PROBABLY, CLEARLY, 0.5, 0.8), (PERHAPS, PROBABLY, 0.25, 0.5)],
    ids=["clearly", "probably", "perhaps"],
)
def test_word_holds_what_it_promises(begin: float, end: float, least: float, most: float) -> None:
    tenths = json.loads(RESULTS.read_text(encoding="utf-8"))["calibration"].values()
    assert (10 * begin, 10 * end) == (round(10 * begin), round(10 * end)), "it is counted by tenths"
    counts = [group[tenth] for group in tenths for tenth in range(round(10 * begin), round(10 * end))]
    listed, right = (sum(count[n] for count in counts) for n in (0, 1))
    assert least <= right / listed <= most
