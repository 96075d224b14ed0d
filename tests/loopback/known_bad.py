"""The cells that are bad today, each with why. An entry goes when it is mended: a cell that has become good must not
stay here, nor may another become bad (`test_answered.py`, `python -m tests.loopback`).

Cells whose outcome hangs on a moment's chance are in `SOMETIMES`: they are expected to be neither.
"""

from collections.abc import Collection, Mapping

from tests.loopback.bench import Cell, Outcome

KNOWN_BAD: Mapping[str, str] = {}
SOMETIMES: Mapping[str, str] = {}


def surprise(cell: Cell, outcome: Outcome, known_bad: Collection[str] = KNOWN_BAD.keys()) -> str | None:
    """What is wrong about the list or about the bot, in a sentence; None where the cell is as expected."""
    if cell.name in SOMETIMES or outcome.is_good == (cell.name not in known_bad):
        return None
    if outcome.is_good:
        return f"{cell.name} is {outcome.word} now: take it off the list in known_bad.py"
    return f"{cell.name} is {outcome.word}: {'; '.join(outcome.notes)}"
