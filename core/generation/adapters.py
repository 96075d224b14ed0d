"""LoRA adapters: files in a directory become choices, and one at a time is in use.

A compiled model takes them through one hot-swapped slot, which does not recompile; an uncompiled one holds each under
its own name. Knows nothing of requests.
"""

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline

from core.errors import InvalidOptions
from core.generation.adapter_header import AdapterHeader, BadAdapter, check_layers, read_header
from core.models import find_adapters

log = logging.getLogger(__name__)

SLOT = "slot"


class Adapters:
    """The adapters of one pipeline; call from the painting thread only."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, directory: Path, *, hot_swap: bool) -> None:
        self._pipeline = pipeline
        self._directory = directory
        self._hot_swap = hot_swap
        self._loaded: set[str] = set()
        self._current: str | None = None
        self._in_slot: str | None = None
        self._layers = _sizes(pipeline.unet)
        rank = max((header.rank for header in self._good()), default=0)
        if hot_swap and rank:
            pipeline.enable_lora_hotswap(target_rank=rank)

    def names(self) -> tuple[str, ...]:
        """The choices, by what lies in the directory now."""
        return tuple(find_adapters(self._directory))

    def use(self, name: str | None) -> None:
        """Make `name` the adapter in use, None for the bare model. Raises InvalidOptions for a wrong one."""
        if name == self._current:
            return
        if name is None:
            self._pipeline.disable_lora()
        else:
            self._load(name)
            self._pipeline.enable_lora()
            if not self._hot_swap:
                self._pipeline.set_adapters(name)
        self._current = name

    def _good(self) -> Iterator[AdapterHeader]:
        """What can be loaded; the log names what cannot, so that whoever runs the program knows before anybody asks."""
        for name, path in find_adapters(self._directory).items():
            try:
                yield self._checked(path)
            except BadAdapter as error:
                log.warning("the adapter %s (%s) %s; whoever chooses it is told so", name, path, error)

    def _checked(self, path: Path) -> AdapterHeader:
        header = read_header(path)
        check_layers(header, self._layers)
        return header

    def _load(self, name: str) -> None:
        if name in self._loaded and (not self._hot_swap or name == self._in_slot):
            return
        path = find_adapters(self._directory).get(name)
        if path is None:
            choices = ", ".join(self.names()) or "none yet"
            raise InvalidOptions(f"There is no adapter called {name}; the adapters here are: {choices}.")
        try:
            self._checked(path)
        except BadAdapter as error:
            raise InvalidOptions(f"The adapter {name} cannot be loaded: it {error}; choose another.") from error
        slot = SLOT if self._hot_swap else name
        try:
            with warnings.catch_warnings():
                # several adapters under their own names are meant
                warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
                self._pipeline.load_lora_weights(
                    path.parent,
                    weight_name=path.name,
                    adapter_name=slot,
                    hotswap=self._hot_swap and bool(self._loaded),
                    use_safetensors=True,
                )
        except Exception as error:  # diffusers and peft raise whatever their parsing met
            log.warning("cannot load the adapter %s", path, exc_info=True)
            self._restore()
            raise InvalidOptions(
                f"The adapter {name} cannot be loaded into this model; it is damaged, was made for another one, or "
                "adapts other layers than the adapters loaded before it."
            ) from error
        self._loaded.add(name)
        self._in_slot = name

    def _restore(self) -> None:
        """After a failed load: what was in use is in use again, and nothing half-loaded stays."""
        known = {SLOT} if self._hot_swap and self._loaded else self._loaded
        present = self._pipeline.get_list_adapters().get("unet", [])
        strays = [name for name in present if name not in known]
        if strays:
            self._pipeline.delete_adapters(strays)
        if self._hot_swap:
            self._current = self._in_slot = None  # half of another one may be in the slot: load it anew
            if self._loaded:
                self._pipeline.disable_lora()
            return
        if self._current is not None:
            self._pipeline.set_adapters(self._current)
        elif self._loaded:
            self._pipeline.disable_lora()


def _sizes(unet: torch.nn.Module) -> dict[str, tuple[int, int]]:
    """How many inputs and outputs each layer has."""
    weights = ((name, getattr(layer, "weight", None)) for name, layer in unet.named_modules())
    return {
        name: (weight.shape[1], weight.shape[0]) for name, weight in weights if weight is not None and weight.ndim > 1
    }
