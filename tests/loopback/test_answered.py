"""Accepted means answered: the real bot as a process against the stand-in, where nothing fails and under some faults.

`python -m tests.loopback` runs all cells. Here are every way in, and some of the quick cells, others with each commit;
LOOPBACK_CELLS says how many, LOOPBACK_SEED which.
"""

import os
import subprocess
from pathlib import Path

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.people_rows import NO_FAULT
from tests.loopback.rows import all_cells
from tests.loopback.run import Report, Runner, bad_cells, choose
from tests.loopback.server import TOKEN
from tests.loopback.verdict import Verdict

CELLS = int(os.environ.get("LOOPBACK_CELLS", "10"))


def seed() -> str:
    """The commit that is being tested, so that a failure can be repeated; what is not in a repository has one seed."""
    if named := os.environ.get("LOOPBACK_SEED"):
        return named
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "none"


async def test_every_way_in_and_some_faults() -> None:
    cells = [cell for cell in all_cells() if cell.group == NO_FAULT]
    cells += choose([cell for cell in all_cells() if cell.quick and cell.group != NO_FAULT], CELLS, seed())
    report = await Runner(worlds=2).run(cells, all_at_once=True)
    assert bad_cells(report) == []
    assert report.errors == []
    assert not any(TOKEN in line for line in report.all_worries)


async def _nothing(_: World) -> Outcome:
    raise AssertionError


def test_cell_with_one_bad_request_is_bad() -> None:
    good = Cell("a group", "a good row", "", _nothing), Outcome([Verdict.ANSWERED])
    bad = Cell("a group", "a row", "", _nothing), Outcome([Verdict.ANSWERED, Verdict.LOST], notes=["nothing"])
    report = Report({cell.name: (cell, outcome) for cell, outcome in (good, bad)})
    assert bad_cells(report) == ["a group: a row is LOST: nothing"]
