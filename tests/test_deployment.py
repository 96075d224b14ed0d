"""What is documented for running the bot keeps it within the walls of docs/security.md."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
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
    image = (ROOT / "Dockerfile").read_text().rpartition("FROM base")[2]
    environment = dict(re.findall(r"(?<!\$)\b(\w+)=(/\S+)", image))
    del environment["PATH"]
    assert {"DATA_DIR", "MODEL_CACHE", "HF_HOME", "MPLCONFIGDIR"} <= set(environment)
    assert all(re.match(r"/data\b|/tmp/", path) for path in environment.values())


@pytest.mark.parametrize("profile", ["cpu", "cuda"])
def test_compose_lets_the_bot_do_no_more_than_docker_run_does(profile: str) -> None:
    service = COMPOSE["services"][profile]
    assert service["profiles"] == [profile]
    assert service["build"]["args"] == {"TORCH": profile}
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] == 2048
    assert int(service["mem_limit"].removesuffix("g")) <= 16
    assert (service["restart"], service["stop_grace_period"]) == ("unless-stopped", "60s")
    assert ("deploy" in service) == (profile == "cuda")


@pytest.mark.parametrize("profile", ["cpu", "cuda"])
def test_what_compose_keeps_is_in_one_volume_and_only_this_computer_reaches_the_page(profile: str) -> None:
    service = COMPOSE["services"][profile]
    assert service["volumes"] == ["data:/data"]
    assert list(COMPOSE["volumes"]) == ["data"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert service["environment"] == {"WEB_BIND": "0.0.0.0:8080"}
    assert service["env_file"] == [{"path": ".env", "required": False}]


def test_the_image_is_made_of_what_is_not_left_out() -> None:
    let_in = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {name for line in copied for name in line.split()} == let_in
    assert all((ROOT / name).exists() for name in let_in)


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
