"""The command line of the hand evaluation. Building the arguments imports no model library; running does."""

import argparse
import os
from pathlib import Path

from core.errors import EvaluationError

MODEL_VARIABLE = "HAND_LANDMARKER_MODEL"


def add_evaluate_hands_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound evaluate hands`."""
    parser.add_argument("--adapter", type=Path, required=True, help="the adapter's folder or .safetensors file")
    parser.add_argument("--base", default=None, help="base model: a diffusers directory or hub name (IMAGE_MODEL)")
    parser.add_argument("--base-revision", default=None, help="hub revision of the base model")
    parser.add_argument("--out", type=Path, default=None, help="where pictures and pages go (ADAPTER/evaluation)")
    parser.add_argument(
        "--hand-model", type=Path, default=None, help=f"MediaPipe's hand_landmarker.task ({MODEL_VARIABLE})"
    )
    parser.add_argument("--real", type=Path, default=None, help="folder of photos of real hands, for anatomy")
    parser.add_argument("--prompts", type=int, default=200, help="how many prompts with hands (%(default)s)")
    parser.add_argument("--other-prompts", type=int, default=50, help="how many prompts without (%(default)s)")
    parser.add_argument(
        "--prompt-file", type=Path, default=None, help='own prompts: JSON lines {"text": …, "hands": …}'
    )
    parser.add_argument("--seeds", type=int, default=2, help="pictures per prompt (%(default)s)")
    parser.add_argument("--steps", type=int, default=25, help="sampling steps (%(default)s)")
    parser.add_argument("--guidance", type=float, default=3.0, help="guidance scale (%(default)s)")
    parser.add_argument("--side", type=int, default=None, help="picture side in pixels (the model's own)")
    parser.add_argument("--batch-size", type=int, default=4, help="pictures at once (%(default)s)")
    parser.add_argument("--cpu", action="store_true", help="paint on the CPU even where there is a GPU")


def run_evaluate_hands(args: argparse.Namespace) -> int:
    """Evaluate and tell; 0 if it could be done, whatever the outcome. Raises FinetuningError."""
    from core.cli.progress import ProgressBars
    from core.finetuning.command import best_precision, default_base
    from core.finetuning.hands.evaluate import HandEvaluationOptions, evaluate_hands
    from core.finetuning.hands.landmarks import MODEL_HINT
    from core.finetuning.hands.pages import LIMITS, NAMES
    from core.finetuning.hands.prompts import hand_prompts, other_prompts, read_prompts

    model = args.hand_model or os.environ.get(MODEL_VARIABLE)
    if not model:
        raise EvaluationError(f"The hand evaluation needs MediaPipe's hand model. {MODEL_HINT}")
    own = read_prompts(args.prompt_file) if args.prompt_file else None
    precision = best_precision("auto", cpu=args.cpu)
    base, revision = (args.base, args.base_revision) if args.base else default_base(cpu=args.cpu)
    adapter: Path = args.adapter
    bars = ProgressBars()
    found = evaluate_hands(
        HandEvaluationOptions(
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
        ),
        bars,
    )
    for comparison in found.on_hands:
        interval = "" if comparison.interval is None else " [{:+.3f}, {:+.3f}]".format(*comparison.interval)
        bars.say(
            f"{NAMES[comparison.name]}: {comparison.base:.3f} → {comparison.adapter:.3f} "
            f"({comparison.difference:+.3f}{interval}, {comparison.pairs} pairs)"
        )
    bars.say(f"Not seen by this: {LIMITS[0]}")
    bars.say(f"report: {found.page}")
    return 0
