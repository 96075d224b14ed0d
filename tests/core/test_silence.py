"""Libraries tell nobody that they are used: what this machine does is its owner's business."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("program", "arguments"), [("core.cli.main", ["models"]), ("bot.__main__", ["db", "check"])], ids=["core", "bot"]
)
def test_onnx_runtime_sends_nothing_to_its_makers(program: str, arguments: list[str], tmp_path: Path) -> None:
    """Where it does, it wants to keep a number for this machine in its home, and complains where it cannot."""
    pytest.importorskip("onnxruntime")
    own = {"DATA_DIR": str(tmp_path), "MODEL_CACHE": str(tmp_path), "HOME": "/proc", "LOG_LEVEL": "DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", f"from {program} import main; main({arguments}); import onnxruntime; print('there')"],
        env={name: value for name, value in os.environ.items() if "TELEMETRY" not in name} | own,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "there" in done.stdout
    assert "telemetry" not in done.stderr
