"""Who may know whom: the cage knows nothing of sounds, and the wrapper nothing but the standard library."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

DECODING = Path(__file__).parents[2] / "core" / "hearing" / "decoding"
WRAPPER = DECODING / "wrapper.py"


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_the_cage_knows_nothing_of_sounds() -> None:
    """Of the rest of the core it knows the errors and the sampling rate."""
    for path in DECODING.glob("*.py"):
        outside = {name for name in _imports(path) if name.startswith(("core", "bot")) and "decoding" not in name}
        assert outside <= {"core.errors", "core.hearing.sound"}


def test_the_wrapper_is_small_and_needs_no_library() -> None:
    assert len(WRAPPER.read_text().splitlines()) < 150
    assert set(_imports(WRAPPER)) <= set(sys.stdlib_module_names)
