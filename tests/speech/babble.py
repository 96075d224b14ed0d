"""Something that sounds like a person talking, made in code: syllables of a buzzing source through moving formants."""

import io
import wave

import numpy as np

from core.hearing.audio import SAMPLE_RATE

VOWELS = ((730, 1090, 2440), (270, 2290, 3010), (570, 840, 2410), (530, 1840, 2480), (300, 870, 2240))
"""Formants in Hz of five English vowels (Peterson and Barney 1952, men)."""


def babble(seconds: float = 3.0, seed: int = 4) -> bytes:
    """A WAV file of about five syllables a second."""
    random = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    pitch = 120.0
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        parts.append(_syllable(random, pitch))
        parts.append(np.zeros(int(random.uniform(0.01, 0.06) * SAMPLE_RATE)))
        if random.random() < 0.2:
            parts.append(np.zeros(int(0.2 * SAMPLE_RATE)))
        pitch = float(np.clip(pitch * random.uniform(0.85, 1.2), 90, 190))
    sound = np.concatenate(parts)[: int(seconds * SAMPLE_RATE)]
    sound = sound / np.abs(sound).max() * 0.6
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((sound * 32767).astype("<i2").tobytes())
    return buffer.getvalue()


def _syllable(random: np.random.Generator, pitch: float) -> np.ndarray:
    length = int(random.uniform(0.12, 0.26) * SAMPLE_RATE)
    time = np.arange(length) / SAMPLE_RATE
    glide = pitch * (1 + 0.1 * np.sin(2 * np.pi * random.uniform(2, 5) * time + random.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(glide) / SAMPLE_RATE
    voice = sum(np.sin(k * phase) / k for k in range(1, 40))
    consonant = random.normal(size=length) * np.exp(-time / 0.015) * 2
    first, second = (np.array(VOWELS[random.integers(len(VOWELS))]) for _ in range(2))
    out = np.zeros(length)
    blend = np.linspace(0, 1, length)
    for formants, weight in ((first, 1 - blend), (second, blend)):
        spectrum = np.fft.rfft(voice + consonant)
        frequencies = np.fft.rfftfreq(length, 1 / SAMPLE_RATE)
        gain = sum(1 / (1 + ((frequencies - formant) / (60 + 0.05 * formant)) ** 2) for formant in formants)
        out += weight * np.fft.irfft(spectrum * gain, length)
    rise_and_fall = np.sqrt(np.clip(np.sin(np.pi * time / time[-1]), 0, 1))
    return np.asarray(out * rise_and_fall)
