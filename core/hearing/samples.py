"""Sample sounds made in code, so that a demo needs no recording: deterministic, 16 kHz mono float32 in -1..1.

Each is a small physical sketch (a swept tone, drops, noise through a filter) tuned until YamNet names it. Knows nothing
of the classifier.
"""

import io
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from core.hearing.audio import SAMPLE_RATE, Samples

Signal = npt.NDArray[np.float64]


def birdsong(seconds: float = 5.0, seed: int = 31) -> Samples:
    """Phrases of eight quick rising or falling whistles, in a light echo."""
    random = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * SAMPLE_RATE))
    at = 0.1
    while at < seconds - 0.2:
        direction, pitch = random.choice([-1, 1]), 4860 * random.uniform(0.85, 1.2)
        for _ in range(8):
            length = int(0.046 * random.uniform(0.8, 1.2) * SAMPLE_RATE)
            along = np.arange(length) / length
            flutter = 31 * np.sin(2 * np.pi * 47 * np.arange(length) / SAMPLE_RATE)
            phase = _phase(pitch + direction * 1735 * (along - 0.5) + flutter)
            whistle = (np.sin(phase) + 0.1 * np.sin(2 * phase)) * np.sin(np.pi * along) ** 0.7
            _add(sound, whistle, at)
            at += length / SAMPLE_RATE + 0.135
        at += 0.36 * random.uniform(0.7, 1.3)
    return _loud(_echo(sound, random, seconds=0.5, share=0.3) + 0.001 * _noise(random, len(sound), high=2000))


def siren(seconds: float = 5.0, seed: int = 15) -> Samples:
    """A wailing siren: a rich tone sweeping between 697 and 1328 Hz, in an echoing street."""
    random = np.random.default_rng(seed)
    time = _time(seconds)
    phase = _phase(697 * 1.9054 ** (0.5 - 0.5 * np.cos(2 * np.pi * 2.486 * time)))
    tone = np.tanh(1.33 * sum(np.sin(k * phase) / k for k in range(1, 9)))
    return _loud(
        _echo(_filter(tone, high=2720), random, seconds=1.2, share=0.2) + 0.002 * random.normal(size=len(time))
    )


def rain(seconds: float = 5.0, seed: int = 30) -> Samples:
    """A hiss of far drops, and hundreds of near ones a second."""
    random = np.random.default_rng(seed)
    sound = 0.164 * _noise(random, int(seconds * SAMPLE_RATE), low=661, high=7900)
    decay = np.exp(-np.arange(400) / SAMPLE_RATE / 0.0013)
    for at in random.uniform(0, seconds, int(226 * seconds)):
        low = 800 + 3000 * random.random()
        drop = _noise(random, 400, low=low, high=3000 + 4400 * random.random())
        _add(sound, random.exponential(0.33) * drop * decay, at)
    return _loud(sound)


def thunderstorm(seconds: float = 8.0, seed: int = 3) -> Samples:
    """Rain, and thunder that rolls in after two and a half seconds."""
    random = np.random.default_rng(seed)
    sound = 0.35 * rain(seconds, seed).astype(np.float64)
    roll = np.zeros(len(sound))
    for at in np.sort(random.uniform(2.5, seconds - 2.5, 16)):
        length = len(sound) - int(at * SAMPLE_RATE)
        rise_and_fall = np.minimum(1, _time(length / SAMPLE_RATE) / 0.02) * np.exp(-_time(length / SAMPLE_RATE) / 0.3)
        _add(roll, random.uniform(0.3, 1) * _noise(random, length, high=155) * rise_and_fall, at)
    return _loud(sound + 1.5 * roll / np.abs(roll).max())


def silence(seconds: float = 3.0) -> Samples:
    """Digital silence."""
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


DEMO: Mapping[str, Callable[[], Samples]] = MappingProxyType(
    {"birdsong": birdsong, "siren": siren, "thunderstorm": thunderstorm}
)
"""What the demo hears when nobody gives it a recording."""


def in_a_row() -> Samples:
    """The same one after the other, as the scenes of a film."""
    return np.concatenate([make() for make in DEMO.values()])


def write_wav(path: Path, samples: Samples) -> Path:
    """Write `samples` as a 16-bit WAV file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make_wav(samples))
    return path


def make_wav(samples: Samples) -> bytes:
    """`samples` as the content of a 16-bit WAV file."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return content.getvalue()


def _time(seconds: float) -> Signal:
    time: Signal = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return time


def _phase(frequency: Signal) -> Signal:
    """The phase of a tone whose frequency (Hz) changes."""
    phase: Signal = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE
    return phase


def _noise(random: np.random.Generator, length: int, *, low: float | None = None, high: float | None = None) -> Signal:
    return _filter(random.normal(size=length), low=low, high=high)


def _filter(sound: Signal, *, low: float | None = None, high: float | None = None) -> Signal:
    """A second-order Butterworth-shaped band between `low` and `high` Hz, without phase."""
    frequencies = np.fft.rfftfreq(len(sound), 1 / SAMPLE_RATE)
    gain = np.ones(len(frequencies))
    if high is not None:
        gain /= np.sqrt(1 + (frequencies / high) ** 4)
    if low is not None:
        gain *= (frequencies / low) ** 2 / np.sqrt(1 + (frequencies / low) ** 4)
    return np.fft.irfft(np.fft.rfft(sound) * gain, len(sound))


def _echo(sound: Signal, random: np.random.Generator, *, seconds: float, share: float) -> Signal:
    """`sound` with `share` of it as reverberation that dies away over `seconds`."""
    length = int(1.5 * seconds * SAMPLE_RATE)
    tail = _noise(random, length, high=5000) * np.exp(-3 * _time(length / SAMPLE_RATE) / seconds)
    tail[:48] = 0
    whole = len(sound) + length
    wet = np.fft.irfft(np.fft.rfft(sound, whole) * np.fft.rfft(tail, whole), whole)[: len(sound)]
    mixed: Signal = (1 - share) * sound / np.abs(sound).max() + share * wet / np.abs(wet).max()
    return mixed


def _add(sound: Signal, part: Signal, at: float) -> None:
    start = int(at * SAMPLE_RATE)
    end = min(len(sound), start + len(part))
    sound[start:end] += part[: end - start]


def _loud(sound: Signal, peak: float = 0.7) -> Samples:
    loud: Samples = (sound / np.abs(sound).max() * peak).astype(np.float32)
    return loud
