"""`imagine-sound evaluate`: measure whether an adapter helped, and say what was found."""

import argparse
import os
from pathlib import Path

from core.cli.bases import base_of
from core.cli.common import load_settings
from core.cli.progress import ProgressBars
from core.cli.training_arguments import HAND_MODEL_VARIABLE
from core.errors import EvaluationError, ExitCode
from core.finetuning.guidance_evaluation import ADAPTER, GuidanceEvaluationOptions, evaluate_guidance
from core.finetuning.hands.comparison import Comparison
from core.finetuning.hands.evaluation import HandEvaluationOptions, evaluate_hands
from core.finetuning.hands.landmarks import MODEL_HINT
from core.finetuning.hands.page import LIMITS, NAMES
from core.finetuning.hands.prompts import hand_prompts, other_prompts, read_prompts
from core.finetuning.model.device import best_precision, device_for
from core.models import ModelStore


def run(args: argparse.Namespace) -> int:
    """Evaluate and tell; 0 if it could be done, whatever was found. Raises FinetuningError and WrongSetting."""
    return {"hands": _hands, "guidance": _guidance}[args.subject](args)


def _guidance(args: argparse.Namespace) -> int:
    bars = ProgressBars()
    found = evaluate_guidance(guidance_options_from(args), bars)
    for one in found.found:
        bars.say(one.verdict)
        ours = one.ways[ADAPTER]
        bars.say(
            f"A picture takes {ours.share:.2f} of two evaluations' time; its latents' error is {ours.latent_error:.4f}."
        )
    bars.say(
        "At guidance 1 its pictures are the base's to the bit."
        if found.is_base_at_one
        else "At guidance 1 its pictures are not the base's: something is wrong with this machine or its libraries."
    )
    bars.say(f"report: {found.page}")
    return ExitCode.DONE


def _hands(args: argparse.Namespace) -> int:
    bars = ProgressBars()
    found = evaluate_hands(options_from(args), bars)
    for comparison in found.on_hands:
        bars.say(_line(comparison))
    bars.say(f"Not seen by this: {LIMITS[0]}")
    bars.say(f"report: {found.page}")
    return ExitCode.DONE


def guidance_options_from(args: argparse.Namespace) -> GuidanceEvaluationOptions:
    """The options in the arguments, with the painter that they or the settings name. Raises ModelMissing."""
    settings = load_settings()
    named = {"image_model": args.base} if args.base else {}
    named |= {"image_model_revision": args.base_revision} if args.base_revision else {}
    adapter: Path = args.adapter
    return GuidanceEvaluationOptions(
        model=ModelStore(settings.model_copy(update=named)).image_model(on_gpu=not args.cpu),
        adapter=adapter,
        out=args.out or adapter / "evaluation",
        steps=tuple(args.steps),
        guidance=args.guidance,
        prompts=args.prompts,
        seeds=args.seeds,
        beside=args.beside,
        device="cpu" if args.cpu else settings.device,
        offline=not settings.download_models,
        hub_token=settings.hub_token,
    )


def options_from(args: argparse.Namespace) -> HandEvaluationOptions:
    """The options in the arguments, with the hand model of the environment. Raises EvaluationError without one."""
    model = args.hand_model or os.environ.get(HAND_MODEL_VARIABLE)
    if not model:
        raise EvaluationError(f"The hand evaluation needs MediaPipe's hand model. {MODEL_HINT}")
    own = read_prompts(args.prompt_file) if args.prompt_file else None
    precision = best_precision("auto", cpu=args.cpu)
    settings = load_settings()
    base, revision = base_of(args, None, settings)
    adapter: Path = args.adapter
    return HandEvaluationOptions(
        base=base,
        adapter=adapter,
        out=args.out or (adapter if adapter.is_dir() else adapter.parent / adapter.stem) / "evaluation",
        hand_model=Path(model),
        hand_prompts=tuple(
            hand_prompts(args.prompts) if own is None else [prompt for prompt in own if prompt.hands > 0]
        ),
        other_prompts=tuple(
            other_prompts(args.other_prompts) if own is None else [prompt for prompt in own if prompt.hands == 0]
        ),
        seeds=args.seeds,
        steps=args.steps,
        guidance=args.guidance,
        side=args.side,
        batch_size=args.batch_size,
        real=args.real,
        base_revision=revision,
        precision=precision,
        device=device_for(cpu=args.cpu).type,
        hub_token=settings.hub_token,
    )


def _line(comparison: Comparison) -> str:
    interval = "" if comparison.interval is None else " [{:+.3f}, {:+.3f}]".format(*comparison.interval)
    return (
        f"{NAMES[comparison.name]}: {comparison.base:.3f} → {comparison.adapter:.3f} "
        f"({comparison.difference:+.3f}{interval}, p {comparison.adjusted:.2g}, {comparison.pairs} pairs)"
        f"{': clear' if comparison.is_clear else ''}"
    )
