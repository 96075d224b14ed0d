"""The GPU of this machine, whoever made it: NVIDIA's or AMD's ("cuda"), Intel's ("xpu") or Apple's ("mps").

Knows which precision it trains in, and its memory. It was never run on Intel's or Apple's.
"""

import torch

from core.errors import InvalidHyperparameters
from core.finetuning.hyperparameters import Precision
from core.finetuning.model.memory import GIB


def gpu() -> torch.device | None:
    """The one that torch can use, None if there is none."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.xpu.is_available():
        return torch.device("xpu")
    return torch.device("mps") if torch.backends.mps.is_available() else None


def device_for(*, cpu: bool) -> torch.device:
    """The GPU, or where `cpu` says that none is wanted the CPU. Raises InvalidHyperparameters if neither can be."""
    found = torch.device("cpu") if cpu else gpu()
    if found is None:
        raise InvalidHyperparameters(
            "There is no GPU that torch can use; --cpu works without, but only the miniature is quick."
        )
    return found


def best_precision(wanted: str, *, cpu: bool) -> Precision:
    """bf16 where the GPU has it, fp16 on older ones, fp32 on the CPU and on Macs before macOS 14.

    Raises InvalidHyperparameters without a GPU, unless `cpu` says that none is wanted.
    """
    kind = device_for(cpu=cpu).type
    if wanted in ("fp32", "bf16", "fp16"):
        return wanted  # type: ignore[return-value]
    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if kind == "xpu":
        return "bf16" if torch.xpu.is_bf16_supported() else "fp16"
    return "bf16" if kind == "mps" and torch.backends.mps.is_macos_or_newer(14, 0) else "fp32"


def free_gib(device: torch.device) -> float:
    """What is free of the GPU's memory; on a Mac, of what it recommends to take of the memory that all share."""
    if device.type == "mps":
        return (torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()) / GIB
    free, _ = torch.xpu.mem_get_info() if device.type == "xpu" else torch.cuda.mem_get_info()
    return free / GIB


def whole_gib(device: torch.device) -> float:
    """The GPU's whole memory; on a Mac what it recommends to take."""
    if device.type == "mps":
        return torch.mps.recommended_max_memory() / GIB
    _, whole = torch.xpu.mem_get_info() if device.type == "xpu" else torch.cuda.mem_get_info()
    return whole / GIB


def empty_cache() -> None:
    """Give the GPU back what nothing refers to any more."""
    if gpu() is not None:
        torch.accelerator.empty_cache()
