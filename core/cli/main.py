"""Parses the command line and turns every error a person can meet into one sentence and an exit code."""

import argparse
import faulthandler
import logging
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from core.cli.arguments import build_parser
from core.errors import ExitCode, ImagineSoundError
from core.importing import silence_libraries
from core.log_lines import BARE, SHORT, one_line, set_up_log


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = build_parser().parse_args(arguments)
    silence_libraries()
    set_up_logging()
    try:
        run: Callable[[argparse.Namespace], int] = import_module(options.module).run
        code = run(options)
        sys.stdout.flush()  # here, where it is known what to do if nobody reads it
        return code
    except ImagineSoundError as error:
        print(f"imagine-sound: {one_line(str(error))}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` is no error
        return ExitCode.DONE
    except Exception as error:
        logging.getLogger(__name__).debug("a fault of the program", exc_info=True)
        fault = one_line(f"{type(error).__name__}: {error}")
        print(f"imagine-sound: a fault of the program ({fault}); LOG_LEVEL=DEBUG shows where.", file=sys.stderr)
        return ExitCode.FAULT
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED


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
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    set_up_log(level, BARE if level == "WARNING" else SHORT)
