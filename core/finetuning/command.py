"""The command line of fine-tuning. Building the arguments imports no model library; running does."""

import argparse
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from core.errors import InvalidRecipe
from core.finetuning.durations import seconds_of
from core.finetuning.hands.command import add_evaluate_hands_arguments
from core.finetuning.recipe import Precision, Recipe

if TYPE_CHECKING:
    from core.finetuning.run import FinetuneOptions

EXIT_WELL = 0
EXIT_NOTHING_LEARNT = 3


def add_finetune_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound finetune`."""
    default = Recipe()
    parser.add_argument("--images", type=Path, required=True, help="folder of captioned images")
    parser.add_argument("--out", type=Path, required=True, help="where the adapter goes, for example adapters/hands")
    parser.add_argument(
        "--base", default=None, help="base model: a diffusers directory or hub name (default: IMAGE_MODEL)"
    )
    parser.add_argument("--base-revision", default=None, help="hub revision of the base model")
    parser.add_argument("--steps", type=int, default=default.steps, help="optimiser steps (%(default)s)")
    parser.add_argument("--rank", type=int, default=default.rank, help="rank of the adapter (%(default)s)")
    parser.add_argument("--alpha", type=float, default=None, help="LoRA alpha (the rank)")
    parser.add_argument(
        "--targets",
        choices=["captions", "attention", "attention+ff"],
        default=default.targets,
        help="adapted layers (%(default)s)",
    )
    parser.add_argument(
        "--learning-rate", default=str(default.learning_rate), help="a number, or auto: find one first (%(default)s)"
    )
    parser.add_argument("--warmup-steps", type=int, default=default.warmup_steps, help="(%(default)s)")
    parser.add_argument("--batch-size", type=int, default=default.batch_size, help="images at once (%(default)s)")
    parser.add_argument("--accumulation", type=int, default=default.accumulation, help="batches per step (%(default)s)")
    parser.add_argument("--resolution", type=int, default=None, help="side of a square picture (the model's own)")
    parser.add_argument(
        "--precision", choices=["auto", "fp32", "bf16", "fp16"], default="auto", help="of the base's weights (auto)"
    )
    parser.add_argument("--gradient-checkpointing", action="store_true", help="less memory, slower by half")
    parser.add_argument("--optimizer", choices=["adamw", "adamw8bit"], default=default.optimizer, help="(%(default)s)")
    parser.add_argument("--ema-decay", type=float, default=default.ema_decay, help="(%(default)s)")
    parser.add_argument(
        "--caption-dropout",
        type=float,
        default=default.caption_dropout,
        help="share of captions left out (%(default)s)",
    )
    parser.add_argument("--sigma-mean", type=float, default=default.sigma_mean, help="mean of ln sigma (%(default)s)")
    parser.add_argument("--sigma-std", type=float, default=default.sigma_std, help="spread of ln sigma (%(default)s)")
    parser.add_argument("--limit", type=int, default=None, help="use at most so many images, each kind in proportion")
    parser.add_argument(
        "--prior-share",
        type=float,
        default=default.prior_share,
        help="share of the base's own pictures in training, against forgetting (%(default)s)",
    )
    parser.add_argument("--held-out", type=float, default=default.held_out, help="share for validation (%(default)s)")
    parser.add_argument(
        "--check-every", type=int, default=default.check_every, help="steps between the guard's looks (%(default)s)"
    )
    parser.add_argument(
        "--sample-steps", type=int, default=default.sample_steps, help="of the guard's pictures (%(default)s)"
    )
    parser.add_argument(
        "--alarm-ratio",
        type=float,
        default=default.alarm_ratio,
        help="loss on generic captions that is too much (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=default.seed, help="(%(default)s)")
    parser.add_argument("--prompt", action="append", default=[], help="a prompt for the samples; up to four times")
    parser.add_argument("--cache", type=Path, default=None, help="where encoded images are kept (OUT/training/cache)")
    parser.add_argument("--stop-after", default=None, metavar="TIME", help="stop in time to resume later: 11h, 90m")
    parser.add_argument("--resume", action="store_true", help="go on where the run in OUT stopped")
    parser.add_argument("--restart", action="store_true", help="delete the run in OUT and begin anew")
    parser.add_argument("--kohya", action="store_true", help="write the adapter in kohya's format as well")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU even where there is a GPU")


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound evaluate`: what to measure, and that one's own."""
    subjects = parser.add_subparsers(dest="subject", required=True, metavar="hands")
    add_evaluate_hands_arguments(subjects.add_parser("hands", help="are hands better with the adapter?"))


