"""What is documented for running the bot keeps it within the walls of docs/security.md."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICE = ROOT / "deploy" / "imagine-sound.service"


def docker_options(file: str) -> set[str]:
    """The options of the `docker run` in `file`."""
    text = re.sub(r"\\\n[# ]*", "", (ROOT / file).read_text())
    [run] = re.findall(r"docker run (--gpus .+) imagine-sound$", text, re.MULTILINE)
    return set(re.findall(r"--?\S+(?: [^-\s]\S*)?", run))


def test_the_documented_docker_run_lets_the_bot_do_no_more_than_it_needs() -> None:
    assert docker_options("README.md") == docker_options("Dockerfile")
    assert docker_options("README.md") >= {
        "--read-only",
        "--tmpfs /tmp",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--pids-limit 2048",
        "--memory 16g",
    }


def test_what_the_bot_writes_in_a_container_is_on_its_volume_or_in_tmp() -> None:
    environment = dict(re.findall(r"(\w+)=(/\S+)", (ROOT / "Dockerfile").read_text()))
    assert {"DATA_DIR", "MODEL_CACHE", "HF_HOME", "TRITON_CACHE_DIR", "MPLCONFIGDIR"} <= set(environment)
    assert all(re.match(r"/data\b|/tmp/", path) for path in environment.values())


def test_the_service_lets_the_bot_do_no_more_than_it_needs() -> None:
    lines = set(SERVICE.read_text().splitlines())
    assert lines >= {
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "AmbientCapabilities=",
        "NoNewPrivileges=yes",
        "TasksMax=2048",
        "MemoryMax=80%",
    }
    assert not lines & {"MemoryDenyWriteExecute=yes", "PrivateDevices=yes", "ProtectClock=yes"}, "they break painting"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_understands_the_service(tmp_path: Path) -> None:
    """But for the program's path, which is not on this machine."""
    copy = tmp_path / SERVICE.name
    copy.write_text(re.sub("^ExecStart=.*", "ExecStart=/bin/true", SERVICE.read_text(), flags=re.MULTILINE))

    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stderr) == (0, "")
