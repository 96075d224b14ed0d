"""`python -m tests.loopback`: measure the table, print it, and write docs/answered.md.

Exit status 1 if a cell is bad, or the bench itself failed anywhere.
"""

import argparse
import asyncio
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.loopback import matrix
from tests.loopback.bench import Cell, Outcome
from tests.loopback.results import Results
from tests.loopback.rows import all_cells
from tests.loopback.run import Report, Runner, bad_cells
from tests.loopback.table import render

PAGE = Path(__file__).resolve().parents[2] / "docs" / "answered.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--only", help="only cells whose name contains this; the page is not written")
    parser.add_argument("--outage", type=float, default=matrix.OUTAGE_S, metavar="S", help="how long outages last")
    parser.add_argument("--list", action="store_true", help="only name the cells")
    parser.add_argument("--results", type=Path, help="keep outcomes in this file; what is there is not measured again")
    parser.add_argument("--worlds", type=int, default=3, help="how many bots run at once")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    cells = [cell for cell in all_cells(chosen.outage) if chosen.only is None or chosen.only in cell.name]
    if chosen.list:
        print("\n".join(cell.name for cell in cells))
        return 0
    report = asyncio.run(_measure(cells, Results(chosen.results), chosen.worlds))
    page = render(report, cells, chosen.outage)
    print(page)
    problems = [*bad_cells(report), *report.errors]
    for problem in problems:
        print(problem, file=sys.stderr)
    if chosen.only is None:
        PAGE.write_text(page, encoding="utf-8")
    return 1 if problems else 0


async def _measure(cells: Sequence[Cell], results: Results, worlds: int) -> Report:
    """What is not in `results` yet, and what is."""
    began = time.monotonic()

    def done(cell: Cell, outcome: Outcome) -> None:
        results.add(cell, outcome)
        struck = "" if outcome.struck else " (the fault did not happen)"
        print(f"{time.monotonic() - began:7.1f} s  {outcome.word:15} {cell.name}{struck}", file=sys.stderr, flush=True)

    there = results.read(cells)
    left = [cell for cell in cells if cell.name not in there.outcomes]
    report = await Runner(done, worlds=worlds).run(left, all_at_once=True)
    report.outcomes = {**there.outcomes, **report.outcomes}
    return report


if __name__ == "__main__":
    sys.exit(main())
