"""The run's report: one HTML page that needs no other file and no network."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from core.finetuning.data.prepare import DataSummary
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.batches import TrainingPosition
from core.finetuning.training.checkpoints import KeptCheckpoint, RunState, name_of
from core.finetuning.training.guard import ValidationResult, is_over_trained
from core.finetuning.training.journal import Entry, EventEntry, StepEntry, ValidationEntry
from core.finetuning.training.readings import FIRST_SEED
from core.finetuning.training.trainer import Ending

PICTURE_SIDE = 512
"""Pictures are made no larger than this in the page."""


@dataclass(frozen=True)
class RunSummary:
    """All that a report tells of."""

    hyperparameters: Hyperparameters
    base_name: str
    base_sha256: str
    objective: str
    levels: tuple[float, ...]
    """The fixed noise levels."""
    data: DataSummary
    prompts: tuple[str, ...]
    """Of the sample pictures."""
    samples: Path
    """Holds a folder of pictures for each validation."""
    entries: Sequence[Entry]
    """The journal's."""
    state: RunState
    ending: Ending
    kept: KeptCheckpoint | None


def write_report(path: Path, run: RunSummary) -> None:
    """Write the page."""
    validations = [entry for entry in run.entries if isinstance(entry, ValidationEntry)]
    steps = [entry for entry in run.entries if isinstance(entry, StepEntry)]
    kept, base, levels = run.kept, validations[0].result, run.levels
    chosen = _validation_called(kept.checkpoint, validations) if kept else None
    shown = kept.checkpoint if kept else _last_label(validations)
    environment = Environment(
        loader=PackageLoader("core.finetuning", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("report.html.jinja").render(
        name=path.resolve().parent.name,
        base_name=run.base_name,
        base_sha256=run.base_sha256,
        objective=run.objective,
        hyperparameters=run.hyperparameters,
        hyperparameter_table=run.hyperparameters.as_dict(),
        steps_done=run.state.position.step,
        ending=run.ending.value,
        kept=None if kept is None or chosen is None else _gain(kept, chosen.result, base),
        over_trained=is_over_trained([loss for _, loss in run.state.held_out]),
        pairs=_pairs(run.prompts, run.samples, shown, "after" if kept else "what the guard saw last"),
        levels=levels,
        losses=_loss_rows(base, chosen.result if chosen else None),
        held_out_chart=_ratio_chart(validations, levels, "held-out images", "held_out", None),
        generic_chart=_ratio_chart(validations, levels, "generic captions", "generic", run.hyperparameters.alarm_ratio),
        training_chart=_training_chart(steps),
        validations=[_validation_row(entry, base) for entry in validations],
        events=[f"step {entry.step}: {entry.text}" for entry in run.entries if isinstance(entry, EventEntry)],
        data=run.data,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def inline_picture(path: Path, longest_side: int) -> str:
    """A `data:` address with a JPEG, made smaller where it is larger than `longest_side` pixels."""
    with Image.open(path) as image:
        image.thumbnail((longest_side, longest_side * 8))
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, "JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _gain(kept: KeptCheckpoint, chosen: ValidationResult, base: ValidationResult) -> dict[str, object]:
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


def _last_label(validations: Sequence[ValidationEntry]) -> str | None:
    return _label(validations[-1]) if len(validations) > 1 else None


def _pairs(prompts: Sequence[str], samples: Path, label: str | None, after: str) -> list[dict[str, object]]:
    return [
        {
            "prompt": prompt,
            "seed": FIRST_SEED + number,
            "before": inline_picture(samples / "base" / f"{number}.png", PICTURE_SIDE),
            "after": None if label is None else inline_picture(samples / label / f"{number}.png", PICTURE_SIDE),
            "after_label": after,
        }
        for number, prompt in enumerate(prompts)
    ]


def _loss_rows(base: ValidationResult, chosen: ValidationResult | None) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [{"name": "base, held-out", "values": base.held_out}]
    if chosen is not None:
        rows.append({"name": "adapter, held-out", "values": chosen.held_out})
    rows.append({"name": "base, generic", "values": base.generic})
    if chosen is not None:
        rows.append({"name": "adapter, generic", "values": chosen.generic})
    return rows


def _validation_row(entry: ValidationEntry, base: ValidationResult) -> dict[str, object]:
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


def _ratio_chart(
    validations: Sequence[ValidationEntry], levels: Sequence[float], title: str, field: str, alarm: float | None
) -> str:
    """Loss relative to the base over steps, one line per noise level; roll-backs show as breaks."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    base: tuple[float, ...] = getattr(validations[0].result, field)
    for index, level in enumerate(levels):
        color = colormaps["viridis"](index / max(1, len(levels) - 1) * 0.9)
        for attempt in sorted({entry.attempt for entry in validations}):
            part = [entry for entry in validations if entry.attempt == attempt]
            axes.plot(
                [entry.step for entry in part],
                [getattr(entry.result, field)[index] / base[index] for entry in part],
                color=color,
                marker=".",
                label=f"{level:g}" if attempt == 0 else None,
            )
    if alarm is not None:
        axes.axhline(alarm, color="#d44", linestyle="--", linewidth=1)
    axes.axhline(1, color="#888", linewidth=1)
    axes.set(title=title, xlabel="step", ylabel="loss / base's loss")
    axes.legend(title="noise level", fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    return _svg(figure)


def _training_chart(steps: Sequence[StepEntry]) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    rate_axes = axes.twinx()
    for attempt in sorted({entry.attempt for entry in steps}):
        part = [entry for entry in steps if entry.attempt == attempt]
        numbers = [entry.step for entry in part]
        axes.plot(numbers, _smooth([entry.loss for entry in part]), color="#27a", linewidth=1.5)
        rate_axes.plot(numbers, [entry.learning_rate for entry in part], color="#d80", linewidth=1)
    axes.set(title="training loss (smoothed, blue) and learning rate (orange)", xlabel="step", ylabel="loss")
    rate_axes.set_ylabel("learning rate")
    return _svg(figure)


def _smooth(values: Sequence[float], weight: float = 0.95) -> list[float]:
    """An exponential average without the bias of its start; breaks where a value is not finite."""
    smoothed: list[float] = []
    total = norm = 0.0
    for value in values:
        if value == value and abs(value) != float("inf"):
            total, norm = weight * total + (1 - weight) * value, weight * norm + (1 - weight)
        smoothed.append(total / norm if norm else float("nan"))
    return smoothed


def _svg(figure: object) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})  # type: ignore[attr-defined]
    text = buffer.getvalue()
    return text[text.index("<svg") :]
