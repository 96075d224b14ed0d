"""`imagine-sound finetune`: train an adapter, and say where it is and how the run ended."""

import argparse
import time
from dataclasses import fields, replace
from pathlib import Path

from core.cli.bases import base_of
from core.cli.common import load_settings
from core.cli.progress import ProgressBars
from core.cli.stopping import Interrupts, deadline_after
from core.errors import CannotResume, ExitCode, InvalidHyperparameters
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.device import best_precision, device_for, free_gib
from core.finetuning.options import WORK, FinetuneOptions
from core.finetuning.planning import plan
from core.finetuning.run import finetune
from core.finetuning.training.settings import RunSettings, read_settings
from core.finetuning.training.trainer import Ending

SETTINGS_OF_MEMORY = ("batch_size", "accumulation", "gradient_checkpointing", "optimizer", "base_weights")


def run(args: argparse.Namespace) -> int:
    """Train and tell; 0 if there is an adapter or the run can be resumed. Raises FinetuningError and WrongSetting."""
    deadline = deadline_after(args.stop_after)
    bars = ProgressBars()
    options = options_from(args)
    if args.plan:
        print("\n".join(plan(options, bars)))
        return ExitCode.DONE
    with Interrupts() as interrupts:
        result = finetune(options, bars, lambda: interrupts.asked or time.monotonic() >= deadline)
    if result.adapter is not None:
        bars.say(f"adapter: {result.adapter}")
        bars.say(f"try it: imagine-sound imagine dog.m4a --adapter {options.out.name}")
    if result.kohya is not None:
        bars.say(f"kohya format: {result.kohya}")
    if result.strip is not None:
        bars.say(f"before and after: {result.strip}")
    bars.say(f"report: {result.report}")
    if result.ending in (Ending.DIVERGED, Ending.OVER_TRAINED):
        kept = "an adapter that it had judged before" if result.adapter is not None else "no adapter"
        advice = (
            "a tenth of the learning rate, or --learning-rate auto"
            if result.ending is Ending.DIVERGED
            else "more images"
        )
        bars.say(f"The guard ended the run and kept {kept}; try {advice}.")
        return ExitCode.ENDED_BY_GUARD
    if result.ending is Ending.STOPPED:
        bars.say(f"The run is not finished: imagine-sound finetune --resume {options.out} goes on.")
    return ExitCode.DONE


def options_from(args: argparse.Namespace) -> FinetuneOptions:
    """The options in the arguments, and of a resumed run those that it was begun with.

    Asks torch what the machine can do. Raises FinetuningError.
    """
    images, is_resumed = args.images or args.folder, bool(args.resume)
    out = _out(args, images)
    before = read_settings(out / WORK) if is_resumed else None
    if images is None and before is None:
        raise CannotResume(f"There is no run to resume in {out}.")
    if images is None and before is not None and not before.images:
        raise CannotResume(f"{out} holds a distillation: imagine-sound distil --out {out} --resume goes on with it.")
    settings = load_settings()
    base, revision = base_of(args, before, settings)
    return FinetuneOptions(
        images=images or Path(before.images if before else ""),
        out=out,
        base=base,
        hyperparameters=_hyperparameters(args, before),
        base_revision=revision,
        caption=args.caption or (before.caption if before else None),
        cache=args.cache or (Path(before.cache) if before and before.cache else None),
        prompts=tuple(args.prompt) or (before.prompts if before else ()),
        card=card_for(args, is_resumed=is_resumed),
        objective=args.objective or (before.objective if before else None),
        choose_steps=args.steps is None and before is None,
        find_rate=args.learning_rate == "auto",
        resume=is_resumed,
        restart=args.restart,
        kohya=args.kohya or bool(before and before.kohya),
        tensorboard=args.tensorboard,
        cpu=args.cpu,
        hub_token=settings.hub_token,
    )


def _out(args: argparse.Namespace, images: Path | None) -> Path:
    """Where the run is, by --out, --resume or the images' folder. Raises InvalidHyperparameters."""
    out: Path | None = args.out
    if out is None and isinstance(args.resume, str):
        out = Path(args.resume)
    if out is not None:
        return out
    if images is None:
        raise InvalidHyperparameters("Give a folder with images: imagine-sound finetune photos/")
    return Path("adapters") / images.resolve().name


def _hyperparameters(args: argparse.Namespace, before: RunSettings | None) -> Hyperparameters:
    """What is given, on top of what the resumed run had or of the defaults."""
    given = {
        field.name: getattr(args, field.name)
        for field in fields(Hyperparameters)
        if getattr(args, field.name, None) is not None
    }
    given["precision"] = best_precision(args.precision or "auto", cpu=args.cpu)
    if "learning_rate" in given:
        given["learning_rate"] = (
            Hyperparameters.learning_rate if args.learning_rate == "auto" else _rate(args.learning_rate)
        )
    if before is None:
        return Hyperparameters(**{"alpha": float(given.get("rank", Hyperparameters.rank)), **given})
    steps = given.pop("steps", before.hyperparameters.steps)
    return replace(before.hyperparameters.continued_for(steps), **given)


def card_for(args: argparse.Namespace, *, is_resumed: bool) -> float | None:
    """GB to choose settings for; None where the person chose some, or a run has its own."""
    own = [f"--{name.replace('_', '-')}" for name in SETTINGS_OF_MEMORY if getattr(args, name) is not None]
    if args.vram is None:
        return None if args.cpu or own or is_resumed else free_gib(device_for(cpu=False))
    if args.cpu or own:
        raise InvalidHyperparameters(
            f"--vram does not go with {'--cpu' if args.cpu else own[0]}; leave one of them out."
        )
    return free_gib(device_for(cpu=False)) if args.vram == "auto" else float(args.vram)


def _rate(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InvalidHyperparameters("--learning-rate must be a number such as 1e-4, or auto.") from error