def run_evaluate(args: argparse.Namespace) -> int:
    """Measure and tell; 0 if it could be done. Raises FinetuningError."""
    from core.finetuning.hands.command import run_evaluate_hands

    return run_evaluate_hands(args)


def run_finetune(args: argparse.Namespace) -> int:
    """Train and tell; 0 if there is an adapter or the run can be resumed. Raises FinetuningError."""
    deadline = _deadline(args.stop_after)
    from core.cli.progress import ProgressBars
    from core.finetuning.run import finetune
    from core.finetuning.trainer import Ending

    bars = ProgressBars()
    with _Interrupts() as interrupts:
        outcome = finetune(options_from(args), bars, lambda: interrupts.asked or time.monotonic() >= deadline)
    if outcome.adapter is not None:
        bars.say(f"adapter: {outcome.adapter}")
    if outcome.kohya is not None:
        bars.say(f"kohya format: {outcome.kohya}")
    bars.say(f"report: {outcome.report}")
    if outcome.ending is Ending.DIVERGED:
        bars.say("The guard stopped the run; try a tenth of the learning rate, or --learning-rate auto.")
        return EXIT_NOTHING_LEARNT if outcome.adapter is None else EXIT_WELL
    if outcome.ending is Ending.STOPPED:
        bars.say("The run is not finished: the same command with --resume goes on.")
    return EXIT_WELL


def options_from(args: argparse.Namespace) -> "FinetuneOptions":
    """The options in the arguments; asks torch which precision the machine can do. Raises InvalidRecipe."""
    from core.finetuning.run import FinetuneOptions

    find_rate = args.learning_rate == "auto"
    recipe = Recipe(
        steps=args.steps,
        rank=args.rank,
        alpha=float(args.rank) if args.alpha is None else args.alpha,
        targets=args.targets,
        learning_rate=Recipe.learning_rate if find_rate else _rate(args.learning_rate),
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
    base, revision = (args.base, args.base_revision) if args.base else default_base(cpu=args.cpu)
    return FinetuneOptions(
        images=args.images,
        out=args.out,
        base=base,
        recipe=recipe,
        base_revision=args.base_revision or revision,
        cache=args.cache,
        prompts=tuple(args.prompt),
        find_rate=find_rate,
        resume=args.resume,
        restart=args.restart,
        kohya=args.kohya,
        cpu=args.cpu,
    )


def default_base(*, cpu: bool) -> tuple[str, str | None]:
    """The model in the settings and its revision; auto is Playground v2.5, or on the CPU the miniature."""
    from core.models import ModelStore
    from core.settings import CoreSettings

    settings = CoreSettings()
    return ModelStore(settings).image_model(on_gpu=not cpu).source, settings.image_model_revision


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidRecipe("--learning-rate must be a number such as 1e-4, or auto.") from error


def _deadline(stop_after: str | None) -> float:
    if stop_after is None:
        return float("inf")
    try:
        return time.monotonic() + seconds_of(stop_after)
    except ValueError as error:
        raise InvalidRecipe(f"--stop-after: {error}.") from error


def best_precision(wanted: str, *, cpu: bool) -> Precision:
    """bf16 where the GPU has it, fp16 on older ones, fp32 on the CPU. Raises InvalidRecipe without GPU and `cpu`."""
    import torch

    if not (cpu or torch.cuda.is_available()):
        raise InvalidRecipe("There is no GPU that torch can use; --cpu works without, but only the miniature is quick.")
    if wanted in ("fp32", "bf16", "fp16"):
        return wanted  # type: ignore[return-value]
    if cpu:
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


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
