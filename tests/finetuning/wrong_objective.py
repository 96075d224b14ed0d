"""The original disaster: SDXL's way of training, as common guides give it, applied to Playground v2.5.

DDPM's linear betas, integer timesteps, the noise as target, latents only scaled: wrong for an EDM network in each.
"""

from dataclasses import dataclass

import torch
from diffusers import DDPMScheduler
from torch import Tensor

from core.finetuning.model.latents import Network, RawLatents

SCALING_FACTOR = 0.5


@dataclass(frozen=True)
class WrongObjective:
    """Does everything as SDXL would."""

    name: str = "SDXL's objective on an EDM network"
    validation_levels: tuple[float, ...] = ()

    def raw_from_samples(self, samples: Tensor) -> RawLatents:
        return RawLatents(samples / SCALING_FACTOR)

    def draw_levels(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.randint(0, 1000, (count,), generator=generator).float()

    def loss(self, network: Network, encoded: RawLatents, levels: Tensor, noise: Tensor) -> Tensor:
        timesteps = levels.long()
        noisy = DDPMScheduler().add_noise(encoded.float() * SCALING_FACTOR, noise, timesteps)
        error = network(noisy, timesteps) - noise
        return torch.mean(error.square(), dim=(1, 2, 3))
