"""One picture's measurements: is its hand built like a real one, and does it stay where it is?

Anatomy: bone ratios and joint angles from MediaPipe's world landmarks (21 points: the wrist, then four for each
finger), as a distance from real hands' distribution. The Mahalanobis distance is divided by the square root of the
number of features, so that a typical real hand has a distance of about one.

Stability: does the detector find the same hand again when the picture is flipped, turned or made smaller? On a well
painted hand its points stay where they were; on a blob of fingers they jump.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import EvaluationError
from core.finetuning.hands.landmarks import (
    GREY,
    MAIN_THRESHOLD,
    THRESHOLDS,
    Detect,
    Hand,
    HandDetector,
    bounding_size,
    nearest,
)

FINGERS = tuple((0, *range(first, first + 4)) for first in (1, 5, 9, 13, 17))
"""Each finger's points from the wrist to the tip."""
PALM = (0, 9)
"""The bone that lengths are measured in: wrist to the middle finger's base."""
SHRINKAGE = 0.1
"""How far the covariance is pulled towards its diagonal, for there are few hands for many features."""
LEAST_HANDS = 30
FOUND_AGAIN = 0.5
"""A hand that moved further than this share of its size is another hand."""

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


@dataclass(frozen=True)
class Warp:
    """An affine map of pixels, [2, 3]: new = matrix · (x, y, 1)."""

    name: str
    matrix: NDArray[np.float64]

    def image(self, image: Image.Image) -> Image.Image:
        """The warped image, of the same size, on grey."""
        inverse = np.linalg.inv(np.vstack([self.matrix, [0, 0, 1]]))[:2]
        return image.convert("RGB").transform(
            image.size, Image.Transform.AFFINE, tuple(inverse.ravel()), Image.Resampling.BICUBIC, fillcolor=GREY
        )

    def undo(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points [n, 2] of the warped image, in the original's pixels."""
        return np.asarray(np.linalg.solve(self.matrix[:, :2], (points - self.matrix[:, 2]).T).T, dtype=np.float64)


@dataclass(frozen=True)
class Stability:
    """`found_again`: share of hands and warps, 0 to 1. `jitter`: mean distance of the points that were found again,
    as a share of the hand's size; None if none was.
    """

    found_again: float
    jitter: float | None


def warps(width: int, height: int) -> tuple[Warp, ...]:
    """Mirrored, turned by 15° either way, and at 0.8 times the size, all about the middle."""
    mirrored = np.array([[-1.0, 0, width], [0, 1, 0]])
    return (
        Warp("mirrored", mirrored),
        Warp("turned left", _about_the_middle(15, 1, width, height)),
        Warp("turned right", _about_the_middle(-15, 1, width, height)),
        Warp("smaller", _about_the_middle(0, 0.8, width, height)),
    )


def stability(image: Image.Image, hands: list[Hand], detect: Detect) -> Stability | None:
    """How the hands of a picture fare under the warps; None without hands."""
    if not hands:
        return None
    jumps: list[float | None] = []
    for warp in warps(*image.size):
        found = [warp.undo(hand.points) for hand in detect(warp.image(image))]
        jumps += [_jump(hand, found) for hand in hands]
    again = [jump for jump in jumps if jump is not None]
    return Stability(len(again) / len(jumps), float(np.mean(again)) if again else None)


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


def _distribution(features: Sequence[Features]) -> Distribution:
    table = np.stack(features)
    covariance = np.cov(table, rowvar=False)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.diag(covariance))
    floor = 1e-6 * np.eye(len(shrunk))
    precision: NDArray[np.float64] = np.asarray(np.linalg.inv(shrunk + floor), dtype=np.float64)
    return Distribution(table.mean(axis=0), precision)


def _jump(hand: Hand, found: list[NDArray[np.float64]]) -> float | None:
    other = nearest(hand.points, found)
    if other is None:
        return None
    jump = float(np.linalg.norm(hand.points - other, axis=1).mean()) / max(bounding_size(hand.points), 1e-6)
    return jump if jump <= FOUND_AGAIN else None


def _about_the_middle(degrees: float, scale: float, width: int, height: int) -> NDArray[np.float64]:
    angle = math.radians(degrees)
    turn = scale * np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    middle = np.array([width / 2, height / 2])
    return np.column_stack([turn, middle - turn @ middle])


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None
