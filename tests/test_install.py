"""`make` takes the PyTorch that the machine can use, and says what it downloads.

The real Makefile and pip, with two package indexes on this computer in the place of PyPI and PyTorch's own.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

ROOT = Path(__file__).parents[1]
CONSTRAINTS = (ROOT / "constraints.txt").read_text()
VERSION = re.findall(r"^torch==(.+)$", CONSTRAINTS, re.MULTILINE)[0]
ON_LINUX = sys.platform == "linux" and os.uname().machine == "x86_64"

pytestmark = pytest.mark.skipif(not ON_LINUX or shutil.which("make") is None, reason="it is about make on Linux")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None: ...


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """A package index on 127.0.0.1 with the projects in `directory`, a folder each."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(directory))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def put_wheel(index: Path, name: str, version: str, *needs: str) -> None:
    """A wheel of nothing in an index."""
    (index / name).mkdir(parents=True)
    info = f"{name}-{version}.dist-info"
    metadata = "\n".join(["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {need}" for need in needs)])  # fmt: skip  # noqa: E501
    with zipfile.ZipFile(index / name / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


@pytest.fixture(scope="module")
def pypi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("pypi")
    put_wheel(directory, "torch", VERSION, "nvidia-cublas==13.1")
    with serving(directory) as address:
        yield address


@pytest.fixture(scope="module")
def cpu_wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cpu")
    put_wheel(directory, "torch", f"{VERSION}+cpu")
    return directory


@pytest.fixture(scope="module")
def cpu_index(cpu_wheels: Path) -> Iterator[str]:
    with serving(cpu_wheels) as address:
        yield address


@pytest.fixture
def silent_index() -> Iterator[str]:
    """One that takes a connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", directory], check=True)
    return directory


def make(*arguments: str, venv: Path, pypi: str = "", more: Mapping[str, str] = {}) -> str:
    """What `make` prints."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
    done = subprocess.run(
        ["make", f"VENV={venv}", *arguments],
        capture_output=True, text=True, cwd=ROOT, check=False, timeout=120,
        env=own | {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": pypi, "PIP_NO_CACHE_DIR": "1", **more},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def installed(venv: Path) -> str | None:
    """Which torch is in the environment."""
    found = subprocess.run(
        [venv / "bin" / "pip", "list", "--format=json", "--disable-pip-version-check"], capture_output=True, check=True
    )
    return next((one["version"] for one in json.loads(found.stdout) if one["name"] == "torch"), None)


@pytest.fixture
def empty(venv: Path) -> Path:
    """The environment without torch and stamps."""
    for stamp in venv.glob("torch-*"):
        stamp.unlink()
    subprocess.run([venv / "bin" / "pip", "uninstall", "--quiet", "--yes", "torch"], check=True)
    return venv


def test_without_a_gpu_the_build_for_the_processor_is_taken(empty: Path, pypi: str, cpu_index: str) -> None:
    said = make("torch", "GPU_DRIVERS=", f"TORCH_CPU_INDEX={cpu_index}", venv=empty, pypi=pypi)
    assert installed(empty) == f"{VERSION}+cpu"
    [line] = [line for line in said.splitlines() if "PyTorch" in line]
    assert line.endswith("and PyTorch for the processor: about 0.44 GB are downloaded, which takes a few minutes.")
    again = make("torch", "GPU_DRIVERS=", f"TORCH_CPU_INDEX={cpu_index}", venv=empty, pypi=pypi)
    assert "PyTorch" not in again


def test_a_build_that_pip_is_configured_to_find_is_taken_in_the_same_way(
    empty: Path, pypi: str, cpu_wheels: Path
) -> None:
    links = {"PIP_FIND_LINKS": str(cpu_wheels / "torch")}
    make("torch", "TORCH=cpu", "TORCH_CPU_INDEX=http://127.0.0.1:9", venv=empty, pypi=pypi, more=links)
    assert installed(empty) == f"{VERSION}+cpu"


def test_where_only_cudas_is_found_its_size_is_said_first_and_the_rest_goes_on(empty: Path, pypi: str) -> None:
    """`pypi` in both places: an index that is there and lacks the build."""
    said = make("torch", "GPU_DRIVERS=", f"TORCH_CPU_INDEX={pypi}", venv=empty, pypi=pypi)
    assert f"No PyTorch for the processor was found at {pypi} and there is no GPU here: about 3 GB" in said
    assert installed(empty) is None, "the next step takes it, with all else"


@pytest.mark.parametrize("how", ["refuses", "never answers"])
def test_an_index_out_of_reach_costs_seconds(how: str, empty: Path, pypi: str, silent_index: str) -> None:
    index = silent_index if how == "never answers" else "http://127.0.0.1:9"
    started = time.monotonic()
    make("torch", "GPU_DRIVERS=", f"TORCH_CPU_INDEX={pypi}", venv=empty, pypi=pypi)
    usual = time.monotonic() - started
    (empty / "torch-cpu").unlink()
    started = time.monotonic()
    said = make("torch", "GPU_DRIVERS=", f"TORCH_CPU_INDEX={index}", venv=empty, pypi=pypi)
    assert time.monotonic() - started - usual < 10
    assert "about 3 GB" in said


def test_with_a_gpu_cudas_is_left_to_come_with_all_else(empty: Path, tmp_path: Path) -> None:
    driver = tmp_path / "version"
    driver.touch()
    said = make("torch", f"GPU_DRIVERS=/nowhere {driver}", venv=empty)
    assert "PyTorch with CUDA: about 3 GB" in said
    assert (empty / "torch-cuda").exists()


def test_another_choice_installs_anew(empty: Path, pypi: str, cpu_index: str) -> None:
    from_index = f"TORCH_CPU_INDEX={cpu_index}"
    make("torch", "TORCH=cpu", from_index, venv=empty, pypi=pypi)
    make("torch", "TORCH=cuda", from_index, venv=empty, pypi=pypi)
    assert installed(empty) is None, "so that the next step takes PyPI's"
    assert [stamp.name for stamp in empty.glob("torch-*")] == ["torch-cuda"]
    make("torch", "TORCH=cpu", from_index, venv=empty, pypi=pypi)
    assert installed(empty) == f"{VERSION}+cpu"


def test_the_steps_come_in_this_order_and_pip_is_quiet(venv: Path) -> None:
    steps = [line for line in make("-n", "demo", "TORCH=cpu", venv=venv.with_name("new")).splitlines() if "pip" in line]
    look_up = f"pip install --no-deps --constraint constraints.txt --retries 0 --timeout 5 --extra-index-url https://download.pytorch.org/whl/cpu torch=={VERSION} "  # noqa: E501
    assert look_up in steps[0]
    assert [step.rsplit(" ", 1)[-1] for step in steps[1:] if " install " in step] == ["deploy/without-opencv", "."]
    assert all("--quiet" in step for step in steps)
    assert not [line for line in make("-n", "demo", "TORCH=cuda", venv=venv.with_name("new")).splitlines() if "--retries" in line]  # fmt: skip  # noqa: E501


@pytest.mark.parametrize(("extra", "torch", "from_index"), [
    ("speech", "cpu", False), ("speech", "cuda", False), ("upscale", "cpu", True), ("upscale", "cuda", False),
])  # fmt: skip
def test_an_extra_is_pinned_follows_the_checkout_and_fits_the_torch_that_is_there(
    venv: Path, extra: str, torch: str, from_index: bool
) -> None:
    step = make("-n", extra, f"TORCH={torch}", venv=venv.with_name("new")).splitlines()[-1]
    assert step.endswith(f"--editable '.[{extra}]'")
    assert "--constraint constraints.txt" in step
    assert ("--extra-index-url" in step) is from_index


def test_another_word_for_the_choice_is_an_error() -> None:
    done = subprocess.run(
        ["make", "-n", "demo", "TORCH=rocm"], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "TORCH has to be auto, cpu or cuda, not rocm" in done.stderr


def test_what_stands_in_for_opencv_is_the_version_that_is_pinned() -> None:
    project = tomllib.loads((ROOT / "deploy" / "without-opencv" / "pyproject.toml").read_text())["project"]
    assert f"{project['name']}=={project['version'].removesuffix('+none')}\n" in CONSTRAINTS
