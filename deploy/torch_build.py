"""Which build of PyTorch pip takes, and how much there is to download, said before it happens; for the Makefile.

    pip install --dry-run --report - ... torch==2.13.0 | python deploy/torch_build.py take torch==2.13.0 INDEX
    python deploy/torch_build.py tell cuda
    python deploy/torch_build.py forget

`take` installs the build that was found if it is the one for the processor; CUDA's is left to the next step, which
takes it with all else. Sizes are those of 2026-11 on Linux.
"""

import json
import subprocess
import sys
from importlib.metadata import distributions

GIGABYTES = {"cpu": 0.44, "cuda": 3.0}
NAMES = {"cpu": "for the processor", "cuda": "with CUDA"}
TAKES = "Installing imagine-sound and PyTorch {name}: about {gb:.2g} GB are downloaded, which takes a few minutes."
NOT_FOUND = (
    "No PyTorch for the processor was found at {index} and there is no GPU here: about {gb:.2g} GB are downloaded, "
    "most of it CUDA's libraries, which nothing uses. TORCH_CPU_INDEX=... names another index; Ctrl+C stops it."
)


def take(pinned: str, index: str) -> int:
    """Install what pip's report on the standard input found; returns pip's exit status."""
    found = _found(sys.stdin.read())
    if found is None:  # it is here, or there is no network, which the next step says better
        return 0
    if _has_cuda(found):
        print(NOT_FOUND.format(index=index, gb=GIGABYTES["cuda"]), flush=True)
        return 0
    tell("cpu")
    where = found["download_info"]["url"]  # nothing is looked up again, which could take minutes
    return _pip("install", "--no-deps", "--no-index", "--find-links", where, pinned)


def tell(build: str) -> int:
    """Say what is downloaded."""
    print(TAKES.format(name=NAMES[build], gb=GIGABYTES[build]), flush=True)
    return 0


def forget() -> int:
    """Remove PyTorch and CUDA's libraries, so that another build is installed; returns pip's exit status."""
    names = {found.metadata["Name"] for found in distributions()}
    old = sorted(name for name in names if name in ("torch", "triton") or name.startswith(("nvidia-", "cuda-")))
    return _pip("uninstall", "--yes", *old) if old else 0


def _found(report: str) -> dict[str, dict[str, str]] | None:
    try:
        [found] = json.loads(report)["install"]
    except (ValueError, KeyError):
        return None
    return found


def _has_cuda(found: dict[str, dict[str, str]]) -> bool:
    return any(need.startswith(("nvidia-", "cuda-")) for need in found["metadata"].get("requires_dist", ""))


def _pip(*arguments: str) -> int:
    quiet = ("--disable-pip-version-check", "--quiet")
    return subprocess.run([sys.executable, "-m", "pip", *quiet, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit({"take": take, "tell": tell, "forget": forget}[sys.argv[1]](*sys.argv[2:]))
