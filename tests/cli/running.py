"""The real command line, in a process of its own or in this one."""

import io
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from core.cli.main import main

ROOT = Path(__file__).parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]
"""`run` or `run_here`."""


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "core", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | environment,
        timeout=180,
        check=False,
    )


def run_here(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command in this process, which has loaded the model libraries: for what is not about a process."""
    root = logging.getLogger()
    hooks = sys.excepthook, threading.excepthook
    before, level = list(root.handlers), root.level
    output, errors = io.StringIO(), io.StringIO()
    _reopen_handlers()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        for name, value in environment.items():
            patch.setenv(name, value)
        try:
            code = main([*map(str, arguments)])
        except SystemExit as ended:  # the parser's
            code = int(ended.code or 0)
        finally:
            root.handlers[:] = before
            root.setLevel(level)
            sys.excepthook, threading.excepthook = hooks
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), errors.getvalue())


def _reopen_handlers() -> None:
    """A library that was imported while a test's output was captured would complain where nobody can read any more."""
    for logger in logging.Logger.manager.loggerDict.values():
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler) and getattr(handler.stream, "closed", False):
                handler.setStream(sys.__stderr__)
