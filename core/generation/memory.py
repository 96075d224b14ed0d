"""The device's memory running out, as an error that a person is told and the batcher can act on."""

import gc
import logging
from collections.abc import Callable
from typing import TypeVar

import torch

from core.errors import OutOfMemory

log = logging.getLogger(__name__)

Result = TypeVar("Result")


def within_memory(work: Callable[[], Result]) -> Result:
    """What `work` returns; the device's out-of-memory becomes OutOfMemory, raised once the failed tensors are free."""
    try:
        return work()
    except torch.OutOfMemoryError as error:
        log.debug("out of memory: %s", error)
    free_memory()  # outside the except block: the traceback, which holds the tensors, is gone by now
    raise OutOfMemory("This picture does not fit into the GPU's memory; please ask for a smaller one.")


def free_memory() -> None:
    """Give the device back what nothing refers to any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
