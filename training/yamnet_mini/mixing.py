"""Cuts, mixes and varies sounds of the pool into training windows of 0.975 s.

Speed, filters, echoes, layers, fades, clipping, noise and loudness are all drawn anew for every window. Recordings
whose sounds the teacher rarely hears are drawn more often. What this module does not know: labels. Changing the sound
changes the teacher's answer too, and that answer is taken after the mixing (see teacher.py).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from .pool import Pool
from .synthesis import RATE

WINDOW = 15_600
ECHO_SIZE = 32_768
SOURCE_SHARES = {"esc10": 3.0, "synthesis": 2.6, "speech": 0.7}
DEFAULT_SHARE = 0.06  # times the square root of the number of recordings that a source has

HELD_OUT_EVERY = 12
NEARLY_SILENT = 0.01

Window = NDArray[np.float32]


def held_out(pool: Pool) -> NDArray[np.bool_]:
    """Every twelfth recording is kept from learning, to calibrate on and to watch progress with."""
    return np.asarray(np.arange(len(pool)) % HELD_OUT_EVERY == 0)


class Mixer:
    def __init__(self, pool: Pool, seed: int, members: NDArray[np.bool_]) -> None:
        self.pool = pool
        self.members = members  # the recordings that may be drawn: those to learn from, or those held out
        self.rng = np.random.default_rng(seed)
        self.chances = self._shares()
        self.frequency = np.log2(np.maximum(np.fft.rfftfreq(WINDOW, 1 / RATE), 30) / 1000)
        self.echoes = [self._echo() for _ in range(80)]

    def prefer_rare(self, top_classes: NDArray[np.int64], strength: float = 0.5) -> None:
        """Draw recordings more often, the fewer others share their class (one teacher class for each recording)."""
        counts = np.bincount(top_classes, weights=self._shares() * self.members.sum())
        rarity = (1 / np.maximum(counts[top_classes], 1)) ** strength
        self.chances = self._shares() * rarity
        self.chances /= self.chances.sum()

    def _shares(self) -> NDArray[np.float64]:
        names, which, counts = np.unique(self.pool.sources, return_inverse=True, return_counts=True)
        shares = np.array([SOURCE_SHARES.get(n, DEFAULT_SHARE * c**0.5) for n, c in zip(names, counts, strict=True)])
        chances = (shares / counts)[which] * self.members
        return np.asarray(chances / chances.sum())

    def _echo(self) -> NDArray[np.complex64]:
        count = int(self.rng.uniform(0.05, 0.9) * RATE)
        response = self.rng.standard_normal(count) * np.exp(-np.arange(count) / count * self.rng.uniform(4, 8))
        response[: int(self.rng.uniform(1, 300))] = 0
        return np.fft.rfft(response, ECHO_SIZE).astype(np.complex64)

    def cut(self, index: int, vary: bool = True) -> Window:
        """One window of a recording; short recordings are repeated, as the classifier's caller does, or placed."""
        rng, recording = self.rng, self.pool[index]
        stretch = 1.0 if not vary or rng.random() < 0.45 else float(np.exp(rng.normal(0, 0.22)))
        size = int(WINDOW * stretch)
        if len(recording) <= size:
            if rng.random() < 0.5 or not vary:
                piece = np.tile(recording, size // len(recording) + 1)[:size].astype(np.float32)
            else:
                piece = np.zeros(size, np.float32)
                at = int(rng.integers(0, size - len(recording) + 1))
                piece[at : at + len(recording)] = recording
        else:
            for _ in range(3):
                at = int(rng.integers(0, len(recording) - size))
                piece = recording[at : at + size].astype(np.float32)
                if np.abs(piece).max() > 300:
                    break
        if stretch != 1:
            piece = np.interp(np.arange(WINDOW) * stretch, np.arange(size), piece).astype(np.float32)
        return unit(piece[:WINDOW])

    def any_cut(self) -> Window:
        return self.cut(int(self.rng.choice(len(self.pool), p=self.chances)))

    def window(self) -> Window:
        rng = self.rng
        if rng.random() < NEARLY_SILENT:
            return (rng.standard_normal(WINDOW) * 10 ** -rng.uniform(2.5, 7)).astype(np.float32)
        sound = self.any_cut()
        if rng.random() < 0.03:
            sound = sound[::-1].copy()
        if rng.random() < 0.35:
            sound = sound + self.any_cut() * 10 ** (-rng.uniform(0, 22) / 20)
            if rng.random() < 0.25:
                sound = sound + self.any_cut() * 10 ** (-rng.uniform(3, 22) / 20)
        if rng.random() < 0.3:
            sound = self._equalise(sound)
        if rng.random() < 0.2:
            echo = fft.irfft(fft.rfft(sound, ECHO_SIZE) * self.echoes[rng.integers(len(self.echoes))], ECHO_SIZE)
            sound = sound + unit(echo[:WINDOW]) * np.abs(sound).max() * rng.uniform(0.1, 1.2)
        if rng.random() < 0.06:
            sound = sound * np.minimum(1, np.abs(np.linspace(rng.uniform(-2, 2), rng.uniform(-2, 2), WINDOW)))
        level = 10 ** (-min(50, rng.exponential(8)) / 20)
        sound = unit(sound) * level
        if rng.random() < 0.06:
            sound = np.clip(sound * rng.uniform(1.5, 6), -level, level)
        if rng.random() < 0.25:
            sound = sound + rng.standard_normal(WINDOW).astype(np.float32) * level * 10 ** (-rng.uniform(12, 60) / 20)
        return sound.astype(np.float32)

    def _equalise(self, sound: Window) -> Window:
        """A tilt, a bump and sometimes a low-pass, in decibels over octaves."""
        rng, octave = self.rng, self.frequency
        bump = np.exp(-0.5 * ((octave - rng.uniform(-3, 3)) / rng.uniform(0.3, 1.2)) ** 2)
        decibels = rng.normal(0, 3) * octave + rng.normal(0, 6) * bump
        if rng.random() < 0.3:
            decibels = decibels - 24 * np.maximum(0, octave - rng.uniform(0, 2.5))
        gain = (10 ** (np.clip(decibels, -60, 24) / 20)).astype(np.float32)
        return np.asarray(fft.irfft(fft.rfft(sound) * gain, WINDOW), np.float32)


def unit(sound: Window) -> Window:
    return np.asarray(sound / (np.abs(sound).max() + 1e-9), np.float32)
