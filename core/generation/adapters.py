"""LoRA adapters: files in a directory become choices, and one at a time is in use.

A model that is to be compiled takes them through one hot-swapped slot, so that what is compiled stays valid; another
one holds each under its own name. Knows nothing of requests.
"""

import logging
import warnings
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline

from core.errors import InvalidOptions
from core.generation.adapter_header import (
    AdapterHeader,
    BadAdapter,
    check_layers,
    choices,
    find_adapter,
    read_header,
    refused,
)

log = logging.getLogger(__name__)

SLOT = "slot"


class Adapters:
    """The adapters of one pipeline; call from the painting thread only.

    `before_text_changes` is called before the first adapter is loaded that changes the text encoders.
    """

    def __init__(
        self,
        pipeline: StableDiffusionXLPipeline,
        directory: Path,
        *,
        hot_swap: bool,
        before_text_changes: Callable[[], None] = lambda: None,
    ) -> None:
        self._pipeline = pipeline
        self._before_text_changes = before_text_changes
        self._text_is_bare = True
        self._directory = directory
        self._hot_swap = hot_swap
        self._loaded: set[str] = set()
        self._current: str | None = None
        self._in_slot: str | None = None
        self._layers = _sizes(pipeline.unet)
        self._changes = 0
        rank = max((header.rank for header in self._good()), default=0)
        if hot_swap and rank:
            pipeline.enable_lora_hotswap(target_rank=rank)

    def names(self) -> tuple[str, ...]:
        """The choices, by what lies in the directory now."""
        return tuple(choices(self._directory))

    def path_of(self, name: str) -> Path:
        """The file of the adapter `name`. Raises InvalidOptions if there is none that may be chosen."""
        return find_adapter(self._directory, name)

    @property
    def layers(self) -> Hashable:
        """Which layers of adapters the network has now, and whether they are in use: what is compiled for one of these
        is not for another."""
        return self._changes, self._current is not None

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

    def leave_text_alone(self, name: str | None) -> bool:
        """Whether with the adapter `name` the text encoders are what they are without, whichever is in use."""
        return self._text_is_bare and (name is None or name in self._loaded)

    def _good(self) -> Iterator[AdapterHeader]:
        """What can be loaded; the log names what cannot, so that whoever runs the program knows before anybody asks."""
        for name, path in choices(self._directory).items():
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
        path = find_adapter(self._directory, name)
        try:
            header = self._checked(path)
        except BadAdapter as error:
            raise refused(name, error) from error
        if header.adapts_text:
            self._before_text_changes()
            self._text_is_bare = False
        slot = SLOT if self._hot_swap else name
        swapped = self._hot_swap and bool(self._loaded)
        if not swapped:
            self._changes += 1
        try:
            with warnings.catch_warnings():
                # several adapters under their own names are meant
                warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
                self._pipeline.load_lora_weights(
                    path.parent,
                    weight_name=path.name,
                    adapter_name=slot,
                    hotswap=swapped,
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
