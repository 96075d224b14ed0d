"""What each SPEED preset changes, in one place. `exact` changes nothing; no default reduces quality.

The errors that they state were measured by `python -m benchmarks.speeds --pictures 12`, without FP8.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType

from core.settings import Speed


@dataclass(frozen=True)
class SpeedPreset:
    """What one preset changes.

    `name`: the setting's value. `full_every`: at every so many steps the whole network runs, at the others its
    shallow part (DeepCache). `guided_between`: noise levels (low, high] in which guidance applies. `fp8`: FP8 linear
    layers where the GPU has them. `says`: the sentence for logs.
    """

    name: str
    full_every: int
    guided_between: tuple[float, float]
    fp8: bool
    says: str


ALWAYS = (0.0, math.inf)
MIDDLE = (0.28, 5.42)
"""The interval that Kynkäänniemi et al. 2024 (arXiv 2404.07724) found for SDXL."""

PRESETS = MappingProxyType(
    {
        Speed.EXACT: SpeedPreset(
            "exact", 1, ALWAYS, False, "exact: all steps, guidance at every step, no reduced precision"
        ),
        Speed.BALANCED: SpeedPreset(
            "balanced",
            2,
            ALWAYS,
            False,
            "balanced: the whole network runs at every second step only; on the bundled miniature 36 dB to exact at 12 "
            "steps, 49 dB at 24",
        ),
        Speed.FAST: SpeedPreset(
            "fast",
            3,
            MIDDLE,
            True,
            "fast: the whole network runs at every third step only, guidance only at noise levels 0.28 to 5.42, FP8 "
            "linear layers where the GPU has them; on the bundled miniature, without FP8, 30 dB to exact at 12 and 24 "
            "steps: pictures differ visibly",
        ),
    }
)
