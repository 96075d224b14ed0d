"""What an error says of the device: that its memory does not suffice, or that it works no more.

Libraries raise both as plain RuntimeErrors, often inside one another, so that they are told apart by their texts.
Imports no model library; knows nothing of what is done about it.
"""

from collections.abc import Iterator

from core.errors import OutOfMemory

SHORTAGES = (
    "out of memory",  # PyTorch's allocator, the CUDA runtime and driver, Triton, HIP
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate",  # no room for cuBLAS's own workspace
    "CUDNN_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED",
    "CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
    "CUSOLVER_STATUS_ALLOC_FAILED",
    "was unable to find an engine to execute this computation",  # each of cuDNN's plans wanted more than there was
    "DefaultCPUAllocator: ",  # "can't allocate memory", "not enough memory"
)

LOSSES = (
    "illegal memory access was encountered",
    "illegal instruction was encountered",
    # not "device-side assert": every CUDA error advises to compile with device-side assertions
    "device-side assert triggered",
    "misaligned address",
    "invalid program counter",
    "operation not supported on global/shared address space",
    "unspecified launch failure",
    "launch timed out and was terminated",
    "uncorrectable ECC error",
    "uncorrectable NVLink error",
    "hardware stack error",
    "CUDA error: unknown error",
    "no CUDA-capable device is detected",
    "CUDA-capable device(s) is/are busy or unavailable",
    "GPU is lost",
)
"""After these a process's CUDA context is unusable until the process ends (CUDA Runtime API, `cudaError_t`)."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error`, or one that it came from, says that memory was short; less work may succeed, or the same later.

    False for one that also says that the device is lost.
    """
    return not is_device_lost(error) and any(_is_shortage(each) for each in _chain(error))


def is_device_lost(error: BaseException) -> bool:
    """Whether `error`, or one that it came from, says that every later call on the device will fail, too."""
    return any(isinstance(each, RuntimeError) and _says(each, LOSSES) for each in _chain(error))


def _is_shortage(error: BaseException) -> bool:
    # by name: torch.OutOfMemoryError, whose text other allocators word in their own way
    if isinstance(error, OutOfMemory | MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and _says(error, SHORTAGES)


def _says(error: BaseException, texts: tuple[str, ...]) -> bool:
    said = str(error)
    return any(text in said for text in texts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error`, what it came from, and what a compiler's error holds, each once."""
    left: list[BaseException | None] = [error]
    seen: set[int] = set()
    while left:
        each = left.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        left += [each.__cause__, None if each.__suppress_context__ else each.__context__]
        left.append(getattr(each, "inner_exception", None))  # torch._dynamo.exc.BackendCompilerFailed
