"""LoRA adapters: files in a directory become choices, and one at a time is in use.

A compiled model takes them through one hot-swapped slot, which does not recompile; an uncompiled one holds each under
its own name. Knows nothing of requests.
"""

import logging
import warnings
from pathlib import Path

from diffusers import StableDiffusionXLPipeline
from safetensors import SafetensorError, safe_open

from core.errors import InvalidOptions
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
        if hot_swap:
            paths = find_adapters(directory).values()
            rank = max((_rank(path) for path in paths), default=0)
            if rank:
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

    def _load(self, name: str) -> None:
        if name in self._loaded and (not self._hot_swap or name == self._in_slot):
            return
        path = find_adapters(self._directory).get(name)
        if path is None:
            choices = ", ".join(self.names()) or "none yet"
            raise InvalidOptions(f"There is no adapter called {name}; the adapters here are: {choices}.")
        slot = SLOT if self._hot_swap else name
        try:
            with warnings.catch_warnings():
                # several adapters under their own names are meant
                warnings.filterwarnings("ignore", "Already found a `peft_config` attribute", UserWarning)
                self._pipeline.load_lora_weights(
                    path.parent, weight_name=path.name, adapter_name=slot, hotswap=self._hot_swap and bool(self._loaded)
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


def _rank(path: Path) -> int:
    """The largest rank in a LoRA file, 0 if it cannot be read (it is complained of when somebody chooses it)."""
    try:
        with safe_open(path, framework="pt") as file:
            names: list[str] = list(file.keys())
            downs = [key for key in names if "lora_A" in key or "lora_down" in key or ".down." in key]
            return max((file.get_slice(key).get_shape()[0] for key in downs), default=0)
    except (OSError, SafetensorError):
        return 0
