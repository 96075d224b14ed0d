"""The walls of the house: who may import what, and how quickly the command line answers."""

import ast
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = {
    # a library, and the only places that may import it
    "discord": ("bot/",),
    "torch": ("core/generation/", "core/finetuning/"),
    "diffusers": ("core/generation/", "core/finetuning/"),
    "transformers": ("core/generation/", "core/finetuning/"),
    "peft": ("core/generation/", "core/finetuning/"),
    "mediapipe": ("core/hearing/classifier.py", "core/finetuning/"),
    "pydub": ("core/hearing/audio.py",),
    "bot": ("bot/",),
}


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("library", ROOMS)
def test_a_library_stays_in_its_room(library: str) -> None:
    sources = [path for room in ("core", "bot") for path in (ROOT / room).rglob("*.py")]
    outside = [
        str(path.relative_to(ROOT))
        for path in sources
        if library in _imports(path) and not str(path.relative_to(ROOT)).startswith(ROOMS[library])
    ]
    assert outside == []


@pytest.mark.parametrize("module", ["core.engine", "core.cli.main", "core.settings", "bot.client"])
def test_importing_loads_no_model_library(module: str) -> None:
    code = f"import sys, {module}; print([m for m in ('torch', 'diffusers', 'mediapipe', 'pydub') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_help_answers_at_once() -> None:
    """Half a second on an idle machine; the best of five runs, in processor time, for a busy one."""
    best = min(_processor_seconds([sys.executable, "-m", "core", "--help"]) for _ in range(5))
    assert best < 0.5


def _processor_seconds(command: list[str]) -> float:
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(command, capture_output=True, cwd=ROOT, check=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return min(used, time.monotonic() - started)


def test_no_file_is_longer_than_six_hundred_lines() -> None:
    long = [path for room in ("core", "bot", "tests") for path in (ROOT / room).rglob("*.py") if _lines(path) > 600]
    assert long == []


def _lines(path: Path) -> int:
    return len(path.read_text().splitlines())
