"""What each SPEED preset changes, in one place. `exact` changes nothing; no default reduces quality.

The errors that they state were measured by `python -m benchmarks.speeds --pictures 12`, without FP8.
"""

import math
from dataclasses import dataclass, replace
from types import MappingProxyType

from core.options import Speed


@dataclass(frozen=True)
class SpeedPreset:
    """What one preset changes.

    `name`: the setting's value. `full_every`: at every so many steps the whole network runs, at the others its
    shallow part (DeepCache). `guided_between`: noise levels (low, high] in which guidance applies. `fp8`: FP8 linear
    layers where the GPU has them. `says`: the sentence for logs. `has_adapter`: whether an adapter stands for guidance.
    """

    name: str
    full_every: int
    guided_between: tuple[float, float]
    fp8: bool
    says: str
    has_adapter: bool = False

    @property
    def has_deep_cache(self) -> bool:
        """Whether some steps are shallow."""
        return self.full_every > 1


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

WITH_ADAPTER = MappingProxyType(
    {
        Speed.BALANCED: SpeedPreset(
            "balanced", 1, ALWAYS, False, "balanced: guidance in one evaluation a step, by the adapter {}", True
        ),
        Speed.FAST: SpeedPreset(
            "fast",
            3,
            ALWAYS,
            False,
            "fast: guidance in one evaluation a step, by the adapter {}; besides, the whole network runs at every "
            "third step only; what both cost together has not been measured",
            True,
        ),
    }
)
"""What the presets are where an adapter stands for guidance. FP8 is left out: its layers take no adapter."""


def preset_with(speed: Speed, adapter_says: str) -> SpeedPreset | None:
    """What `speed` is with an adapter that stands for guidance, of which is said how close it comes; None for exact."""
    found = WITH_ADAPTER.get(speed)
    return None if found is None else replace(found, says=found.says.format(f"({adapter_says})"))
