"""The noise that a finished picture started from, as far as it can be read out of its pixels.

A latent that is nearly clean still tells where it came from: what the network takes for noise in it, at a low noise
level, resembles the noise at the beginning. More evaluations follow the sampling equation backwards (Mokady et al.
2023, "Null-text Inversion", arXiv 2211.09794, section 3.1), which costs more and finds little more. Pure functions; it
knows neither pictures nor prompts.
"""

import math
from collections.abc import Callable
from itertools import pairwise

from torch import Tensor

from core.generation.sampler import NoiseSchedule

LEVEL = 0.3
"""The noise level at which one evaluation finds the most (`python -m benchmarks.marking`)."""
LOWEST, HIGHEST = 0.02, 80.0
"""Between these, more evaluations go up."""
RHO = 7.0
"""How they are spread, as in sampling (Karras et al. 2022, equation 5)."""

Evaluate = Callable[[Tensor, float], Tensor]
"""The network: (input scaled by c_in, shape (channels, height, width); c_noise) -> F, same shape."""


def starting_noise_of(clean: Tensor, evaluate: Evaluate, schedule: NoiseSchedule, passes: int) -> Tensor:
    """The noise, of any scale, that the `clean` latent, shape (channels, height, width), came from."""
    if passes == 1:
        return clean - _denoised(clean, LEVEL, evaluate, schedule)
    low, high = LOWEST ** (1 / RHO), HIGHEST ** (1 / RHO)
    levels = [(low + step / passes * (high - low)) ** RHO for step in range(passes + 1)]
    latent = clean
    for level, higher in pairwise(levels):
        latent = latent + (higher - level) * (latent - _denoised(latent, level, evaluate, schedule)) / level
    return latent


def _denoised(latent: Tensor, level: float, evaluate: Evaluate, schedule: NoiseSchedule) -> Tensor:
    """The network's estimate of the clean latent (Karras et al. 2022, table 1, "EDM")."""
    variance = level**2 + schedule.sigma_data**2
    raw = evaluate(latent / math.sqrt(variance), 0.25 * math.log(level))
    return schedule.sigma_data**2 / variance * latent + level * schedule.sigma_data / math.sqrt(variance) * raw
