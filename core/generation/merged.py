"""An adapter added to the network's own weights, at any strength, and taken out again to the bit.

Weights that are merged cost nothing at a step, compiled or not; layers beside the miniature's own cost as much as half
of it. The bare weights are kept: on the network's device where there is room for them, else in main memory, from where
a change of strength takes a moment. Knows nothing of requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from core.errors import ModelUnusable
from core.generation.adapter_header import BadAdapter
from core.generation.guided import GuidanceAdapter
from core.generation.placing import free_bytes

SHARE_OF_FREE = 0.5
"""Of the device's free memory what is kept may take so much."""


@dataclass(frozen=True)
class _Layer:
    """A layer's weight in the network, the same without the adapter, and the adapter's two factors, fp32."""

    weight: Tensor
    bare: Tensor
    down: Tensor
    up: Tensor

    def change(self, strength: float) -> Tensor:
        """What the adapter adds: up · down, for convolutions over the output's channels."""
        down, up = (part.to(self.weight.device) for part in (self.down, self.up))
        added = up.flatten(1) @ down.flatten(1)
        return strength * added.view(self.weight.shape)


class MergedAdapter:
    """The adapter at `path` in `network`, which must not have other adapters yet; it begins at strength 0."""

    def __init__(self, network: torch.nn.Module, path: Path, scale: float) -> None:
        """`scale`: alpha over rank. Raises BadAdapter where a layer is none of the network's."""
        self._strength = 0.0
        factors = _factors(load_file(path))
        modules = dict(network.named_modules())
        weights: dict[str, Tensor] = {}
        for name in factors:
            weight = getattr(modules.get(name), "weight", None)
            if weight is None or not weight.is_floating_point() or weight.element_size() == 1:
                raise BadAdapter(f"cannot be added to the network's layer {name}")
            weights[name] = weight
        home = _home(list(weights.values()))
        self._layers = []
        for name, (down, up) in factors.items():
            weight = weights[name]
            if down.shape[0] != up.shape[1] or (up.shape[0], *down.shape[1:]) != tuple(weight.shape):
                raise BadAdapter(f"does not fit the network's layer {name}")
            bare = weight.detach().to(home or weight.device, copy=True)
            self._layers.append(_Layer(weight, bare, scale * down.float(), up.float()))

    @torch.no_grad()
    def use(self, strength: float) -> None:
        """Have the network with so much of the adapter from now on; at 0 it is what it was, to the bit."""
        if strength == self._strength:
            return
        for layer in self._layers:
            bare = layer.bare.to(layer.weight.device)
            merged = bare if strength == 0 else (bare.float() + layer.change(strength)).to(layer.weight.dtype)
            layer.weight.copy_(merged)  # in place, for whatever was compiled with it
        self._strength = strength


@dataclass(frozen=True)
class MergedGuidance:
    """The adapter that stands for guidance, and the network that it is added to."""

    adapter: GuidanceAdapter
    merged: MergedAdapter

    @classmethod
    def of(cls, network: torch.nn.Module, adapter: GuidanceAdapter) -> "MergedGuidance":
        """`network` must not have other adapters yet. Raises ModelUnusable where it does not fit."""
        try:
            return cls(adapter, MergedAdapter(network, adapter.path, adapter.scale))
        except BadAdapter as error:
            raise ModelUnusable(f"The adapter {adapter.path} {error}; take it away, or make it anew.") from error


def _factors(tensors: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """The two factors of each layer, by its name in the network."""
    sides: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        layer, _, part = name.removeprefix("unet.").removesuffix(".weight").rpartition(".lora")
        sides.setdefault(layer, {})[part.strip("._")] = tensor
    found = {}
    for layer, parts in sides.items():
        down, up = (parts.get(name, parts.get(old)) for name, old in (("A", "down"), ("B", "up")))
        if down is None or up is None:
            raise BadAdapter("is damaged")
        found[layer] = (down, up)
    return found


def _home(weights: list[Tensor]) -> torch.device | None:
    """Where the bare weights are kept: None for where they are."""
    device = weights[0].device
    needed = sum(weight.numel() * weight.element_size() for weight in weights)
    if device.type != "cuda" or needed <= SHARE_OF_FREE * free_bytes(device):
        return None
    return torch.device("cpu")
