"""MediaPipe's HandLandmarker: which hands it finds in an image, at several thresholds of confidence."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import EvaluationError
from core.hearing.classifier import without_drawing

THRESHOLDS = (0.3, 0.5, 0.7)
MAIN_THRESHOLD = 0.5
MAX_HANDS = 6
GREY = (128, 128, 128)

MODEL_HINT = (
    "Get hand_landmarker.task from MediaPipe's model page "
    "(https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker) and give it with --hand-model, "
    "or set HAND_LANDMARKER_MODEL."
)


@dataclass(frozen=True)
class Hand:
    """One hand: `points` [21, 2] in pixels of the image, `world` [21, 3] in metres around the hand's middle.

    `confidence` is MediaPipe's handedness score, the only one that it gives out.
    """

    confidence: float
    points: NDArray[np.float64]
    world: NDArray[np.float64]


Detect = Callable[[Image.Image], list[Hand]]


class HandDetector:
    """Detectors at the three thresholds. Use as a context manager."""

    def __init__(self, model: Path) -> None:
        """`model`: hand_landmarker.task. Raises EvaluationError if it is missing or unusable."""
        if not model.is_file():
            raise EvaluationError(f"There is no hand model at {model}. {MODEL_HINT}")
        self._model = model
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with without_drawing():
            from mediapipe.tasks.python import BaseOptions, vision

        buffer = self._model.read_bytes()
        self._detectors = {}
        for threshold in THRESHOLDS:
            options = vision.HandLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=buffer),
                num_hands=MAX_HANDS,
                min_hand_detection_confidence=threshold,
                min_hand_presence_confidence=threshold,
            )
            try:
                detector = vision.HandLandmarker.create_from_options(options)
            except (RuntimeError, ValueError) as error:
                raise EvaluationError(
                    f"{self._model} is no hand model that MediaPipe can read. {MODEL_HINT}"
                ) from error
            self._detectors[threshold] = self._stack.enter_context(detector)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def detect(self, image: Image.Image, threshold: float = MAIN_THRESHOLD) -> list[Hand]:
        """The hands in an RGB image."""
        import mediapipe

        # MediaPipe projects landmarks rightly on square pictures only; the padding keeps every pixel where it was.
        side = max(image.size)
        square = Image.new("RGB", (side, side), GREY)
        square.paste(image.convert("RGB"), (0, 0))
        pixels = np.asarray(square)
        result = self._detectors[threshold].detect(
            mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels)
        )
        return [
            Hand(
                float(sides[0].score),
                np.array([(point.x * side, point.y * side) for point in points]),
                np.array([(point.x, point.y, point.z) for point in world]),
            )
            for sides, points, world in zip(
                result.handedness, result.hand_landmarks, result.hand_world_landmarks, strict=True
            )
        ]

    def detect_all(self, image: Image.Image) -> dict[float, list[Hand]]:
        """The hands at each threshold."""
        return {threshold: self.detect(image, threshold) for threshold in THRESHOLDS}


def bounding_size(points: NDArray[np.float64]) -> float:
    """The diagonal of the box around a hand, in pixels."""
    return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))


def nearest(hand: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> NDArray[np.float64] | None:
    """Which of the others' points lie closest to the hand's, on average; None if there are none."""
    return min(others, key=lambda other: float(np.linalg.norm(hand - other, axis=1).mean()), default=None)
