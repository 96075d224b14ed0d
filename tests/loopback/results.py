"""Measured cells in a file of JSON lines, so that a long run can go on after it was interrupted."""

import json
from collections.abc import Sequence
from pathlib import Path

from tests.loopback.bench import Cell, Outcome
from tests.loopback.run import Report
from tests.loopback.verdict import Verdict


class Results:
    """The file at `path`; None keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def read(self, cells: Sequence[Cell]) -> Report:
        """What is there about these cells."""
        report = Report()
        if self._path is None or not self._path.exists():
            return report
        by_name = {cell.name: cell for cell in cells}
        for line in self._path.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            cell = by_name.get(entry["cell"])
            if cell is not None:
                verdicts = [Verdict(word) for word in entry["verdicts"]]
                outcome = Outcome(verdicts, entry["struck"], entry["notes"], entry["figure"], entry["worries"])
                report.outcomes[cell.name] = cell, outcome
        return report

    def add(self, cell: Cell, outcome: Outcome) -> None:
        """One more."""
        if self._path is None:
            return
        entry = {
            "cell": cell.name,
            "verdicts": list(outcome.verdicts),
            "struck": outcome.struck,
            "notes": list(outcome.notes),
            "figure": outcome.figure,
            "worries": list(outcome.worries),
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
