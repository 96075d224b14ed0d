"""Long tables of which the suite takes a part: TABLES=all takes the whole of each (`make tables`).

A test that takes a part is marked `table`. Where it judges by a share, the part's may be a little worse, by chance.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

WHOLE = os.environ.get("TABLES") == "all"


def part(table: Sequence[T], *, every: int) -> Sequence[T]:
    """Each so manieth row, from the first on; all rows where TABLES=all."""
    return table if WHOLE else table[::every]


def some(count: int, *, of: int) -> int:
    """How many examples are tried of so many; all of them where TABLES=all."""
    return of if WHOLE else count
