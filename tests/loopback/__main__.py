"""`python -m tests.loopback`: measure the table, print it, and write docs/answered.md.

Exit status 1 if the bench itself failed anywhere. What is bad about the bot the page says.
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
from tests.loopback.rows import all_cells
from tests.loopback.run import Runner
from tests.loopback.table import render

PAGE = Path(__file__).resolve().parents[2] / "docs" / "answered.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.loopback", description=__doc__)
    parser.add_argument("--only", help="only cells whose name contains this; the page is not written")
    parser.add_argument("--outage", type=float, default=matrix.OUTAGE_S, metavar="S", help="how long outages last")
    parser.add_argument("--list", action="store_true", help="only name the cells")
    parser.add_argument("--worlds", type=int, default=3, help="how many bots run at once")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    cells = [cell for cell in all_cells(chosen.outage) if chosen.only is None or chosen.only in cell.name]
    if chosen.list:
        print("\n".join(cell.name for cell in cells))
        return 0
    began = time.monotonic()

    def done(cell: Cell, outcome: Outcome) -> None:
        struck = "" if outcome.struck else " (the fault did not happen)"
        print(f"{time.monotonic() - began:7.1f} s  {outcome.word:15} {cell.name}{struck}", file=sys.stderr, flush=True)

    report = asyncio.run(Runner(done, worlds=chosen.worlds).run(cells))
    page = render(report, cells)
    print(page)
    for error in report.errors:
        print(error, file=sys.stderr)
    if chosen.only is None:
        PAGE.write_text(page, encoding="utf-8")
    return 1 if report.errors else 0


if __name__ == "__main__":
    sys.exit(main())
