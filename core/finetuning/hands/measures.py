"""One picture's measurements."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from core.finetuning.hands.anatomy import RealHands, bone_ratios, joint_angles
from core.finetuning.hands.landmarks import MAIN_THRESHOLD, THRESHOLDS, HandDetector
from core.finetuning.hands.stability import stability


@dataclass(frozen=True)
class Measures:
    """What was found in one picture. None where there is nothing to measure.

    `detected` and `count` are at thresholds .3, .5, .7 and at .5; the rest is of the hands at .5, but for
    `confidence`: the best hand's at .3, and 0 if there is none.
    """

    detected: tuple[bool, ...]
    count: int
    count_is_right: bool
    confidence: float
    bone_distance: float | None
    angle_distance: float | None
    found_again: float | None
    jitter: float | None

    def as_numbers(self) -> Mapping[str, float | None]:
        """By name, for comparison."""
        return {
            **{f"detected_{threshold}": float(hit) for threshold, hit in zip(THRESHOLDS, self.detected, strict=True)},
            "count_is_right": float(self.count_is_right),
            "hands": float(self.count),
            "confidence": self.confidence,
            "bone_distance": self.bone_distance,
            "angle_distance": self.angle_distance,
            "found_again": self.found_again,
            "jitter": self.jitter,
        }


def measure(image: Image.Image, expected: int, detector: HandDetector, real: RealHands | None) -> Measures:
    """Measure one picture; without `real` there is no anatomy."""
    found = detector.detect_all(image)
    hands = found[MAIN_THRESHOLD]
    steady = stability(image, hands, detector.detect)
    return Measures(
        detected=tuple(bool(found[threshold]) for threshold in THRESHOLDS),
        count=len(hands),
        count_is_right=len(hands) == expected,
        confidence=max((hand.confidence for hand in found[THRESHOLDS[0]]), default=0.0),
        bone_distance=_mean([real.bones.distance(bone_ratios(hand.world)) for hand in hands] if real else []),
        angle_distance=_mean([real.angles.distance(joint_angles(hand.world)) for hand in hands] if real else []),
        found_again=steady.found_again if steady else None,
        jitter=steady.jitter if steady else None,
    )


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
