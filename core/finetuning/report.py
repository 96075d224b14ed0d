"""The run's report: one HTML page that needs no other file and no network."""

import io
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from jinja2 import Environment, PackageLoader, StrictUndefined

from core.finetuning.checkpoints import RunState
from core.finetuning.guard import Reading, is_over_trained
from core.finetuning.journal import Entry, EventEntry, LookEntry, StepEntry
from core.finetuning.measuring import FIRST_SEED
from core.finetuning.pictures import inline_picture
from core.finetuning.preparing import DataSummary
from core.finetuning.recipe import Recipe

PICTURE_SIDE = 512
"""Pictures are made no larger than this in the page."""


def write_report(
    path: Path,
    *,
    recipe: Recipe,
    base_name: str,
    base_sha256: str,
    objective: str,
    levels: Sequence[float],
    data: DataSummary,
    prompts: Sequence[str],
    samples: Path,
    entries: Sequence[Entry],
    state: RunState,
    ending: str,
    kept: tuple[str, int, str] | None,
) -> None:
    """Write the page. `kept`: the chosen checkpoint's name, its step, and why it was chosen."""
    looks = [entry for entry in entries if isinstance(entry, LookEntry)]
    steps = [entry for entry in entries if isinstance(entry, StepEntry)]
    base = looks[0].reading
    chosen = _look_of(kept[0], looks) if kept else None
    shown = kept[0] if kept else _last_label(looks)
    environment = Environment(
        loader=PackageLoader("core.finetuning", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("report.html.jinja").render(
        name=path.resolve().parent.name,
        base_name=base_name,
        base_sha256=base_sha256,
        objective=objective,
        recipe=recipe,
        recipe_table=recipe.as_dict(),
        steps_done=state.moment.step,
        ending=ending,
        kept=None
        if kept is None or chosen is None
        else {
            "step": kept[1],
            "reason": kept[2],
            "held_out": 100 * (chosen.reading.held_out_mean / base.held_out_mean - 1),
            "generic": 100 * (mean(chosen.reading.generic) / mean(base.generic) - 1),
        },
        over_trained=is_over_trained([loss for _, loss in state.held_out]),
        pairs=_pairs(prompts, samples, shown, "after" if kept else "what the guard saw last"),
        levels=levels,
        losses=_loss_rows(base, chosen.reading if chosen else None),
        held_out_chart=_ratio_chart(looks, levels, "held-out images", "held_out", None),
        generic_chart=_ratio_chart(looks, levels, "generic captions", "generic", recipe.alarm_ratio),
        training_chart=_training_chart(steps),
        looks=[_look_row(look, base) for look in looks],
        events=[f"step {entry.step}: {entry.text}" for entry in entries if isinstance(entry, EventEntry)],
        data=data,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")


def _label(look: LookEntry) -> str:
    return f"attempt-{look.attempt}-step-{look.step:06d}"


def _look_of(label: str, looks: Sequence[LookEntry]) -> LookEntry | None:
    return next((look for look in reversed(looks) if _label(look) == label), None)


def _last_label(looks: Sequence[LookEntry]) -> str | None:
    return _label(looks[-1]) if len(looks) > 1 else None


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


def _loss_rows(base: Reading, chosen: Reading | None) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [{"name": "base, held-out", "values": base.held_out}]
    if chosen is not None:
        rows.append({"name": "adapter, held-out", "values": chosen.held_out})
    rows.append({"name": "base, generic", "values": base.generic})
    if chosen is not None:
        rows.append({"name": "adapter, generic", "values": chosen.generic})
    return rows


def _look_row(look: LookEntry, base: Reading) -> dict[str, object]:
    reading = look.reading
    return {
        "step": look.step,
        "attempt": look.attempt,
        "held_out": reading.held_out_mean / base.held_out_mean,
        "generic": max(now / before for now, before in zip(reading.generic, base.generic, strict=True)),
        "std": mean(sample.std for sample in reading.samples),
        "high_frequency": mean(sample.high_frequency for sample in reading.samples),
        "strength": look.strength,
        "alarms": "; ".join(look.alarms),
    }


def _ratio_chart(
    looks: Sequence[LookEntry], levels: Sequence[float], title: str, field: str, alarm: float | None
) -> str:
    """Loss relative to the base over steps, one line per noise level; roll-backs show as breaks."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    base: tuple[float, ...] = getattr(looks[0].reading, field)
    for index, level in enumerate(levels):
        color = colormaps["viridis"](index / max(1, len(levels) - 1) * 0.9)
        for attempt in sorted({look.attempt for look in looks}):
            part = [look for look in looks if look.attempt == attempt]
            axes.plot(
                [look.step for look in part],
                [getattr(look.reading, field)[index] / base[index] for look in part],
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
