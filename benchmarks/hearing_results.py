"""What a run of the hearing benchmark found, as JSON and as tables.

A saved run keeps each recording's first labels, so that a later one is compared recording by recording, by the table of
accepted labels as it is then.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.hearing_scores import SCORES, TENTHS, Answer, Count, Heard, Share, score_all, shares
from benchmarks.hearing_sounds import Group, Sound

KEPT_LABELS = 3
"""Of each recording, as many as the scores look at."""


@dataclass(frozen=True)
class Run:
    """One way of hearing, with what it heard in each recording.

    `passes`: for each recording, None where the budget decides. `seconds`: of sound. `reading_s`, `hearing_s`: the CPU
    time that it took to decode the sound, with ffmpeg's, and to hear what is in it.
    """

    model: str
    passes: int | None
    heard: Mapping[Sound, Heard]
    seconds: float
    reading_s: float
    hearing_s: float

    def answers(self, group: Group) -> list[Answer]:
        """What was heard of a group's recordings beside what is accepted."""
        return [Answer(heard, sound.accepted) for sound, heard in self.heard.items() if sound.group is group]

    def groups(self) -> list[Group]:
        """The groups of which anything was heard."""
        return [group for group in Group if self.answers(group)]


def as_json(
    run: Run, calibration: Mapping[Group, Sequence[Count]], phantoms: Mapping[str, Count], generic: Collection[str]
) -> str:
    """The run as it is saved, a line for each recording. `phantoms` are those of the half for choosing."""
    scores = {
        group: dict(zip(SCORES, shares(score_all(run.answers(group), generic)), strict=True)) for group in run.groups()
    }
    document: dict[str, Any] = {
        "model": run.model,
        "passes": run.passes,
        "recordings": {group: len(run.answers(group)) for group in run.groups()},
        "seconds": round(run.seconds, 1),
        "cpu_ms_a_second": {
            "reading": round(_ms_a_second(run.reading_s, run), 2),
            "hearing": round(_ms_a_second(run.hearing_s, run), 2),
        },
        "scores": {
            group: {name: [round(figure, 4) for figure in asdict(share).values()] for name, share in found.items()}
            for group, found in scores.items()
        },
        "calibration": {
            group: [[count.listed, count.right] for count in counts] for group, counts in calibration.items()
        },
        "phantoms": {label: [count.listed, count.right] for label, count in phantoms.items()},
    }
    lines = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in document.items()]
    heard = (f"{json.dumps(sound.key)}:{_first_labels(found)}" for sound, found in run.heard.items())
    return "{\n" + ",\n".join(lines) + ',\n "heard": {\n' + ",\n".join(heard) + "\n}}\n"


def _first_labels(heard: Heard) -> str:
    labels = [[name, round(certainty, 2)] for name, certainty in heard.labels[:KEPT_LABELS]]
    return json.dumps([heard.main, labels], ensure_ascii=False, separators=(",", ":"))


def load_heard(file: Path) -> dict[str, Heard]:
    """What a saved run heard, by the recordings' keys. Raises KeyError or ValueError for a file that is none."""
    saved = json.loads(file.read_text(encoding="utf-8"))["heard"]
    return {
        key: Heard(tuple((name, certainty) for name, certainty in labels), tuple(main))
        for key, (main, labels) in saved.items()
    }


def scores_table(runs: Sequence[Run], generic: Collection[str]) -> str:
    """The scores in per cent with their intervals, a line for each group and run."""
    rows = []
    for run, group in _lines(runs):
        answers = run.answers(group)
        rows.append([group, run.model, _passes(run), len(answers), *map(_share, shares(score_all(answers, generic)))])
    return table(["", "model", "passes", "recordings", *SCORES], rows)


def differences_table(runs: Sequence[Run], before: Mapping[str, Heard], generic: Collection[str]) -> str:
    """What the scores rose by since a saved run, in points, on the recordings that both heard."""
    rows = []
    for run, group in _lines(runs):
        both = [sound for sound in run.heard if sound.group is group and sound.key in before]
        if both:
            now = score_all([Answer(run.heard[sound], sound.accepted) for sound in both], generic)
            then = score_all([Answer(before[sound.key], sound.accepted) for sound in both], generic)
            rows.append([group, run.model, _passes(run), len(both), *map(_difference, shares(now, then))])
    return table(["", "model", "passes", "in both", *SCORES], rows)


def _lines(runs: Sequence[Run]) -> Iterator[tuple[Run, Group]]:
    """Groups together, so that runs are compared line by line."""
    return ((run, group) for group in Group for run in runs if run.answers(group))


def calibration_table(calibration: Mapping[Group, Sequence[Count]]) -> str:
    """By tenths of certainty how many per cent of the labels were right."""
    rows = [
        [
            f"{tenth / TENTHS:.1f}–{(tenth + 1) / TENTHS:.1f}",
            *(_count(counts[tenth]) for counts in calibration.values()),
        ]
        for tenth in reversed(range(TENTHS))
    ]
    return table(["certainty", *calibration], rows)


def phantoms_file(found: Mapping[str, Count]) -> str:
    """The table as `core/prompting/phantoms.csv` has it."""
    rows = (f"{label}|{count.listed}|{count.right}" for label, count in found.items())
    return "\n".join(["label|listed|right", *rows]) + "\n"


def phantoms_table(found: Mapping[str, Count]) -> str:
    """Labels with how often they were right."""
    return table(["label", "right"], [[label, f"{count.right} of {count.listed}"] for label, count in found.items()])


def costs_table(runs: Sequence[Run]) -> str:
    """The price list."""
    rows = [
        [run.model, _passes(run), f"{_ms_a_second(run.reading_s, run):.1f}", f"{_ms_a_second(run.hearing_s, run):.1f}"]
        for run in runs
    ]
    return table(["model", "passes", "reading, CPU ms a second", "hearing, CPU ms a second"], rows)


def table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _passes(run: Run) -> str:
    return "by budget" if run.passes is None else str(run.passes)


def _ms_a_second(cpu_s: float, run: Run) -> float:
    return 1000 * cpu_s / run.seconds


def _share(share: Share) -> str:
    return f"{100 * share.value:.1f} ({100 * share.low:.0f}–{100 * share.high:.0f})"


def _difference(share: Share) -> str:
    return f"{100 * share.value:+.1f} ({100 * share.low:+.1f} to {100 * share.high:+.1f})"


def _count(count: Count) -> str:
    return f"{count.right / count.listed:.0%} of {count.listed}" if count.listed else "–"
