"""`imagine-sound evaluate`: measure whether an adapter helped, and say what was found."""

import argparse
import os
from pathlib import Path

from core.cli.arguments import HAND_MODEL_VARIABLE
from core.cli.common import load_settings
from core.cli.progress import ProgressBars
from core.errors import EvaluationError, ExitCode
from core.finetuning.hands.comparison import Comparison
from core.finetuning.hands.evaluation import HandEvaluationOptions, evaluate_hands
from core.finetuning.hands.landmarks import MODEL_HINT
from core.finetuning.hands.page import LIMITS, NAMES
from core.finetuning.hands.prompts import hand_prompts, other_prompts, read_prompts
from core.finetuning.model.network import best_precision, default_base


def run(args: argparse.Namespace) -> int:
    """Evaluate and tell; 0 if it could be done, whatever was found. Raises FinetuningError and WrongSetting."""
    bars = ProgressBars()
    found = evaluate_hands(options_from(args), bars)
    for comparison in found.on_hands:
        bars.say(_line(comparison))
    bars.say(f"Not seen by this: {LIMITS[0]}")
    bars.say(f"report: {found.page}")
    return ExitCode.DONE


def options_from(args: argparse.Namespace) -> HandEvaluationOptions:
    """The options in the arguments, with the hand model of the environment. Raises EvaluationError without one."""
    model = args.hand_model or os.environ.get(HAND_MODEL_VARIABLE)
    if not model:
        raise EvaluationError(f"The hand evaluation needs MediaPipe's hand model. {MODEL_HINT}")
    own = read_prompts(args.prompt_file) if args.prompt_file else None
    precision = best_precision("auto", cpu=args.cpu)
    settings = load_settings()
    base, revision = (args.base, None) if args.base else default_base(settings, cpu=args.cpu)
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
        base_revision=args.base_revision or revision,
        precision=precision,
        device="cpu" if args.cpu else "cuda",
        hub_token=settings.hub_token,
    )


def _line(comparison: Comparison) -> str:
    interval = "" if comparison.interval is None else " [{:+.3f}, {:+.3f}]".format(*comparison.interval)
    return (
        f"{NAMES[comparison.name]}: {comparison.base:.3f} → {comparison.adapter:.3f} "
        f"({comparison.difference:+.3f}{interval}, {comparison.pairs} pairs)"
    )
