"""The arguments of the commands that take many. Imports no model library, so that `--help` answers at once."""

import argparse
from pathlib import Path

from core.finetuning.hyperparameters import Hyperparameters

HAND_MODEL_VARIABLE = "HAND_LANDMARKER_MODEL"


def add_finetune_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound finetune`."""
    parser.add_argument("--images", type=Path, required=True, help="folder of captioned images")
    parser.add_argument("--out", type=Path, required=True, help="where the adapter goes, for example adapters/hands")
    parser.add_argument(
        "--base", default=None, help="base model: a diffusers directory or hub name (default: IMAGE_MODEL)"
    )
    parser.add_argument("--base-revision", default=None, help="hub revision of the base model")
    _add_training(parser, Hyperparameters())
    _add_data_and_guard(parser, Hyperparameters())
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


def add_evaluate_hands_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound evaluate hands`."""
    parser.add_argument("--adapter", type=Path, required=True, help="the adapter's folder or .safetensors file")
    parser.add_argument("--base", default=None, help="base model: a diffusers directory or hub name (IMAGE_MODEL)")
    parser.add_argument("--base-revision", default=None, help="hub revision of the base model")
    parser.add_argument("--out", type=Path, default=None, help="where pictures and pages go (ADAPTER/evaluation)")
    parser.add_argument(
        "--hand-model", type=Path, default=None, help=f"MediaPipe's hand_landmarker.task ({HAND_MODEL_VARIABLE})"
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


def _add_training(parser: argparse.ArgumentParser, default: Hyperparameters) -> None:
    """The adapter, and the steps that train it."""
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


def _add_data_and_guard(parser: argparse.ArgumentParser, default: Hyperparameters) -> None:
    """Which pictures are learnt from and kept for validation, and how the guard watches."""
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
