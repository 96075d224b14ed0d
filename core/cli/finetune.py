"""`imagine-sound finetune`: train an adapter, and say where it is and how the run ended."""

import argparse
import re
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from core.cli.common import load_settings
from core.cli.progress import ProgressBars
from core.errors import ExitCode, InvalidHyperparameters
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import best_precision, default_base
from core.finetuning.run import FinetuneOptions, finetune
from core.finetuning.training.trainer import Ending

_TIME_SPAN = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s)?")


def run(args: argparse.Namespace) -> int:
    """Train and tell; 0 if there is an adapter or the run can be resumed. Raises FinetuningError and WrongSetting."""
    deadline = _deadline(args.stop_after)
    bars = ProgressBars()
    with _Interrupts() as interrupts:
        result = finetune(options_from(args), bars, lambda: interrupts.asked or time.monotonic() >= deadline)
    if result.adapter is not None:
        bars.say(f"adapter: {result.adapter}")
    if result.kohya is not None:
        bars.say(f"kohya format: {result.kohya}")
    bars.say(f"report: {result.report}")
    if result.ending is Ending.DIVERGED:
        bars.say("The guard stopped the run; try a tenth of the learning rate, or --learning-rate auto.")
        return ExitCode.ENDED_BY_GUARD if result.adapter is None else ExitCode.DONE
    if result.ending is Ending.STOPPED:
        bars.say("The run is not finished: the same command with --resume goes on.")
    return ExitCode.DONE


def options_from(args: argparse.Namespace) -> FinetuneOptions:
    """The options in the arguments; asks torch which precision the machine can do. Raises InvalidHyperparameters."""
    find_rate = args.learning_rate == "auto"
    hyperparameters = Hyperparameters(
        steps=args.steps,
        rank=args.rank,
        alpha=float(args.rank) if args.alpha is None else args.alpha,
        targets=args.targets,
        learning_rate=Hyperparameters.learning_rate if find_rate else _rate(args.learning_rate),
        warmup_steps=args.warmup_steps,
        batch_size=args.batch_size,
        accumulation=args.accumulation,
        resolution=args.resolution,
        precision=best_precision(args.precision, cpu=args.cpu),
        gradient_checkpointing=args.gradient_checkpointing,
        optimizer=args.optimizer,
        ema_decay=args.ema_decay,
        caption_dropout=args.caption_dropout,
        sigma_mean=args.sigma_mean,
        sigma_std=args.sigma_std,
        prior_share=args.prior_share,
        held_out=args.held_out,
        limit=args.limit,
        check_every=args.check_every,
        sample_steps=args.sample_steps,
        alarm_ratio=args.alarm_ratio,
        seed=args.seed,
    )
    settings = load_settings()
    base, revision = (args.base, None) if args.base else default_base(settings, cpu=args.cpu)
    return FinetuneOptions(
        images=args.images,
        out=args.out,
        base=base,
        hyperparameters=hyperparameters,
        base_revision=args.base_revision or revision,
        cache=args.cache,
        prompts=tuple(args.prompt),
        find_rate=find_rate,
        resume=args.resume,
        restart=args.restart,
        kohya=args.kohya,
        cpu=args.cpu,
        hub_token=settings.hub_token,
    )


def seconds_of(text: str) -> float:
    """A span of time as people write it: `11h`, `90m`, `1h30m`, `45s`. Raises ValueError if the text is none."""
    match = _TIME_SPAN.fullmatch(text.strip().lower())
    parts = match.groupdict() if match else {}
    total = sum(float(parts.get(unit) or 0) * factor for unit, factor in (("h", 3600), ("m", 60), ("s", 1)))
    if total <= 0:
        raise ValueError(f"{text!r} is no span of time; write 11h, 90m or 1h30m")
    return total


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidHyperparameters("--learning-rate must be a number such as 1e-4, or auto.") from error


def _deadline(stop_after: str | None) -> float:
    if stop_after is None:
        return float("inf")
    try:
        return time.monotonic() + seconds_of(stop_after)
    except ValueError as error:
        raise InvalidHyperparameters(f"--stop-after: {error}.") from error


class _Interrupts:
    """Turns the first Ctrl-C or SIGTERM into a wish to stop at the next step; the second one ends at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Callable[[int, FrameType | None], object] | int | None] = {}

    def __enter__(self) -> "_Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError):  # not in the main thread
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
