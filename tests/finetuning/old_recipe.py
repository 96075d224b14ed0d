"""The original disaster: SDXL's training recipe, as common guides give it, applied to Playground v2.5.

DDPM's linear betas, integer timesteps, the noise as target, latents only scaled: wrong for an EDM network in each.
"""

from dataclasses import dataclass

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from core.finetuning.objective import Network, NormalisedLatents


@dataclass(frozen=True)
class OldRecipe:
    """Claims to take normalised latents, and does everything else as SDXL would."""

    name: str = "SDXL's recipe on an EDM network"
    validation_levels: tuple[float, ...] = ()

    def latents(self, encoded: Tensor) -> NormalisedLatents:
        return NormalisedLatents(encoded.float() * 0.5)

    def painted(self, values: Tensor) -> NormalisedLatents:
        return NormalisedLatents(values)

    def draw_levels(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(0, 1000, (count,), generator=generator).float()

    def loss(self, network: Network, latents: NormalisedLatents, levels: Tensor, noise: Tensor) -> Tensor:
        timesteps = levels.long()
        noisy = DDPMScheduler().add_noise(latents.values, noise, timesteps)
        error = network(noisy, timesteps) - noise
        return torch.mean(error.square(), dim=(1, 2, 3))
