"""Synthesised sounds with random parameters: sirens, rain, engines, bells, chirps, tones, beats, bursts.

Every recipe takes a random generator and returns a few seconds of 16 kHz sound; no recipe is ever the same twice.
The sounds carry no label: the teacher says what each resembles. What this module does not know: whether a recipe
succeeds in sounding like its name, and how its sounds are mixed with others (see mixing.py).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
SECONDS = 3.0

Signal = NDArray[np.float64]
Recipe = Callable[[np.random.Generator], Signal]


def clock(seconds: float = SECONDS) -> Signal:
    return np.arange(int(seconds * RATE)) / RATE


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def band(signal: Signal, low: float | None = None, high: float | None = None) -> Signal:
    """A gentle second-order band-pass, applied in the frequency domain."""
    frequency = np.fft.rfftfreq(len(signal), 1 / RATE)
    gain = np.ones(len(frequency))
    if high:
        gain = gain / np.sqrt(1 + (frequency / high) ** 4)
    if low:
        gain = gain * (frequency / low) ** 2 / np.sqrt(1 + (frequency / low) ** 4)
    return np.fft.irfft(np.fft.rfft(signal) * gain, len(signal))


def phase(frequency: Signal) -> Signal:
    return 2 * np.pi * np.cumsum(frequency) / RATE


def harmonics(angle: Signal, rng: np.random.Generator, count: int, slope: float | None = None) -> Signal:
    fall = rng.uniform(0.3, 1.8) if slope is None else slope
    total = np.zeros_like(angle)
    for k in range(1, count + 1):
        total += np.sin(k * angle + rng.uniform(0, 6)) / k**fall
    return total


def noise(rng: np.random.Generator, seconds: float = SECONDS) -> Signal:
    return rng.standard_normal(int(seconds * RATE))


def place(track: Signal, sound: Signal, at: float) -> None:
    start = int(at * RATE)
    length = min(len(sound), len(track) - start)
    if length > 0:
        track[start : start + length] += sound[:length]


def decay(count: int, attack: float, release: float) -> Signal:
    time = np.arange(count) / RATE
    return np.minimum(1, time / attack) * np.exp(-time / release)


def reverb(signal: Signal, rng: np.random.Generator, seconds: float, mix: float) -> Signal:
    count = int(seconds * RATE * 1.5)
    response = band(rng.standard_normal(count), high=5000) * np.exp(-np.arange(count) / RATE / seconds * 3)
    response[:48] = 0
    size = len(signal) + count
    wet = np.fft.irfft(np.fft.rfft(signal, size) * np.fft.rfft(response, size), size)[: len(signal)]
    return unit(signal) * (1 - mix) + mix * unit(wet)


def unit(signal: Signal) -> Signal:
    return signal / (float(np.abs(signal).max()) + 1e-9)


def gate(time: Signal, rate: float, duty: float) -> Signal:
    return ((time * rate) % 1 < duty).astype(np.float64)


# --- Alarms, horns and telephone tones ---


def siren(rng: np.random.Generator) -> Signal:
    time = clock()
    base, octaves, rate = log_uniform(rng, 350, 1100), rng.uniform(0.25, 1.6), log_uniform(rng, 0.12, 9)
    shape = rng.integers(3)
    sweep = 0.5 - 0.5 * np.cos(2 * np.pi * rate * time + rng.uniform(0, 6))
    if shape == 1:
        sweep = (time * rate) % 1
    elif shape == 2:
        sweep = gate(time, rate, 0.5)
    tone = harmonics(phase(base * 2 ** (octaves * sweep)), rng, int(rng.integers(3, 12)), 1.0)
    tone = band(np.tanh(rng.uniform(0.5, 2.5) * tone), high=log_uniform(rng, 1500, 7000))
    return reverb(tone, rng, rng.uniform(0.3, 2), rng.uniform(0, 0.5)) + rng.uniform(0, 0.01) * noise(rng)


def horn(rng: np.random.Generator) -> Signal:
    time = clock()
    base = log_uniform(rng, 120, 700)
    voices = [base] + [base * r for r in rng.choice([1.2, 1.25, 1.5, 1.19], int(rng.integers(0, 3)), replace=False)]
    tone = np.zeros_like(time)
    for pitch in voices:
        tone += harmonics(2 * np.pi * pitch * time, rng, int(rng.integers(6, 16)), rng.uniform(0.4, 1.0))
    pattern = band(gate(time, log_uniform(rng, 0.3, 2.5), rng.uniform(0.3, 1.2)), high=60)
    tone = pattern * np.tanh(rng.uniform(0.6, 2.5) * tone)
    return reverb(tone, rng, rng.uniform(0.2, 2), rng.uniform(0, 0.4))


def telephone(rng: np.random.Generator) -> Signal:
    pairs = [(350, 440), (480, 620), (440, 480), (425, 425), (400, 450), (950, 1400), (1100, 2100), (697, 1209)]
    pairs += [(770, 1336), (852, 1477), (941, 1633)]
    first, second = pairs[int(rng.integers(len(pairs)))]
    time, off = clock(), rng.uniform(0.94, 1.06)
    tone = np.sin(2 * np.pi * first * off * time) + np.sin(2 * np.pi * second * off * time + rng.uniform(0, 6))
    if rng.random() < 0.7:
        tone = tone * gate(time, log_uniform(rng, 0.3, 6), rng.uniform(0.2, 0.8))
    return tone


def beep(rng: np.random.Generator) -> Signal:
    time = clock()
    pitch = log_uniform(rng, 300, 5000)
    tone = harmonics(2 * np.pi * pitch * time, rng, int(rng.integers(1, 6)))
    return tone * gate(time, log_uniform(rng, 0.4, 14), rng.uniform(0.1, 0.8))


def sweep_tone(rng: np.random.Generator) -> Signal:
    time = clock()
    base, rate = log_uniform(rng, 60, 5000), log_uniform(rng, 0.2, 14)
    kind = rng.integers(5)
    pitch = np.full_like(time, base)
    if kind == 1:
        pitch = base * (1 + rng.uniform(0.01, 0.6) * np.sin(2 * np.pi * rate * time))
    elif kind == 2:
        pitch = base * 2 ** (rng.uniform(0.1, 1.5) * np.sign(np.sin(2 * np.pi * rate * time)))
    elif kind == 3:
        pitch = base * 2 ** (rng.uniform(-2, 2) * ((time * rate) % 1))
    tone = harmonics(phase(np.minimum(pitch, 7500)), rng, int(rng.integers(1, 14)))
    return np.tanh(rng.uniform(1, 5) * tone) if rng.random() < 0.3 else tone


# --- Weather, water, fire, steam, crowds of grains ---


def rain(rng: np.random.Generator) -> Signal:
    track = rng.uniform(0, 0.4) * band(noise(rng), log_uniform(rng, 150, 1500), log_uniform(rng, 4000, 12000))
    low, release = log_uniform(rng, 300, 2500), log_uniform(rng, 0.0006, 0.004)
    for at in rng.uniform(0, SECONDS, int(log_uniform(rng, 40, 900))):
        drop = band(rng.standard_normal(320), low * rng.uniform(1, 3), rng.uniform(3000, 7500))
        place(track, rng.exponential(0.33) * drop * np.exp(-np.arange(320) / RATE / release), at)
    return track


def thunder(rng: np.random.Generator) -> Signal:
    count = int(SECONDS * RATE)
    track = np.zeros(count)
    dark, release = log_uniform(rng, 70, 450), rng.uniform(0.1, 0.9)
    for at in np.sort(rng.uniform(0, SECONDS * 0.7, int(rng.integers(3, 20)))):
        left = count - int(at * RATE)
        roll = band(rng.standard_normal(left), high=dark * rng.uniform(0.6, 1.5))
        place(
            track, rng.uniform(0.3, 1) * np.exp(-at / 2) * roll * decay(left, 0.02, release * rng.uniform(0.5, 1.2)), at
        )
    return unit(track) + rng.uniform(0, 0.05) * band(noise(rng), log_uniform(rng, 300, 2000))


def wind_or_waves(rng: np.random.Generator) -> Signal:
    swell = band(np.abs(noise(rng)), high=rng.uniform(0.3, 6)) ** rng.uniform(0.5, 3)
    low = log_uniform(rng, 60, 1500)
    return unit(swell) * band(noise(rng), low, low * rng.uniform(1.5, 12))


def coloured_noise(rng: np.random.Generator) -> Signal:
    frequency = np.fft.rfftfreq(int(SECONDS * RATE), 1 / RATE)
    tilted = np.fft.irfft(np.fft.rfft(noise(rng)) / np.maximum(frequency, 20) ** rng.uniform(0, 1.2))
    low = log_uniform(rng, 20, 4000)
    tilted = band(
        tilted, low if rng.random() < 0.6 else None, low * rng.uniform(1.2, 20) if rng.random() < 0.7 else None
    )
    time, kind = clock(), rng.integers(5)
    if kind == 1:
        return tilted * (1 + rng.uniform(0.3, 1) * np.sin(2 * np.pi * rng.uniform(0.1, 30) * time))
    if kind == 2:
        return tilted * np.exp(-((time * rng.uniform(0.3, 25)) % 1) / rng.uniform(0.02, 0.5))
    if kind == 3:
        return tilted * (band(noise(rng), high=rng.uniform(0.5, 6)) > 0)
    return tilted


def steam(rng: np.random.Generator) -> Signal:
    time = clock()
    valve = band(gate(time, log_uniform(rng, 0.2, 4), rng.uniform(0.3, 1.2)), high=log_uniform(rng, 1, 30))
    return band(noise(rng), log_uniform(rng, 1200, 5000)) * valve


def grains(rng: np.random.Generator) -> Signal:
    """Many short bursts: fire, gravel, typing, hooves, steps, crumpling, clocks."""
    track = np.zeros(int(SECONDS * RATE))
    count = int(log_uniform(rng, 3, 900))
    low, release = log_uniform(rng, 60, 4000), log_uniform(rng, 0.0008, 0.12)
    size = int(min(release * 6, 0.5) * RATE) + 32
    time = np.arange(size) / RATE
    steady, tonal = rng.random() < 0.4, rng.random() < 0.3
    for at in np.arange(count) * SECONDS / count if steady else rng.uniform(0, SECONDS, count):
        body = np.sin(2 * np.pi * low * rng.uniform(0.8, 1.6) * time) if tonal else rng.standard_normal(size)
        place(track, (1 if steady else rng.exponential(1)) * np.exp(-time / release) * body, float(at))
    floor = float(rng.choice([0, 0.01, 0.1])) * band(noise(rng), rng.uniform(50, 1000), rng.uniform(2000, 9000))
    return unit(band(track, low / 3, low * rng.uniform(1.5, 6))) + floor


def explosion(rng: np.random.Generator) -> Signal:
    track = np.zeros(int(SECONDS * RATE))
    for at in np.sort(rng.uniform(0, SECONDS * 0.8, int(rng.integers(1, 5)))):
        count = len(track) - int(at * RATE)
        low = band(rng.standard_normal(count), high=log_uniform(rng, 100, 1200))
        boom = low * decay(count, 0.002, log_uniform(rng, 0.03, 1.2)) * 3
        place(track, boom + 0.4 * rng.standard_normal(count) * decay(count, 0.001, log_uniform(rng, 0.01, 0.15)), at)
    return reverb(np.tanh(rng.uniform(1, 6) * unit(track)), rng, rng.uniform(0.2, 2), rng.uniform(0, 0.4))
