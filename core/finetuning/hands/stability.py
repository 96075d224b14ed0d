"""Does the detector find the same hand again when the picture is flipped, turned or made smaller?

On a well painted hand its points stay where they were; on a blob of fingers they jump.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.finetuning.hands.landmarks import GREY, Detect, Hand, bounding_size, nearest

FOUND_AGAIN = 0.5
"""A hand that moved further than this share of its size is another hand."""


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
