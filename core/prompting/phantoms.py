"""Labels that are next to never right where they are doubtful: they are painted only when they are certain.

`phantoms.csv` says how often each was listed at a certainty of 0.1 to 0.5, and how often it was right then. It is made
by `python -m benchmarks.hearing --packages DIR --phantoms core/prompting/phantoms.csv`, and not by hand. Voices are
left out: they are rare in those recordings, and common in voice notes.
"""

import csv
from functools import cache
from importlib import resources


@cache
def load_phantoms() -> frozenset[str]:
    """The labels."""
    text = resources.files("core.prompting").joinpath("phantoms.csv").read_text(encoding="utf-8")
    return frozenset(row["label"] for row in csv.DictReader(text.splitlines(), delimiter="|"))
