"""Accepted means answered: the real bot as a process against the stand-in, some cells chosen by the commit.

`python -m tests.loopback` runs all of them. LOOPBACK_SEED chooses others, LOOPBACK_CELLS how many.
"""

import os
import subprocess

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.known_bad import KNOWN_BAD, SOMETIMES, surprise
from tests.loopback.people_rows import NO_FAULT
from tests.loopback.process import ROOT
from tests.loopback.rows import all_cells
from tests.loopback.run import Runner, choose, impatient
from tests.loopback.server import TOKEN
from tests.loopback.verdict import Verdict

BESIDE_EACH_OTHER = 8
ALONE = 2
PATIENCE_S = 20.0


def seed() -> str:
    """The commit, or what was asked for."""
    if "LOOPBACK_SEED" in os.environ:
        return os.environ["LOOPBACK_SEED"]
    try:
        command = ["git", "rev-parse", "HEAD"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no commit"


async def test_every_way_in_and_some_faults() -> None:
    no_fault = [cell for cell in all_cells() if cell.group == NO_FAULT]
    quick = [cell for cell in all_cells() if cell.quick and cell.group != NO_FAULT]
    factor = int(os.environ.get("LOOPBACK_CELLS", BESIDE_EACH_OTHER)) / BESIDE_EACH_OTHER
    beside = choose([cell for cell in quick if cell.shares], round(BESIDE_EACH_OTHER * factor), seed())
    alone = choose([cell for cell in quick if not cell.shares], round(ALONE * factor), seed())
    chosen = [impatient(cell, PATIENCE_S) if cell.name in KNOWN_BAD else cell for cell in (*beside, *alone)]
    report = await Runner(worlds=2).run([*no_fault, *chosen], all_at_once=True)
    surprises = [surprise(cell, outcome) for cell, outcome in report.outcomes.values()]
    assert [one for one in surprises if one is not None] == []
    assert report.errors == []
    assert not any(TOKEN in line for line in report.all_worries)


def test_the_list_of_bad_cells_names_cells() -> None:
    names = {cell.name for cell in all_cells()}
    assert names >= KNOWN_BAD.keys()
    assert names >= SOMETIMES.keys()
    assert KNOWN_BAD.keys().isdisjoint(SOMETIMES)


async def _nothing(_: World) -> Outcome:
    raise AssertionError


def test_only_an_expected_outcome_is_no_surprise() -> None:
    cell = Cell("a group", "a row", "", _nothing)
    good, bad = Outcome([Verdict.ANSWERED]), Outcome([Verdict.ANSWERED, Verdict.LOST], notes=["nothing"])
    assert surprise(cell, good, known_bad=()) is None
    assert surprise(cell, bad, known_bad=[cell.name]) is None
    assert surprise(cell, bad, known_bad=()) == "a group: a row is LOST: nothing"
    assert "take it off the list" in (surprise(cell, good, known_bad=[cell.name]) or "")
