"""The arguments of the commands that train adapters and measure them. Imports no model library."""

import argparse
from pathlib import Path

from core.finetuning.hyperparameters import CARDS, DISTILLATION, Hyperparameters

HAND_MODEL_VARIABLE = "HAND_LANDMARKER_MODEL"


def add_finetune_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound finetune`."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="images, with or without captions")
    parser.add_argument("--images", type=Path, default=None, metavar="FOLDER", help="the same by name")
    parser.add_argument("--out", type=Path, default=None, help="where the adapter goes (adapters/ and FOLDER's name)")
    parser.add_argument("--plan", action="store_true", help="say what would be done, and train nothing")
    _add_base(parser)
    _add_training(parser, Hyperparameters())
    _add_data_and_guard(parser, Hyperparameters())
    parser.add_argument(
        "--caption", default=None, metavar="TEXT", help="of all images that have no caption of their own"
    )
    parser.add_argument("--prompt", action="append", default=[], help="a prompt for the samples; up to four times")
    parser.add_argument("--cache", type=Path, default=None, help="where encoded images are kept (OUT/training/cache)")
    parser.add_argument("--stop-after", default=None, metavar="TIME", help="stop in time to resume later: 11h, 90m")
    parser.add_argument(
        "--resume",
        nargs="?",
        const=True,
        default=None,
        metavar="OUT",
        help="go on where the run in OUT stopped, with its settings; --steps may ask for more",
    )
    parser.add_argument("--restart", action="store_true", help="delete the run in OUT and begin anew")
    parser.add_argument("--kohya", action="store_true", help="write the adapter in kohya's format as well")
    parser.add_argument("--tensorboard", action="store_true", help="write events for TensorBoard as well")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU even where there is a GPU")


def add_distil_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound distil`."""
    default = DISTILLATION
    parser.add_argument(
        "--out", type=Path, default=Path("adapters/guidance"), help="where the adapter goes (%(default)s)"
    )
    _add_base(parser)
    parser.add_argument(
        "--states", type=int, default=None, help="what is learnt from, eight a picture (8000; 0.4 MB each at 1024 px)"
    )
    parser.add_argument("--steps", type=int, default=None, help=f"optimiser steps ({default.steps})")
    parser.add_argument("--rank", type=int, default=None, help=f"rank of the adapter ({default.rank})")
    parser.add_argument("--learning-rate", type=float, default=None, help=f"({default.learning_rate})")
    parser.add_argument("--batch-size", type=int, default=None, help=f"states at once ({default.batch_size})")
    parser.add_argument("--accumulation", type=int, default=None, help=f"batches per step ({default.accumulation})")
    _add_memory(parser, default)
    parser.add_argument("--check-every", type=int, default=None, help="steps between the guard's looks (by time)")
    parser.add_argument("--seed", type=int, default=None, help=f"({default.seed})")
    parser.add_argument("--stop-after", default=None, metavar="TIME", help="stop in time to resume later: 11h, 90m")
    parser.add_argument("--resume", action="store_true", help="go on where the run in OUT stopped, with its settings")
    parser.add_argument("--restart", action="store_true", help="delete the run in OUT and begin anew")
    parser.add_argument("--cpu", action="store_true", help="train on the CPU even where there is a GPU")


def _add_base(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--base", default=None, help="base model: a diffusers directory or hub name (default: IMAGE_MODEL)"
    )
    parser.add_argument("--base-revision", default=None, help="hub revision of the base model")
    parser.add_argument(
        "--objective",
        choices=["edm", "discrete"],
        default=None,
        help="what the base was trained for, where its scheduler_config.json is wrong; the weights must agree",
    )


def add_evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound evaluate`: what to measure, and that one's own."""
    subjects = parser.add_subparsers(dest="subject", required=True, metavar="SUBJECT")
    add_evaluate_hands_arguments(subjects.add_parser("hands", help="are hands better with the adapter?"))
    add_evaluate_guidance_arguments(
        subjects.add_parser("guidance", help="how close does an adapter come to guidance in two evaluations?")
    )


