"""Whether PyTorch can use the graphics card whose driver is here."""

import re
from pathlib import Path

import torch

from core.findings import Finding, Mark

VERSION = Path("/proc/driver/nvidia/version")
UNDER_WSL = Path("/usr/lib/wsl/lib/libcuda.so.1")


def driver() -> str | None:
    """NVIDIA's driver as its kernel module tells it; None where there is none."""
    try:
        found = re.search(r"\s(\d+(?:\.\d+)+)\s", VERSION.read_text())
    except OSError:
        return "of Windows" if UNDER_WSL.exists() else None
    return found[1] if found else "of an unknown version"


def driver_finding() -> Finding:
    """The driver here against the PyTorch here."""
    available = torch.cuda.is_available()
    return judge(driver(), torch.version.cuda, None if available else _why_not())


def judge(driver: str | None, cuda: str | None, why_not: str | None) -> Finding:
    """What these mean together: the driver, the CUDA that PyTorch is built with, and why it cannot use the card."""
    if why_not is None:
        return Finding(Mark.FINE, f"driver {driver or 'of an unknown version'}, PyTorch with CUDA {cuda}")
    if driver is None:
        return Finding(Mark.FINE, "no NVIDIA driver is here; the processor paints")
    if cuda is None:
        return Finding(
            Mark.BETTER,
            f"there is an NVIDIA driver ({driver}), but this PyTorch is built without CUDA, so that the processor "
            "paints; `make run TORCH=cuda` installs the other one.",
        )
    return Finding(
        Mark.WRONG,
        f"the NVIDIA driver ({driver}) does not serve PyTorch's CUDA {cuda} ({why_not}); update the driver, and start "
        "this computer anew.",
    )


def _why_not() -> str:
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return str(error).splitlines()[0]
    return "no card answers"
