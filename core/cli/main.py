"""Parses the command line and turns every error a person can meet into one sentence and an exit code."""

import argparse
import faulthandler
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from core import __version__
from core.cli.arguments import add_evaluate_arguments, add_finetune_arguments
from core.errors import ImagineSoundError

FAULT = 1
BAD_INPUT = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = build_parser().parse_args(arguments)
    set_up_logging()
    try:
        run: Callable[[argparse.Namespace], int] = import_module(options.module).__dict__[options.function]
        return run(options)
    except ImagineSoundError as error:
        print(f"imagine-sound: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except Exception as error:
        logging.getLogger(__name__).debug("a fault of the program", exc_info=True)
        print(f"imagine-sound: a fault of the program ({type(error).__name__}: {error}); LOG_LEVEL=DEBUG shows where.",
              file=sys.stderr)  # fmt: skip
        return ExitCode.FAULT
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` is no error
        return ExitCode.DONE


def build_parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    parser = argparse.ArgumentParser(prog="imagine-sound", description="Hears a recording and paints what it heard.")
    parser.add_argument("--version", action="version", version=f"imagine-sound {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    hear = _command(commands, "hear", "say what is in recordings", "core.cli.hear")
    hear.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recordings: any sound or video file")
    hear.add_argument("--json", action="store_true", help="print one JSON object a file and line")
    hear.add_argument("--style", type=str, help="the style of the prompt (see .env.example)")

    imagine = _command(commands, "imagine", "paint what is in a recording", "core.cli.imagine")
    imagine.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a recording: any sound or video file")
    imagine.add_argument("--out", type=Path, metavar="PICTURE", help="where the picture goes (default: beside you)")
    imagine.add_argument("--force", action="store_true", help="let --out replace a file that is there")
    imagine.add_argument("--recipe", type=Path, metavar="PNG", help="paint this picture again instead of a recording")
    imagine.add_argument("--seed", type=int, metavar="N", help="the same seed paints the same picture")
    imagine.add_argument("--steps", type=int, metavar="N", help="more steps: finer and slower")
    imagine.add_argument("--guidance", type=float, metavar="X", help="how closely the prompt is followed")
    imagine.add_argument("--size", type=_size, metavar="WxH", help="width and height in pixels")
    imagine.add_argument("--style", type=str, help="photograph, oil-painting, watercolour, comic, ... or none")
    imagine.add_argument("--adapter", type=str, metavar="NAME", help="a LoRA adapter from ADAPTERS_DIR")
    imagine.add_argument("--prompt", type=str, metavar="TEXT", help="paint this instead of what was heard")
    imagine.add_argument("--json", action="store_true", help="print each event as one line of JSON")

    demo = _command(commands, "demo", "hear and paint three sample sounds, or yours", "core.cli.demo")
    demo.add_argument("--sound", type=Path, metavar="FILE", help="a recording instead of the samples")
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where the page goes (demo/)")

    models = _command(commands, "models", "list the models, or fetch them", "core.cli.models")
    models.add_argument("action", nargs="?", choices=["list", "pull"], default="list", help="list (default) or pull")

    _command(commands, "doctor", "check this machine and the settings", "core.cli.doctor")
    _add_finetuning(commands)
    return parser


def set_up_logging() -> None:
    """The log goes to the error output at the environment's LOG_LEVEL; on the command line WARNING unless set.

    MediaPipe's native code writes to file descriptor 2 whatever one tells it, in the middle of progress bars; so
    unless LOG_LEVEL is DEBUG, Python's error output gets a descriptor of its own and 2 leads nowhere.
    """
    level = os.environ.get("LOG_LEVEL", "").upper()
    if level not in logging.getLevelNamesMapping():
        level = "WARNING"  # a wrong one is complained of when the settings are read
    if level != "DEBUG" and sys.stderr is sys.__stderr__:
        own = os.dup(2)
        sys.stderr = os.fdopen(own, "w", buffering=1, errors="backslashreplace")
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        faulthandler.enable(sys.stderr)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    logging.basicConfig(
        level=level, format="%(message)s" if level == "WARNING" else "%(levelname)s %(name)s: %(message)s"
    )


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str, module: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".")
    command.set_defaults(module=module, function="run")
    return command


def _add_finetuning(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    finetune = _command(commands, "finetune", "teach the image model something new (LoRA)", "core.cli.finetune")
    add_finetune_arguments(finetune)
    evaluate = _command(commands, "evaluate", "measure whether an adapter helped", "core.cli.evaluate")
    add_evaluate_arguments(evaluate)


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = text.lower().split("x")
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 1024x768") from None
