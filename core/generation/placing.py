"""A pipeline's parts put where the plan wants them, and what the plan has to know of the device and the parts.

What is planned, and why, is the business of `residence.py`.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

import torch
from diffusers import DiffusionPipeline, ModelMixin

from core.generation.protocol import GpuMemory
from core.generation.residence import ENCODING_SHARE, Card, Home, Residence, Storage, Wanted, Weights, everything, plan

MOST_ON_A_PROCESSOR = 2
"""One picture keeps a processor busy, so more at once would only make everybody wait for everybody
(`python -m benchmarks.gpu --miniature`)."""
TEXT_ENCODERS = ("text_encoder", "text_encoder_2")


class TextEncoders:
    """`encoders` at home on `home`, which work on `device` where there is room for them; for one thread at a time."""

    def __init__(self, encoders: Sequence[torch.nn.Module], home: torch.device, device: torch.device) -> None:
        self._encoders, self._home, self._device = encoders, home, device
        self._needed = (1 + ENCODING_SHARE) * sum(map(_bytes, encoders))
        self._using = threading.Lock()

    @classmethod
    def of(cls, pipeline: DiffusionPipeline, device: torch.device) -> Self:
        """Those of `pipeline`, at home where they are."""
        return cls(_text_encoders(pipeline), pipeline.text_encoder.device, device)

    def park(self) -> bool:
        """Keep them in main memory between prompts. False if they are there."""
        if self._home.type == "cpu":
            return False
        self._home = torch.device("cpu")
        self._move_to(self._home)
        return True

    def stay_at_home(self) -> bool:
        """Whether they are parked and there is no room for them on the GPU now: encoding is slow then, and needs none
        of the GPU."""
        return self._home != self._device and free_bytes(self._device) < self._needed

    @contextmanager
    def at_work(self) -> Iterator[torch.device]:
        """Where they are within: parked ones on the GPU if there is room, else where they are."""
        with self._using:
            if self._home == self._device or self.stay_at_home():
                yield self._home
                return
            try:
                self._move_to(self._device)
                yield self._device
            finally:
                self._move_to(self._home)

    @contextmanager
    def at_home(self) -> Iterator[torch.device]:
        """Where they are within: where they are, even if there is room on the GPU by now, since the next step may take
        that meanwhile."""
        with self._using:
            yield self._home

    def _move_to(self, device: torch.device) -> None:
        for encoder in self._encoders:
            encoder.to(device)


def arranged(pipeline: DiffusionPipeline, device: torch.device, wanted: Wanted) -> Residence:
    """The plan for `pipeline`, which is not on `device` yet. Raises ModelUnusable where it does not fit."""
    if device.type != "cuda":
        return everything(min(wanted.batch, MOST_ON_A_PROCESSOR))
    return plan(card_of(device), weights_of(pipeline), wanted)


def place(pipeline: DiffusionPipeline, device: torch.device, residence: Residence) -> None:
    """Put the parts of `pipeline` where `residence` wants them. Raises what the device raises."""
    if residence.unet is Storage.FP8:
        store_in_fp8(network_of(pipeline))
    for name, part in pipeline.components.items():
        if isinstance(part, torch.nn.Module) and not (residence.text_encoders is Home.PARKED and name in TEXT_ENCODERS):
            part.to(device)


def store_in_fp8(network: ModelMixin) -> None:
    """Keep the weights of `network` in one byte each; a layer that computes has its own in their former type.

    An adapter that is loaded afterwards would be made in the type of the weights beside it, rounded to one byte, in
    which nothing can be computed; peft asks a layer that has a `compute_dtype` for that instead.
    """
    compute_dtype = network.dtype
    network.enable_layerwise_casting(torch.float8_e4m3fn, compute_dtype=compute_dtype)
    for layer in network.modules():
        weight = getattr(layer, "weight", None)
        if weight is not None and weight.dtype == torch.float8_e4m3fn:
            layer.compute_dtype = compute_dtype


def network_of(pipeline: DiffusionPipeline) -> ModelMixin:
    """What takes the steps: a UNet or a transformer."""
    return getattr(pipeline, "unet", None) or pipeline.transformer


def weights_of(pipeline: DiffusionPipeline) -> Weights:
    """Counted as they are, but for the autoencoder's, which the plan wants in two-byte floats."""
    encoders = sum(map(_bytes, _text_encoders(pipeline)))
    parameters = sum(weight.numel() for weight in pipeline.vae.parameters())
    return Weights(_bytes(network_of(pipeline)), encoders, 2 * parameters)


def card_of(device: torch.device) -> Card:
    """The GPU's memory now."""
    _, total = torch.cuda.mem_get_info(device)
    return Card(free_bytes(device), total, torch.cuda.is_bf16_supported(including_emulation=False))


def free_bytes(device: torch.device) -> int:
    """What can be had on a GPU: free, or kept by PyTorch for later; no more than what this process is allowed, where
    that is limited (`torch.cuda.set_per_process_memory_fraction`)."""
    free, total = torch.cuda.mem_get_info(device)
    allocated = torch.cuda.memory_allocated(device)
    allowed = int(torch.cuda.get_per_process_memory_fraction(device) * total)
    return min(free + torch.cuda.memory_reserved(device), allowed) - allocated


def memory_of(device: torch.device) -> GpuMemory | None:
    """All that is used of a GPU's memory now, by other programs, too; None for a processor."""
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    return GpuMemory(total - free, total)


def _text_encoders(pipeline: DiffusionPipeline) -> list[torch.nn.Module]:
    return [getattr(pipeline, name) for name in TEXT_ENCODERS if hasattr(pipeline, name)]


def _bytes(part: torch.nn.Module) -> int:
    return sum(weight.numel() * weight.element_size() for weight in part.parameters())
