"""The report as Markdown: sums by group, a matrix where a group has columns, a list where it has none."""

from collections import Counter
from collections.abc import Sequence

from tests.loopback.bench import Cell, Outcome
from tests.loopback.run import Report
from tests.loopback.verdict import GOOD, Verdict

HEAD = """\
# Accepted means answered

What becomes of people's requests when something goes wrong. Each cell was measured with the real bot as a process
against a stand-in for Discord on this computer, which injects one fault; then it was judged by what stood in the end.
`make loopback` measures it anew and writes this page.

| word | meaning |
|---|---|
| answered | one reply with the picture, in the right place, once |
| told | one sentence that says why there is no picture, where none is possible, or not now |
| withdrawn | it was taken back, or somebody removed its place, and nothing of it stands |
| left alone | nobody asked by name, and the recording is gone for good: nothing is said |
| nobody to tell | Discord refuses for good what would be needed, or itself says that the bot did not respond |
| **PUT OFF** | told to ask again, though the fault passed and the picture was possible |
| **LATE** | one fault cost more than five seconds, or an outage more than a minute after its end |
| **LOST** | nothing is ever said |
| **STUCK** | "painting" or "thinking…" for ever |
| **DOUBLED** | more than one answer |
| **ORPHAN** | answered, and an unfinished message stays beside it; or taken back, and something stays |
| **MISPLACED** | the picture is not in the thread on the recording, though one is possible |
| **CHANGED** | another picture, or none, in place of the one shown first |
| **LOUD** | people were notified twice |

A cell in parentheses: the fault did not happen, since the bot makes no such request there. "503 for minutes" lasted
{outage:g} minutes here.
"""


def render(report: Report, cells: Sequence[Cell], outage_s: float) -> str:
    """The page for the cells that were measured, in the order of `cells`."""
    measured = [report.outcomes[cell.name] for cell in cells if cell.name in report.outcomes]
    groups: dict[str, list[tuple[Cell, Outcome]]] = {}
    for cell, outcome in measured:
        groups.setdefault(cell.group, []).append((cell, outcome))
    parts = [HEAD.format(outage=outage_s / 60), _sums(groups)]
    for group, entries in groups.items():
        parts.append(f"## {group[0].upper()}{group[1:]}\n")
        parts.append(_matrix(entries) if any(cell.column for cell, _ in entries) else _list(entries))
    parts.append(_log(report))
    return "\n".join(parts)


def _sums(groups: dict[str, list[tuple[Cell, Outcome]]]) -> str:
    words = list(Verdict)
    lines = [
        "| | cells | requests | " + " | ".join(_word(word) for word in words) + " |",
        "|---" * (len(words) + 3) + "|",
    ]
    everything: Counter[Verdict] = Counter()
    count = 0
    for group, entries in groups.items():
        verdicts = Counter(verdict for _, outcome in entries for verdict in outcome.verdicts)
        everything += verdicts
        count += len(entries)
        lines.append(_sum_line(group, len(entries), verdicts))
    lines.append(_sum_line("**all**", count, everything))
    return "\n".join(lines) + "\n"


def _sum_line(name: str, cells: int, verdicts: Counter[Verdict]) -> str:
    numbers = " | ".join(str(verdicts[word] or "–") for word in Verdict)
    return f"| {name} | {cells} | {verdicts.total()} | {numbers} |"


def _matrix(entries: Sequence[tuple[Cell, Outcome]]) -> str:
    columns = list(dict.fromkeys(cell.column for cell, _ in entries))
    rows = list(dict.fromkeys(cell.row for cell, _ in entries))
    found = {(cell.row, cell.column): outcome for cell, outcome in entries}
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in rows:
        words = (_cell(found[row, column]) if (row, column) in found else "" for column in columns)
        lines.append(f"| {row} | " + " | ".join(words) + " |")
    return "\n".join(lines) + "\n"


def _list(entries: Sequence[tuple[Cell, Outcome]]) -> str:
    lines = ["| | |", "|---|---|", *(f"| {cell.row} | {_cell(outcome)} |" for cell, outcome in entries)]
    return "\n".join(lines) + "\n"


def _cell(outcome: Outcome) -> str:
    counted = Counter(outcome.verdicts)
    if len(outcome.verdicts) == 1:
        text = _word(outcome.verdicts[0])
    else:
        text = ", ".join(f"{counted[word]} {_word(word)}" for word in Verdict if counted[word])
    if outcome.figure:
        text += f" ({outcome.figure})"
    return text if outcome.struck else f"({text})"


def _word(verdict: Verdict) -> str:
    return verdict.value if verdict in GOOD else f"**{verdict.value}**"


def _log(report: Report) -> str:
    if not report.all_worries:
        return 'The bots\' logs held no token, no traceback, nothing "never awaited" and nothing "never retrieved".\n'
    counted = Counter(report.all_worries).most_common()
    lines = ["## What the bots' logs should not hold\n", "| | times |", "|---|---|"]
    lines += [f"| `{line[:160].replace('|', '/')}` | {count} |" for line, count in counted]
    return "\n".join(lines) + "\n"
