"""The plan for the memory compared with what steps and one decoding really take, before anybody waits for a picture.

It knows nothing of how a model works, and nothing of GPUs but how to read the peak of one's memory.
"""

import logging
from collections.abc import Callable
from contextlib import suppress

import torch

from core.errors import OutOfMemory
from core.generation.residence import Residence
from core.generation.step_model import State, StepModel
from core.generation.worker import PROBE

log = logging.getLogger(__name__)

MEASURED_STEPS = 5
"""With every third step a full one, the fifth is the first for which most is kept (`deepcache.py`)."""

PeakOf = Callable[[Callable[[], object]], int]
"""Does the work and returns how many bytes it took at most, beside what was there before."""


def corrected(model: StepModel[State], residence: Residence, peak_of: PeakOf) -> Residence:
    """`residence` with the needs that `model` really has at its own size, where they can be measured.

    What does not fit is tried with half as many, and in the end left to whoever paints.
    """
    size = model.info().size
    pixels = size[0] * size[1]
    batch = residence.step_limit(size)
    step_bytes = decoding_bytes = None
    while batch and step_bytes is None:
        with suppress(OutOfMemory):
            states = [model.prepare(PROBE)] * batch
            step_bytes = peak_of(lambda: _stepped(model, states)) / (batch * pixels)  # noqa: B023 - called at once
        batch //= 2
    if residence.decode_limit(size):  # in tiles there is nothing that would have to be known
        with suppress(OutOfMemory):
            state = model.prepare(PROBE)
            decoding_bytes = peak_of(lambda: model.decode([state], tiled=False)) / pixels
    made = residence.corrected(step_bytes, decoding_bytes)
    log.info(
        "memory for each pixel: %.0f bytes in a step (planned: %.0f), %.0f in decoding (planned: %.0f)",
        *(made.step_bytes, residence.step_bytes, made.decoding_bytes, residence.decoding_bytes),
    )
    return made


def _stepped(model: StepModel[State], states: list[State]) -> None:
    """As many steps as it takes until most is kept."""
    for _ in range(MEASURED_STEPS):
        if not model.is_finished(states[0]):
            states = model.step(states)


def peak_on_gpu(work: Callable[[], object]) -> int:
    """See PeakOf; on the current CUDA device."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    work()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before
