"""Is a hand built like a real one? Its bone ratios and joint angles, as a distance from real hands' distribution. Pure.

From MediaPipe's world landmarks (21 points: the wrist, then four for each finger). The Mahalanobis distance is divided
by the square root of the number of features, so that a typical real hand has a distance of about one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.errors import EvaluationError

FINGERS = tuple((0, *range(first, first + 4)) for first in (1, 5, 9, 13, 17))
"""Each finger's points from the wrist to the tip."""
PALM = (0, 9)
"""The bone that lengths are measured in: wrist to the middle finger's base."""
SHRINKAGE = 0.1
"""How far the covariance is pulled towards its diagonal, for there are few hands for many features."""
LEAST_HANDS = 30

Features = NDArray[np.float64]


def bone_ratios(world: NDArray[np.float64]) -> Features:
    """Natural logarithms of 19 bone lengths over the palm's, from [21, 3]."""
    palm = np.linalg.norm(world[PALM[1]] - world[PALM[0]])
    bones = [pair for finger in FINGERS for pair in pairwise(finger) if pair != PALM]
    lengths = np.array([np.linalg.norm(world[end] - world[start]) for start, end in bones])
    ratios: Features = np.log(np.maximum(lengths, 1e-6) / max(float(palm), 1e-6))
    return ratios


def joint_angles(world: NDArray[np.float64]) -> Features:
    """15 angles between neighbouring bones in radians, from [21, 3]; 0 is straight."""
    angles = []
    for finger in FINGERS:
        for before, joint, after in zip(finger[:-2], finger[1:-1], finger[2:], strict=True):
            one, two = world[joint] - world[before], world[after] - world[joint]
            cosine = float(one @ two) / max(float(np.linalg.norm(one) * np.linalg.norm(two)), 1e-12)
            angles.append(np.arccos(np.clip(cosine, -1, 1)))
    return np.array(angles)


@dataclass(frozen=True)
class Distribution:
    """Mean [k] and inverse covariance [k, k] of real hands' features."""

    mean: Features
    precision: NDArray[np.float64]

    def distance(self, features: Features) -> float:
        """Mahalanobis distance over √k."""
        difference = features - self.mean
        return float(np.sqrt(difference @ self.precision @ difference / len(features)))


@dataclass(frozen=True)
class RealHands:
    """What real hands look like."""

    bones: Distribution
    angles: Distribution
    count: int

    @classmethod
    def of(cls, worlds: Sequence[NDArray[np.float64]]) -> "RealHands":
        """From the world landmarks of real hands. Raises EvaluationError if there are too few."""
        if len(worlds) < LEAST_HANDS:
            raise EvaluationError(
                f"Only {len(worlds)} hands were found in the real photos; at least {LEAST_HANDS} are needed to say "
                "what hands look like."
            )
        return cls(
            _distribution([bone_ratios(world) for world in worlds]),
            _distribution([joint_angles(world) for world in worlds]),
            len(worlds),
        )


def _distribution(features: Sequence[Features]) -> Distribution:
    table = np.stack(features)
    covariance = np.cov(table, rowvar=False)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
    floor = 1e-6 * np.eye(len(shrunk))
    precision: NDArray[np.float64] = np.asarray(np.linalg.inv(shrunk + floor), dtype=np.float64)
    return Distribution(table.mean(axis=0), precision)
