"""The commands' arguments. Imports no model library, so that `--help` answers at once."""

import argparse
import math
from pathlib import Path

from core import __version__
from core.catalogue import catalogue
from core.cli.training_arguments import add_distil_arguments, add_evaluate_arguments, add_finetune_arguments
from core.options import Shape

PAINTERS = tuple(known.short_name for known in catalogue().values() if known.can_be_pulled)
MODELS = ("yamnet", "playground", *PAINTERS, "taesdxl", "speech", "upscaler", "picture-check")
"""What can be fetched."""
ALL = "all"


def build_parser() -> argparse.ArgumentParser:
    """All commands with their arguments; the chosen one's module is `module` of what is parsed."""
    parser = argparse.ArgumentParser(prog="imagine-sound", description="Hears a recording and paints what it heard.")
    parser.add_argument("--version", action="version", version=f"imagine-sound {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_hear(_command(commands, "hear", "say what is in recordings", "core.cli.hear"))
    _add_imagine(_command(commands, "imagine", "paint what is in a recording", "core.cli.imagine"))
    _add_story(_command(commands, "story", "make a film of a recording, with its own sound", "core.cli.story"))
    _add_verify(_command(commands, "verify", "tell whether pictures were painted here", "core.cli.verify"))
    _add_convert(_command(commands, "convert", "write a recording's sound as a WAV", "core.cli.convert"))
    _add_demo(_command(commands, "demo", "hear and paint three sample sounds, or yours", "core.cli.demo"))
    _add_serve(_command(commands, "serve", "open a page on which sounds are recorded and painted", "core.cli.serve"))
    _add_paint_server(
        _command(commands, "paint-server", "paint for bots and pages on other machines", "core.cli.paint_server")
    )
    _add_cluster(_command(commands, "cluster", "paint on the GPUs of several machines (Ray)", "core.cli.cluster"))
    _command(commands, "health", "ask the page that runs here whether it is well", "core.cli.health")
    _add_models(_command(commands, "models", "list the models, fetch, verify or prune them", "core.cli.models"))
    doctor = _command(commands, "doctor", "check this machine and the settings", "core.cli.doctor")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    add_finetune_arguments(
        _command(commands, "finetune", "teach the image model something new (LoRA)", "core.cli.finetune")
    )
    add_distil_arguments(
        _command(commands, "distil", "make guidance cost one evaluation a step (LoRA)", "core.cli.distil")
    )
    add_evaluate_arguments(_command(commands, "evaluate", "measure whether an adapter helped", "core.cli.evaluate"))
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, does: str, module: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".")
    command.set_defaults(module=module)
    return command


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=["list", "pull", "verify", "prune"],
        default="list",
        help="list what is here (default); pull: fetch; verify: compare what was fetched with what its makers list; "
        "prune: tell what no setting uses any more",
    )
    parser.add_argument(
        "names",
        nargs="*",
        type=_model_name,
        metavar="NAME",
        help=f"pull: only these of {', '.join(MODELS)}, or {ALL}; without a name what the settings use on this machine",
    )
    parser.add_argument("--yes", action="store_true", help="prune: delete it")


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


def _add_story(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a recording: any sound or video file")
    parser.add_argument("--out", type=Path, metavar="FILM", help="where the film goes, an .mp4 (default: beside you)")
    parser.add_argument("--poster", type=Path, metavar="PICTURE", help="write the film's poster there, too")
    parser.add_argument("--force", action="store_true", help="let --out and --poster replace files that are there")
    parser.add_argument("--style", type=str, help="photograph, oil-painting, watercolour, comic, ... or none")
    parser.add_argument("--seed", type=int, metavar="N", help="that of all its pictures")
    parser.add_argument("--steps", type=int, metavar="N", help="more steps: finer and slower")
    sides = parser.add_mutually_exclusive_group()
    sides.add_argument("--size", type=_size, metavar="WxH", help="width and height of the pictures, in pixels")
    sides.add_argument("--shape", choices=list(Shape), help="square, tall or wide, at the painter's own size")
    parser.add_argument("--adapter", type=str, metavar="NAME", help="a LoRA adapter from ADAPTERS_DIR")
    parser.add_argument("--captions", action="store_true", help="write what each scene is into the picture")
    parser.add_argument("--max-mb", type=_megabytes, metavar="N", help="how large the film may be, in MB")
    parser.add_argument("--json", action="store_true", help="print each event as one line of JSON")


def _megabytes(text: str) -> float:
    try:
        megabytes = float(text)
    except ValueError:
        megabytes = math.nan
    if not 0 < megabytes < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return megabytes


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a picture: PNG, JPEG, WebP")
    parser.add_argument(
        "--passes", type=_passes, default=1, metavar="N", help="evaluations of the network; 16 find more (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print a line of JSON for each")


def _passes(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 150:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 150")
    return int(text)


def _add_convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path, metavar="IN", help="a recording: any sound or video file")
    parser.add_argument("target", type=Path, metavar="OUT", help="the WAV to write: 16 kHz, mono, 16 bit")
    parser.add_argument("--force", action="store_true", help="let OUT replace a file that is there")


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sound", type=Path, metavar="FILE", help="a recording instead of the samples")
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="DIR", help="where the page goes (demo/)")


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", metavar="ADDRESS", help="where it listens (default: WEB_BIND's, or 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="N", help="on which port (default: WEB_BIND's, or 8080)")
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def _add_paint_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where it listens (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, metavar="N", default=8090, help="on which port (default: 8090)")
    parser.add_argument("--with-parent", action="store_true", help="end when the standard input does")


def _add_cluster(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    start = what.add_parser("start", help="begin one on this machine")
    start.add_argument("--host", metavar="ADDRESS", default="127.0.0.1", help="where it answers (default: 127.0.0.1)")
    start.add_argument("--processors", action="store_true", help="paint on processors, not on GPUs")
    join = what.add_parser("join", help="paint in one that another machine began")
    join.add_argument("address", metavar="HOST:PORT", help="that machine's address, port 6379")
    what.add_parser("status", help="say which machines are there, and how many paint")
    what.add_parser("stop", help="leave, or end it on the machine that began it")


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = text.lower().split("x")
        return int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 1024x768") from None
