"""The run's page: one HTML file that needs no other file and no network. It is the report when the run has ended.

Until then it is written anew at each look, and asks the browser to read it again.
"""

import base64
import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from core.errors import ImagineSoundError, WrongSetting
from core.files import written_whole
from core.finetuning.charts import HEIGHT, LEFT, WIDTH, Chart, Point, chart
from core.finetuning.data.summary import DataSummary
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.batches import TrainingPosition
from core.finetuning.training.checkpoints import KeptCheckpoint, name_of
from core.finetuning.training.disk import full_disk_told
from core.finetuning.training.evidence import KNOWS, Evidence
from core.finetuning.training.guard import Losses, Reading, log_ratios, lower_bound
from core.finetuning.training.journal import Entry, EventEntry, StepEntry, ValidationEntry
from core.finetuning.training.readings import FIRST_SEED

PICTURE_SIDE = 512
"""Pictures are made no larger than this in the page."""
THUMBNAIL_SIDE = 256
"""Nor those of the looks than this."""
REFRESH_S = 20
CURVE_POINTS = 300
"""Of the steps' losses; more could not be seen."""
INTERVAL = 0.975
"""Confidence of each end: 95 % of a normal look's means are inside."""


@dataclass(frozen=True)
class RunSummary:
    """All that the page tells of."""

    hyperparameters: Hyperparameters
    base_name: str
    base_sha256: str
    objective: str
    evidence: Evidence
    levels: tuple[float, ...]
    """The fixed noise levels."""
    samples: Path
    """Holds a folder of pictures for each validation."""
    doing: str
    """What is being done, while there is no look yet."""
    data: DataSummary | None = None
    """None until the pictures are prepared."""
    prompts: tuple[str, ...] = ()
    """Of the sample pictures."""
    entries: Sequence[Entry] = ()
    """The journal's."""
    ending: str | None = None
    """How the run ended; None while it goes on."""
    kept: KeptCheckpoint | None = None


class RunPage:
    """The page of one run, which is there whole at any moment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pictures: dict[tuple[Path, int], str] = {}
        self._written: RunSummary | None = None
        self._template = Environment(
            loader=PackageLoader("core.finetuning", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        ).get_template("report.html.jinja")

    def write(self, run: RunSummary) -> None:
        """Write it anew. Raises WrongSetting if that cannot be, OSError on a full disk when the run has ended."""
        self._written = run
        page = self._template.render(self._words(run))
        try:
            with full_disk_told(), written_whole(self.path) as temporary:
                temporary.write_text(page, encoding="utf-8")
        except OSError:
            if run.ending is not None:
                raise

    @contextmanager
    def told_of_its_end(self) -> Iterator[None]:
        """Inside, an error that ends the run is told on the page as well, if there is one yet."""
        try:
            yield
        except BaseException as error:
            run = self._written
            if run is not None and run.ending is None:
                why = str(error) if isinstance(error, ImagineSoundError) else f"it was ended by {type(error).__name__}"
                with suppress(OSError, WrongSetting):  # the error itself is what matters
                    self.write(replace(run, ending=why))
            raise

    def _words(self, run: RunSummary) -> dict[str, object]:
        validations = [entry for entry in run.entries if isinstance(entry, ValidationEntry)]
        steps = [entry for entry in run.entries if isinstance(entry, StepEntry)]
        base = validations[0].result if validations else None
        chosen = _validation_called(run.kept.checkpoint, validations) if run.kept else None
        done = steps[-1].step if steps else 0
        left = seconds_left(run.entries, run.hyperparameters.steps)
        return {
            "name": self.path.resolve().parent.name,
            "run": run,
            "refresh": REFRESH_S if run.ending is None else None,
            "written": f"{datetime.now():%H:%M:%S}",
            "minutes_left": None if left is None else left / 60,
            "findings": [item for item in (run.evidence.base.claimed, *run.evidence.base.others) if item is not None],
            "knows": KNOWS,
            "hyperparameter_table": run.hyperparameters.as_dict(),
            "steps_done": done,
            "kept": None
            if run.kept is None or chosen is None or base is None
            else _gain(run.kept, chosen.result, base),
            "pairs": self._pairs(run, validations) if run.ending is not None and base is not None else [],
            "rows": self._rows(run, validations),
            "losses": [] if base is None else _loss_rows(base, chosen.result if chosen else None),
            "charts": [] if base is None else _charts(validations, steps),
            "size": (WIDTH, HEIGHT, LEFT),
            "validations": [] if base is None else [_validation_row(entry, base) for entry in validations],
            "events": [entry for entry in run.entries if isinstance(entry, EventEntry)],
        }

    def _pairs(self, run: RunSummary, validations: Sequence[ValidationEntry]) -> list[dict[str, object]]:
        last = _label(validations[-1]) if len(validations) > 1 else None
        label, after = (run.kept.checkpoint, "after") if run.kept else (last, "what the guard saw last")
        return [
            {
                "prompt": prompt,
                "seed": FIRST_SEED + number,
                "before": self._picture(run.samples / "base" / f"{number}.png", PICTURE_SIDE),
                "after": None if label is None else self._picture(run.samples / label / f"{number}.png", PICTURE_SIDE),
                "after_label": after,
            }
            for number, prompt in enumerate(run.prompts)
        ]

    def _rows(self, run: RunSummary, validations: Sequence[ValidationEntry]) -> list[dict[str, object]]:
        """A row of samples for each look, the base's first, then from the newest on."""
        looks = [*validations[:1], *reversed(validations[1:])]
        folders = ["base" if number == 0 else _label(entry) for number, entry in enumerate(looks)]
        return [
            {
                "name": "base" if number == 0 else f"step {entry.step}",
                "alarms": "; ".join(entry.alarms),
                "pictures": [
                    self._picture(run.samples / folder / f"{place}.png", THUMBNAIL_SIDE)
                    for place in range(len(run.prompts))
                ],
            }
            for number, (folder, entry) in enumerate(zip(folders, looks, strict=True))
        ]

    def _picture(self, path: Path, side: int) -> str | None:
        """None where a full disk had no room for it."""
        if (path, side) not in self._pictures and path.is_file():
            self._pictures[path, side] = inline_picture(path, side)
        return self._pictures.get((path, side))


