"""What sounds are in a clip, window by window: MediaPipe's AudioClassifier with a YamNet model.

It knows nothing about where the model file comes from (`models.py`) or about what the labels mean
(`phrasebook.py`).
"""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from core.errors import ModelUnusable
from core.hearing.audio import SAMPLE_RATE, Clip, Samples

if TYPE_CHECKING:
    from mediapipe.tasks.python.audio import AudioClassifier

log = logging.getLogger(__name__)

WINDOW_SAMPLES = 15_600
"""YamNet hears 0.975 s at 16 kHz at a time (yamnet/params.py in tensorflow/models: PATCH_WINDOW_SECONDS 0.96
plus one STFT window)."""

CATEGORIES_PER_WINDOW = 25
"""All 521 take twice as long and change no score that counts."""

DRAWING = ("matplotlib", "matplotlib.pyplot", "cv2")
"""What MediaPipe imports and is never used here."""

QUIETEST_DBFS = -120.0
"""The loudness that digital silence is given, in dB relative to full scale."""


@dataclass(frozen=True)
class Category:
    """One label and how sure the classifier is of it, from 0 to 1."""

    name: str
    score: float


@dataclass(frozen=True)
class Prediction:
    """What was heard in one window, the likeliest category first, and how loud the window is."""

    timestamp_ms: int
    categories: tuple[Category, ...]
    loudness_dbfs: float = QUIETEST_DBFS


class SoundClassifier:
    """YamNet, or another model with its labels; for one thread at a time.

    Raises ModelUnusable on creation when the file is no audio classifier.
    """

    def __init__(self, model_path: Path, *, categories_per_window: int = CATEGORIES_PER_WINDOW) -> None:
        self._classifier = _load(model_path, categories_per_window)
        # Left to the garbage collector, MediaPipe's own __del__ may wait for ever: for a thread that has ended, since
        # the collector had told it that nobody needs it any more. This holds it until it is closed.
        self._close = weakref.finalize(self, self._classifier.close)
        self._close.atexit = False

    def classify(self, clip: Clip) -> tuple[Prediction, ...]:
        """One Prediction for each 0.975 s of `clip`; a clip shorter than one window is tiled to fill it."""
        from mediapipe.tasks.python.components.containers import AudioData, AudioDataFormat

        samples = fill_windows(clip.samples)
        data = AudioData(buffer_length=len(samples), audio_format=AudioDataFormat(1, SAMPLE_RATE))
        data.load_from_array(samples.reshape(-1, 1))
        results = self._classifier.classify(data)
        predictions: list[Prediction] = []
        for result in results:
            start_ms = result.timestamp_ms or 0
            start = start_ms * SAMPLE_RATE // 1000
            window = samples[start : start + WINDOW_SAMPLES]
            categories = tuple(
                Category(category.category_name or "", float(category.score or 0.0))
                for category in result.classifications[0].categories
            )
            predictions.append(Prediction(start_ms, categories, loudness_dbfs(window)))
        return tuple(predictions)

    def close(self) -> None:
        """Free the model; the classifier cannot be used afterwards."""
        self._close()


def fill_windows(samples: Samples) -> Samples:
    """`samples` (float32, mono) tiled to one whole window where shorter; longer ones get whole windows only.

    A remainder of at least half a window is kept by hearing the last 0.975 s; YamNet pads with zeros otherwise,
    and zeros are heard as silence.
    """
    if len(samples) < WINDOW_SAMPLES:
        return np.resize(samples, WINDOW_SAMPLES)
    whole, rest = divmod(len(samples), WINDOW_SAMPLES)
    if rest < WINDOW_SAMPLES // 2:
        return samples[: whole * WINDOW_SAMPLES]
    return np.concatenate([samples[: whole * WINDOW_SAMPLES], samples[-WINDOW_SAMPLES:]])


def loudness_dbfs(samples: Samples) -> float:
    """Root-mean-square level of `samples` in dB relative to full scale (0 is a full-scale square wave)."""
    if len(samples) == 0:
        return QUIETEST_DBFS
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return max(QUIETEST_DBFS, 10 * float(np.log10(power))) if power > 0 else QUIETEST_DBFS


def _load(model_path: Path, categories_per_window: int) -> AudioClassifier:
    with without_drawing():
        from mediapipe.tasks.python import BaseOptions, audio

    try:
        options = audio.AudioClassifierOptions(
            base_options=BaseOptions(model_asset_buffer=model_path.read_bytes()),
            max_results=categories_per_window,
        )
        return audio.AudioClassifier.create_from_options(options)
    except (OSError, RuntimeError, ValueError) as error:
        log.warning("cannot load %s", model_path, exc_info=True)
        if isinstance(error, OSError) and "shared object" in str(error):
            raise ModelUnusable(
                "MediaPipe needs system libraries that are not installed; on Debian: apt install libegl1 libgles2."
            ) from error
        raise ModelUnusable(
            f"{model_path} is not a sound classifier that MediaPipe can load; set YAMNET_MODEL to a YamNet .tflite "
            "file with metadata, or remove the setting to use the default."
        ) from error


@contextmanager
def without_drawing() -> Iterator[None]:
    """What is imported within takes empty modules for Matplotlib and OpenCV, unless they are loaded already.

    Whatever of MediaPipe is imported, it imports both for a helper that draws landmarks: 37 MB and 0.3 s of CPU for the
    one, and the other need not be installed (`deploy/without-opencv`).
    """
    empty = {name: ModuleType(name) for name in DRAWING if name.partition(".")[0] not in sys.modules}
    if "matplotlib.pyplot" in empty:
        vars(empty["matplotlib"])["pyplot"] = empty["matplotlib.pyplot"]
    sys.modules.update(empty)
    try:
        yield
    finally:
        for name in empty:
            del sys.modules[name]
