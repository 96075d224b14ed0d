"""`imagine-sound distil`: have an adapter stand for guidance, and say where it is and how close it came."""

import argparse
import time
from dataclasses import fields, replace
from pathlib import Path

from core.cli.bases import base_of
from core.cli.common import load_settings
from core.cli.finetune import card_for
from core.cli.progress import ProgressBars
from core.cli.stopping import Interrupts, deadline_after
from core.errors import CannotResume, ExitCode, InvalidHyperparameters
from core.finetuning.distil import distil
from core.finetuning.hyperparameters import DISTILLATION, Hyperparameters
from core.finetuning.model.device import best_precision
from core.finetuning.options import WORK, DistilOptions
from core.finetuning.training.settings import RunSettings, read_settings
from core.finetuning.training.states import KEPT
from core.finetuning.training.trainer import Ending


def run(args: argparse.Namespace) -> int:
    """Distil and tell; 0 if there is an adapter or the run can be resumed. Raises FinetuningError and WrongSetting."""
    deadline = deadline_after(args.stop_after)
    bars = ProgressBars()
    options = options_from(args)
    with Interrupts() as interrupts:
        result = distil(options, bars, lambda: interrupts.asked or time.monotonic() >= deadline)
    if result.adapter is not None:
        bars.say(f"adapter: {result.adapter}")
        if result.error is not None:
            bars.say(f"its error on held-out states is {result.error:.2f} of what is left without guidance")
        if result.most_guidance > 1:
            bars.say(f"it stands for guidance up to {result.most_guidance:g}; SPEED=balanced uses it")
            bars.say(f"imagine-sound evaluate guidance --adapter {options.out} tells how close its pictures come")
        else:
            bars.say("it has not learnt enough to stand for guidance, and is not used: give it more --steps")
    if result.ending in (Ending.DIVERGED, Ending.OVER_TRAINED):
        kept = "an adapter that it had judged before" if result.adapter is not None else "no adapter"
        bars.say(f"The guard ended the run and kept {kept}; try a lower --learning-rate, or more --states.")
        return ExitCode.ENDED_BY_GUARD
    if result.ending is Ending.STOPPED:
        bars.say(f"The run is not finished: imagine-sound distil --out {options.out} --resume goes on.")
    return ExitCode.DONE


def options_from(args: argparse.Namespace) -> DistilOptions:
    """The options in the arguments, and of a resumed run those that it was begun with. Raises FinetuningError."""
    out: Path = args.out
    before = read_settings(out / WORK) if args.resume else None
    if args.resume and (before is None or before.images):
        raise CannotResume(f"There is no distillation to resume in {out}.")
    settings = load_settings()
    base, revision = base_of(args, before, settings)
    return DistilOptions(
        out=out,
        base=base,
        hyperparameters=_hyperparameters(args, before),
        base_revision=revision,
        objective=args.objective or (before.objective if before else None),
        card=card_for(args, is_resumed=args.resume),
        resume=args.resume,
        restart=args.restart,
        cpu=args.cpu,
        hub_token=settings.hub_token,
    )


def _hyperparameters(args: argparse.Namespace, before: RunSettings | None) -> Hyperparameters:
    """What is given, on top of what the resumed run had or of a distillation's own."""
    names = [field.name for field in fields(Hyperparameters)]
    given = {name: getattr(args, name) for name in names if getattr(args, name, None) is not None}
    given["precision"] = best_precision(args.precision or "auto", cpu=args.cpu)
    if args.states is not None:
        if args.states < KEPT:
            raise InvalidHyperparameters(f"--states must be at least {KEPT}, of which each picture gives so many.")
        given["limit"] = args.states // KEPT
    if "rank" in given:
        given["alpha"] = float(given["rank"])
    if before is None:
        return replace(DISTILLATION, **given)
    steps = given.pop("steps", before.hyperparameters.steps)
    return replace(before.hyperparameters.continued_for(steps), **given)
