"""Recordings made on the spot, as WAV files."""

import io
import wave

import numpy as np

RATE = 16_000


def wav(samples: np.ndarray) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return out.getvalue()


def noise(seconds: float = 1.0) -> bytes:
    """Something between rain and a waterfall."""
    return wav(np.random.default_rng(0).normal(0, 0.2, int(seconds * RATE)))


def silence(seconds: float = 1.0) -> bytes:
    return wav(np.zeros(int(seconds * RATE)))
