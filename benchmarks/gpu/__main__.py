"""Measure, stage by stage, and print as it goes; docs/gpu.md says how to read it."""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks.gpu.stages import SHORTEST_S, OtherRun, Record, Records, Stage, Status, due, run

RESULTS = Path(__file__).parents[1] / "results"
MINIATURE_MINUTES = 10.0
"""On a machine that has other work. Alone it takes less than three."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 0 where every stage is done and every figure keeps its limit."""
    options = _parse(arguments)
    console = Console(highlight=False, soft_wrap=True)
    if not options.miniature and not _has_gpu():
        console.print("There is no CUDA GPU here; --miniature runs all stages on the processor.")
        return 2
    try:
        records = Records(options.out, _run(options), resume=options.resume)
    except FileExistsError:
        console.print(f"{options.out} is there already; --resume goes on with it, --out takes another name.")
        return 2
    except OtherRun as other:
        console.print(f"{options.out} tells of another run ({other}); take another --out.")
        return 2
    options.work.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    from benchmarks.gpu.bench import MINIATURE, TRUE, Bench  # imports torch, after all that can be refused without

    if options.miniature:
        bench = Bench("", options.work, MINIATURE, "cpu")
    else:
        bench = Bench(options.model, options.work, TRUE, "cuda")
    stages = _stages()
    _go(stages, bench, records, console, options.minutes * 60)
    console.print(_table(stages, records))
    console.print(f"{options.out}")
    found = [records.get(stage) for stage in stages]
    return int(not all(record and record.status is Status.DONE and not record.wrong for record in found))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--model", default="random", metavar="DIR", help="a directory with Playground v2.5; random: its shapes alone"
    )
    what.add_argument("--miniature", action="store_true", help="all stages on a processor, with the bundled miniature")
    parser.add_argument("--minutes", type=float, help="for all stages together; 55")
    parser.add_argument("--resume", action="store_true", help="go on where the last run ended")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON lines; in benchmarks/results/ unless told")
    parser.add_argument(
        "--work", type=Path, default=Path(gettempdir()) / "imagine-sound-gpu", metavar="DIR",
        help="for the random directory (7 GB) and the compiler's cache",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.model != "random" and not Path(options.model).is_dir():
        parser.error(f"{options.model} is no directory")
    options.minutes = options.minutes or (MINIATURE_MINUTES if options.miniature else 55.0)
    options.out = options.out or RESULTS / f"gpu-{'miniature' if options.miniature else 'cuda'}.jsonl"
    return options


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _stages() -> list[Stage]:
    """Cheapest and most decisive first."""
    from benchmarks.gpu import crowd, machine, memory, profiling, right, speed

    return [
        Stage("0 machine", "the card, versions, and how fast it multiplies", machine.machine, 180),
        Stage("1 load", "the model from its directory to the device", machine.load, 420),
        Stage("2 right", "float32 and half precision against the stock pipeline", right.right, 480),
        Stage("3 memory", "peaks beside the plan, and smaller cards", memory.memory, 480),
        Stage("4 eager", "seconds a picture, against the stock pipeline", speed.eager, 420),
        Stage("5 compiled", "the compiler, with nothing cached", speed.compiled, 480),
        Stage("5 compiled again", "the compiler, from its cache", speed.compiled_again, 300),
        Stage("6 less work", "what each saving costs and gains", speed.less_work, 420),
        Stage("7 crowd", "forty who ask at once, and over time", crowd.crowd, 480),
        Stage("8 where the time goes", "the profiler's view, decoding, previews", profiling.where_time_goes, 240),
        Stage("9 compiled whole", "the network as a whole, autotuned, with nothing cached", speed.compiled_whole, 480),
    ]


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """What has to be equal for a run to be resumed."""
    return {
        "model": "miniature" if options.miniature else options.model,
        "python": platform.python_version(),
        "torch": version("torch"),
        "diffusers": version("diffusers"),
    }


def _go(stages: Sequence[Stage], bench: Any, records: Records, console: Console, seconds: float) -> None:
    """Run what is due while there is time."""
    end = time.monotonic() + seconds
    for stage in stages:
        if (record := records.get(stage)) is not None and record.status is Status.DONE:
            console.print(f"[dim]{stage.name}: done before[/]")
    for stage in due(stages, records):
        left = end - time.monotonic()
        if left < SHORTEST_S:
            console.print(f"[yellow]no time is left for {stage.name}; --resume goes on with it[/]")
            continue
        limit = min(stage.limit_s, left)
        console.print(f"\n[bold]{stage.name}[/]  {stage.about}  [dim](at most {_clock(limit)}; {_clock(left)} left)[/]")
        with console.status("") as status:

            def wait(seconds_left: float) -> None:
                left = end - time.monotonic()
                status.update(f"{stage.name}: {_clock(seconds_left)} left, {_clock(left)} of all")  # noqa: B023

            # a copy of this process saves the seconds of importing, but cannot use CUDA
            record = run(
                stage, bench, limit, fork=not bench.on_gpu and sys.platform == "linux",
                tell=lambda name, figure: console.print(f"  {_line(name, figure)}"), wait=wait,
            )  # fmt: skip
        records.add(record)
        console.print(f"  [{_colour(record)}]{record.status.value}[/] after {record.seconds:.0f} s")
        if record.error:
            console.print(escape(record.error), style="dim")


def _line(name: str, figure: Any) -> str:
    text = f"{name}: {escape(json.dumps(figure) if isinstance(figure, dict | list) else str(figure))}"
    return f"[red]{text}[/]" if isinstance(figure, dict) and figure.get("ok") is False else text


def _colour(record: Record) -> str:
    return "green" if record.status is Status.DONE and not record.wrong else "red"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _table(stages: Sequence[Stage], records: Records) -> Table:
    table = Table("stage", "", "seconds", "beyond its limit")
    for stage in stages:
        record = records.get(stage)
        if record is None:
            table.add_row(stage.name, "not begun", "", "")
        else:
            status = f"[{_colour(record)}]{record.status.value}[/]"
            table.add_row(stage.name, status, f"{record.seconds:.0f}", ", ".join(record.wrong))
    return table


if __name__ == "__main__":
    raise SystemExit(main())
