"""What is told of long work where there is no terminal: a line every half minute."""

import io
from itertools import count

from rich.console import Console

from core.cli.progress import SILENCE_S, ProgressBars


def test_without_a_terminal_a_line_is_said_every_half_minute() -> None:
    seconds, told = count(0, 10), io.StringIO()
    bars = ProgressBars(Console(file=told, width=200), clock=lambda: float(next(seconds)))
    with bars.task("Training", 100) as advance:
        for done in range(1, 14):
            advance(done, "loss 0.5")
    lines = told.getvalue().splitlines()
    assert len(lines) == 13 * 10 // SILENCE_S
    assert lines[0] == "Training: 3 of 100, about 16 min left  loss 0.5"


def test_short_work_says_nothing() -> None:
    told = io.StringIO()
    with ProgressBars(Console(file=told)).task("Encoding", 3) as advance:
        advance(3)
    assert told.getvalue() == ""
