"""Accepted means answered: the real bot as a process against the stand-in, where nothing fails and under a few faults.

`python -m tests.loopback` runs all cells.
"""

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.known_bad import KNOWN_BAD, SOMETIMES, surprise
from tests.loopback.people_rows import NO_FAULT
from tests.loopback.rows import all_cells
from tests.loopback.run import Runner
from tests.loopback.server import TOKEN
from tests.loopback.verdict import Verdict

SOME_FAULTS = frozenset(
    f"one fault at one request: {fault}, post: recording" for fault in ("503", "connection broken", "404: just deleted")
)


async def test_every_way_in_and_some_faults() -> None:
    cells = [cell for cell in all_cells() if cell.group == NO_FAULT or cell.name in SOME_FAULTS]
    assert len(cells) > len(SOME_FAULTS)
    runner = Runner(worlds=2)
    report = await runner.run(cells, all_at_once=True)
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