def inline_picture(path: Path, longest_side: int) -> str:
    """A `data:` address with a JPEG, made smaller where it is larger than `longest_side` pixels."""
    with Image.open(path) as image:
        image.thumbnail((longest_side, longest_side * 8))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def seconds_left(entries: Sequence[Entry], steps: int) -> float | None:
    """How long the rest of so many steps takes at the pace of those before, with looks; None before the first."""
    taken = [entry for entry in entries if isinstance(entry, StepEntry)]
    if not taken:
        return None
    spent = sum(entry.seconds for entry in entries if not isinstance(entry, EventEntry))
    return spent / len(taken) * (steps - taken[-1].step)


def _gain(kept: KeptCheckpoint, chosen: Reading, base: Reading) -> dict[str, object]:
    """What the adapter is, and its losses against the base's in per cent."""
    return {
        "step": kept.step,
        "reason": kept.reason,
        "held_out": 100 * (chosen.held_out_mean / base.held_out_mean - 1),
        "generic": 100 * (mean(chosen.generic) / mean(base.generic) - 1),
    }


def _label(entry: ValidationEntry) -> str:
    return name_of(TrainingPosition(entry.step, entry.attempt))


def _validation_called(label: str, validations: Sequence[ValidationEntry]) -> ValidationEntry | None:
    return next((entry for entry in reversed(validations) if _label(entry) == label), None)


def _loss_rows(base: Reading, chosen: Reading | None) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [{"name": "base, held-out", "values": base.held_out}]
    if chosen is not None:
        rows.append({"name": "adapter, held-out", "values": chosen.held_out})
    rows.append({"name": "base, generic", "values": base.generic})
    if chosen is not None:
        rows.append({"name": "adapter, generic", "values": chosen.generic})
    return rows


def _validation_row(entry: ValidationEntry, base: Reading) -> dict[str, object]:
    result = entry.result
    return {
        "step": entry.step,
        "attempt": entry.attempt,
        "held_out": result.held_out_mean / base.held_out_mean,
        "generic": max(now / before for now, before in zip(result.generic, base.generic, strict=True)),
        "std": mean(sample.std for sample in result.samples),
        "high_frequency": mean(sample.high_frequency for sample in result.samples),
        "strength": entry.strength,
        "alarms": "; ".join(entry.alarms),
    }


def _charts(validations: Sequence[ValidationEntry], steps: Sequence[StepEntry]) -> list[tuple[str, Chart]]:
    """Curves by name; roll-backs show as breaks."""
    base, looks = validations[0].result.losses, _by_attempt(validations)
    held_out = [[_against(base.held_out, look.result.losses.held_out, look.step) for look in part] for part in looks]
    generic = [[_against(base.generic, look.result.losses.generic, look.step) for look in part] for part in looks]
    charts = [
        ("Held-out images: loss, in parts of the base's", chart(held_out, reference=1.0)),
        ("Pictures that have nothing to do with yours: the same", chart(generic, reference=1.0)),
    ]
    if steps:
        thin = [part[:: -(-len(part) // CURVE_POINTS)] for part in _by_attempt(steps)]
        smooth = [_smooth([entry.loss for entry in part]) for part in _by_attempt(steps)]
        ends = [values[:: -(-len(values) // CURVE_POINTS)] for values in smooth]
        losses = [
            [Point(entry.step, value) for entry, value in zip(*pair, strict=True)]
            for pair in zip(thin, ends, strict=True)
        ]
        rates = [[Point(entry.step, entry.learning_rate) for entry in part] for part in thin]
        charts += [("Training loss, smoothed", chart(losses)), ("Learning rate", chart(rates))]
    return charts


EntryOfAttempt = TypeVar("EntryOfAttempt", StepEntry, ValidationEntry)


def _by_attempt(entries: Sequence[EntryOfAttempt]) -> list[list[EntryOfAttempt]]:
    attempts = sorted({entry.attempt for entry in entries})
    return [[entry for entry in entries if entry.attempt == attempt] for attempt in attempts]


def _against(base: Losses, now: Losses, step: int) -> Point:
    """The geometric mean over pictures of how many times the base's loss it is, with its 95 % interval."""
    ratios = log_ratios(now, base)
    low, high = lower_bound(ratios, INTERVAL), -lower_bound([-ratio for ratio in ratios], INTERVAL)
    if math.isinf(low):  # too few pictures
        return Point(step, math.exp(mean(ratios)))
    return Point(step, math.exp(mean(ratios)), math.exp(low), math.exp(high))


def _smooth(values: Sequence[float], weight: float = 0.95) -> list[float]:
    """An exponential average without the bias of its start; it goes on over values that are not finite."""
    smoothed: list[float] = []
    total = norm = 0.0
    for value in values:
        if math.isfinite(value):
            total, norm = weight * total + (1 - weight) * value, weight * norm + (1 - weight)
        smoothed.append(total / norm if norm else float("nan"))
    return smoothed
