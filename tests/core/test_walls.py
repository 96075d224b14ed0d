"""The walls of the house: who may import what, how large the rooms are, and how quickly the command line answers.

Who may import what is written down in pyproject.toml and kept by `make walls`.
"""

import ast
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [path for room in ("core", "bot") for path in sorted((ROOT / room).rglob("*.py"))]
WRONG_IMPORTS = {
    "a view that acts": ("bot/views/layouts.py", "from bot.jobs import runner", "bot.views.layouts"),
    "a core that knows Discord": ("core/hearing/audio.py", "import discord", "core.hearing.audio"),
    "a bot that paints": ("bot/jobs/job_run.py", "import torch", "bot.jobs.job_run"),
    "a stage that knows the settings": ("core/hearing/audio.py", "import core.settings", "core.hearing.audio"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, to be spoilt."""
    for room in ("core", "bot"):
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("miniatures", "__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", WRONG_IMPORTS)
def test_a_wrong_import_is_found_with_its_file_and_line(kind: str, tree: Path) -> None:
    file, line, module = WRONG_IMPORTS[kind]
    wrong = tree / file
    wrong.write_text(f"{wrong.read_text()}\n\n{line}\n")
    number = len(wrong.read_text().splitlines())

    found = lint_imports(tree)

    assert found.returncode == 1
    assert f"{module} -> " in found.stdout
    assert f"(l.{number})" in found.stdout.replace("(l. ", "(l.")


def test_a_circle_is_found(tree: Path) -> None:
    intake = tree / "bot" / "requests" / "intake.py"
    intake.write_text(f"{intake.read_text()}\n\nimport bot.requests.listener\n")
    assert ".intake -> .listener" in lint_imports(tree).stdout


def test_an_unplaced_file_is_an_error(tree: Path) -> None:
    (tree / "core" / "attic.py").write_text('"""Things."""\n')
    assert "attic" in lint_imports(tree).stdout


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """What `make walls` runs, on the packages in `tree`."""
    return subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"],
        capture_output=True,
        text=True,
        cwd=tree,
        check=False,
        timeout=120,
    )


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


def test_files_are_short() -> None:
    lengths = sorted((len(path.read_text().splitlines()), str(path.relative_to(ROOT))) for path in SOURCES)
    assert lengths[-1][0] <= 400, lengths[-3:]
    assert lengths[int(len(lengths) * 0.9)][0] <= 250, [name for length, name in lengths if length > 250]


def test_functions_are_short_and_take_few_parameters() -> None:
    long = [f"{name}: {lines} lines" for name, lines, _ in _functions() if lines > 60]
    many = [f"{name}: {parameters} parameters" for name, _, parameters in _functions() if parameters > 7]
    assert long + many == []


def _functions() -> Iterator[tuple[str, int, int]]:
    """Each function's name, lines and parameters (without self and cls); frozen dataclasses hold the rest."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                parameters = [argument.arg for argument in named if argument.arg not in ("self", "cls")]
                yield (
                    f"{path.relative_to(ROOT)}:{node.name}",
                    (node.end_lineno or node.lineno) - node.lineno + 1,
                    len(parameters),
                )