def add_evaluate_guidance_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `imagine-sound evaluate guidance`."""
    parser.add_argument(
        "--adapter", type=Path, default=Path("adapters/guidance"), help="the adapter's folder (%(default)s)"
    )
    parser.add_argument("--base", default=None, help="base model: a diffusers directory or hub name (IMAGE_MODEL)")
    parser.add_argument("--base-revision", default=None, help="hub revision of the base model")
    parser.add_argument("--out", type=Path, default=None, help="where the page goes (ADAPTER/evaluation)")
    parser.add_argument("--with", dest="beside", metavar="NAME", help="together with another adapter of that folder")
    parser.add_argument("--steps", type=int, nargs="+", default=[], help="sampling steps (the model's own, and half)")
    parser.add_argument("--guidance", type=float, default=3.0, help="guidance scale (%(default)s)")
    parser.add_argument("--prompts", type=int, default=64, help="how many held-out prompts (%(default)s)")
    parser.add_argument("--seeds", type=int, default=4, help="pictures per prompt (%(default)s)")
    parser.add_argument("--cpu", action="store_true", help="paint on the CPU even where there is a GPU")


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
    """The adapter, and the steps that train it. What is not given is None here, so that a resumed run keeps its own."""
    parser.add_argument("--steps", type=int, default=None, help="optimiser steps (by the number of images)")
    parser.add_argument("--rank", type=int, default=None, help=f"rank of the adapter ({default.rank})")
    parser.add_argument("--alpha", type=float, default=None, help="LoRA alpha (the rank)")
    parser.add_argument(
        "--targets",
        choices=["captions", "attention", "attention+ff"],
        default=None,
        help=f"adapted layers ({default.targets})",
    )
    parser.add_argument(
        "--learning-rate", default=None, help=f"a number, or auto: find one first ({default.learning_rate})"
    )
    parser.add_argument("--warmup-steps", type=int, default=None, help=f"({default.warmup_steps})")
    parser.add_argument("--batch-size", type=int, default=None, help=f"images at once ({default.batch_size})")
    parser.add_argument("--accumulation", type=int, default=None, help=f"batches per step ({default.accumulation})")
    parser.add_argument("--resolution", type=int, default=None, help="side of a square picture (the model's own)")
    _add_memory(parser, default)
    parser.add_argument("--ema-decay", type=float, default=None, help=f"({default.ema_decay})")
    parser.add_argument(
        "--caption-dropout",
        type=float,
        default=None,
        help=f"share of captions left out ({default.caption_dropout})",
    )
    parser.add_argument("--sigma-mean", type=float, default=None, help=f"mean of ln sigma ({default.sigma_mean})")
    parser.add_argument("--sigma-std", type=float, default=None, help=f"spread of ln sigma ({default.sigma_std})")


def _add_memory(parser: argparse.ArgumentParser, default: Hyperparameters) -> None:
    """What fits a card."""
    parser.add_argument(
        "--precision", choices=["auto", "fp32", "bf16", "fp16"], default=None, help="of the base's weights (auto)"
    )
    parser.add_argument(
        "--gradient-checkpointing", action="store_const", const=True, default=None, help="less memory, slower by half"
    )
    parser.add_argument(
        "--base-weights", choices=["whole", "int8", "nf4"], default=None, help="how the base is kept (whole)"
    )
    parser.add_argument(
        "--vram",
        choices=["auto", *map(str, CARDS)],
        default=None,
        help="GB of the card that the settings of memory are chosen for (auto: what is free)",
    )
    parser.add_argument("--optimizer", choices=["adamw", "adamw8bit"], default=None, help=f"({default.optimizer})")


def _add_data_and_guard(parser: argparse.ArgumentParser, default: Hyperparameters) -> None:
    """Which pictures are learnt from and kept for validation, and how the guard watches."""
    parser.add_argument("--limit", type=int, default=None, help="use at most so many images, each kind in proportion")
    parser.add_argument(
        "--prior-share",
        type=float,
        default=None,
        help=f"share of the base's own pictures in training, against forgetting ({default.prior_share})",
    )
    parser.add_argument("--held-out", type=float, default=None, help="share for validation (four images or 0.05)")
    parser.add_argument("--check-every", type=int, default=None, help="steps between the guard's looks (by time)")
    parser.add_argument(
        "--sample-steps", type=int, default=None, help=f"of the guard's pictures ({default.sample_steps})"
    )
    parser.add_argument("--seed", type=int, default=None, help=f"({default.seed})")
