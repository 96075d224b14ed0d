"""A shortage of memory and a lost device are known by what libraries really raise, and by nothing else."""

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from core.errors import InvalidOptions, OutOfMemory
from core.generation.memory_errors import is_device_lost, is_out_of_memory

ADVICE = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be "
    "incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\nCompile with `TORCH_USE_CUDA_DSA` to enable "
    "device-side assertions.\n"
)
"""What PyTorch appends to every error of the CUDA runtime."""


def compiler_error(inner: Exception) -> Exception:
    return BackendCompilerFailed("inductor", inner, None)


def raised_from(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def raised_while(error: Exception, context: Exception) -> Exception:
    error.__context__ = context
    return error


SHORT = {
    "allocator": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "allocator elsewhere": torch.OutOfMemoryError("Allocation on device"),
    "runtime": torch.AcceleratorError(f"CUDA error: out of memory{ADVICE}", 2),
    "driver": RuntimeError("CUDA driver error: out of memory"),
    "triton": RuntimeError("Triton Error [CUDA]: out of memory"),
    "cublas": RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "cublas without workspace": RuntimeError(
        "CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"
    ),
    "cudnn": RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    "cudnn 9": RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    "cudnn without a plan": RuntimeError("GET was unable to find an engine to execute this computation"),
    "processor": RuntimeError(
        "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    ),
    "python": MemoryError(),
    "ours": OutOfMemory(),
    "compiler": compiler_error(torch.OutOfMemoryError("Allocation on device")),
    "cause": raised_from(InvalidOptions("This adapter cannot be loaded."), RuntimeError("CUDA error: out of memory")),
    "context": raised_while(KeyError("layer"), RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")),
}

LOST = {
    "access": torch.AcceleratorError(f"CUDA error: an illegal memory access was encountered{ADVICE}", 700),
    "assert": torch.AcceleratorError(f"CUDA error: device-side assert triggered{ADVICE}", 710),
    "launch": RuntimeError(f"CUDA error: unspecified launch failure{ADVICE}"),
    "fell off the bus": RuntimeError("CUDA error: unknown error"),
    "compiler": compiler_error(RuntimeError("CUDA error: misaligned address")),
    "short of memory as well": raised_while(
        torch.OutOfMemoryError("Allocation on device"), RuntimeError("CUDA error: device-side assert triggered")
    ),
}

OTHER = {
    "another CUDA error": torch.AcceleratorError(f"CUDA error: invalid argument{ADVICE}", 1),
    "cudnn": RuntimeError("cuDNN error: CUDNN_STATUS_BAD_PARAM"),
    "compiler": compiler_error(RuntimeError("no C compiler")),
    "refusal": InvalidOptions("The words are 'out of memory' and 'device-side assert triggered'."),
    "settled": RuntimeError("boom"),
}


@pytest.mark.parametrize("kind", SHORT)
def test_shortage_of_memory(kind: str) -> None:
    assert is_out_of_memory(SHORT[kind])
    assert not is_device_lost(SHORT[kind])


@pytest.mark.parametrize("kind", LOST)
def test_lost_device(kind: str) -> None:
    assert is_device_lost(LOST[kind])
    assert not is_out_of_memory(LOST[kind]), "waiting for memory would be in vain"


@pytest.mark.parametrize("kind", OTHER)
def test_neither(kind: str) -> None:
    assert not is_device_lost(OTHER[kind])
    assert not is_out_of_memory(OTHER[kind])


def test_real_allocation_that_fails_on_a_processor() -> None:
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**58, dtype=torch.uint8)
    assert is_out_of_memory(raised.value)


def test_errors_that_refer_to_each_other_end() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__context__, second.__context__ = second, first
    assert not is_out_of_memory(first)
