"""The commands' arguments. Imports no model library, so that `--help` answers at once."""

import argparse
from pathlib import Path

from core import __version__
from core.finetuning.hyperparameters import Hyperparameters

MODELS = ("yamnet", "playground", "taesdxl", "speech", "upscaler")
"""What can be fetched."""
ALL = "all"

HAND_MODEL_VARIABLE = "HAND_LANDMARKER_MODEL"


def build_parser() -> argparse.ArgumentParser:
    """All commands with their arguments; the chosen one's module is `module` of what is parsed."""
    parser = argparse.ArgumentParser(prog="imagine-sound", description="Hears a recording and paints what it heard.")
    parser.add_argument("--version", action="version", version=f"imagine-sound {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_hear(_command(commands, "hear", "say what is in recordings", "core.cli.hear"))
    _add_imagine(_command(commands, "imagine", "paint what is in a recording", "core.cli.imagine"))
    _add_convert(_command(commands, "convert", "write a recording's sound as a WAV", "core.cli.convert"))
    _add_demo(_command(commands, "demo", "hear and paint three sample sounds, or yours", "core.cli.demo"))
    models = _command(commands, "models", "list the models, or fetch them", "core.cli.models")
    models.add_argument("action", nargs="?", choices=["list", "pull"], default="list", help="list (default) or pull")
    models.add_argument(
        "names",
        nargs="*",
        type=_model_name,
        metavar="NAME",
        help=f"pull: only these of {', '.join(MODELS)}, or {ALL}; without a name what the settings use on this machine",
    )
    _command(commands, "doctor", "check this machine and the settings", "core.cli.doctor")
    add_finetune_arguments(
        _command(commands, "finetune", "teach the image model something new (LoRA)", "core.cli.finetune")
    )
    add_evaluate_arguments(_command(commands, "evaluate", "measure whether an adapter helped", "core.cli.evaluate"))
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str, module: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".")
    command.set_defaults(module=module)
    return command


def _model_name(text: str) -> str:
    if text not in (*MODELS, ALL):  # `choices` would refuse no name at all
        raise argparse.ArgumentTypeError(f"there is no {text}; there are {', '.join(MODELS)}, and {ALL}")
    return text


def _add_hear(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="recordings: any sound or video file")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file and line")
    parser.add_argument("--style", type=str, help="the style of the prompt (see .env.example)")
    parser.add_argument("--said", type=str, metavar="TEXT", help="take these words for what is said in them")
    parser.add_argument("--figure", type=Path, metavar="PNG", help="draw a chart of one recording: spectrogram, labels")
    parser.add_argument("--force", action="store_true", help="let --figure replace a file that is there")


def _add_imagine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a recording: any sound or video file")
    parser.add_argument("--out", type=Path, metavar="PICTURE", help="where the picture goes (default: beside you)")
    parser.add_argument("--force", action="store_true", help="let --out replace a file that is there")
    parser.add_argument("--recipe", type=Path, metavar="PIC", help="paint this picture again instead of a recording")
    parser.add_argument("--larger", type=int, choices=[2, 4], help="enlarge the picture so many times (extra: upscale)")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed paints the same picture")
    parser.add_argument("--near", type=int, metavar="N", help="keep the composition of the picture with this seed")
    parser.add_argument("--steps", type=int, metavar="N", help="more steps: finer and slower")
    parser.add_argument("--guidance", type=float, metavar="X", help="how closely the prompt is followed")
    parser.add_argument("--size", type=_size, metavar="WxH", help="width and height in pixels")
    parser.add_argument("--style", type=str, help="photograph, oil-painting, watercolour, comic, ... or none")
    parser.add_argument("--adapter", type=str, metavar="NAME", help="a LoRA adapter from ADAPTERS_DIR")
    parser.add_argument("--prompt", type=str, metavar="TEXT", help="paint this instead of what was heard")
    parser.add_argument("--said", type=str, metavar="TEXT", help="take these words for what is said, also without FILE")
    parser.add_argument("--json", action="store_true", help="print each event as one line of JSON")


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="IN", help="a recording: any sound or video file")
    parser.add_argument("target", type=Path, metavar="OUT", help="the WAV to write: 16 kHz, mono, 16 bit")
    parser.add_argument("--force", action="store_true", help="let OUT replace a file that is there")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sound", type=Path, metavar="FILE", help="a recording instead of the samples")
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where the page goes (demo/)")


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


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = text.lower().split("x")
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 1024x768") from None
