"""What is mended in a sound before it is heard, and only where it must be: any other sound stays as it is, bit for bit.

Pure functions. They know nothing of files, nor of what is heard.
"""

from enum import StrEnum

import numpy as np

from core.hearing.floor import FAINT_DB
from core.hearing.sound import SAMPLE_RATE, Samples, frame_levels, mean_power, peak

CUTOFF_HZ = 20.0
"""Below is what nobody hears."""

INAUDIBLE_SHARE = 0.5
"""With more of its energy than this below CUTOFF_HZ, a recording is mended."""

LEVEL_DB = -12.0
"""What the loudest tenth of a second of a faint recording is raised to; half of 400 real recordings have -14 or more.
Made faint by 50 dB, the right label of 272 of them is among the first three again, with anything from -8 to -20."""

_BLOCK = 60 * SAMPLE_RATE


class Mending(StrEnum):
    """Something that was done to a recording before it was heard, in the order in which it is done."""

    OTHER_TRACK = "other track"
    LOUDER_CHANNEL = "louder channel"
    HIGH_PASS = "high-pass"
    PEAK = "peak"
    LEVEL = "level"

    @property
    def says(self) -> str:
        """The sentence for people."""
        return _SAYS[self]


_SAYS = {
    Mending.OTHER_TRACK: "The first sound track is silent or unreadable; I listened to another one.",
    Mending.LOUDER_CHANNEL: "The channels cancelled each other; I listened to the louder one.",
    Mending.HIGH_PASS: "Most of it was an offset or below hearing; I took that away.",
    Mending.PEAK: "It was louder than full scale; I turned it down.",
    Mending.LEVEL: "It was very faint; I turned it up.",
}


def mend(samples: Samples, *, silent: bool = False) -> tuple[Samples, tuple[Mending, ...]]:
    """`samples` with offset and infrasound, peaks above full scale and faintness mended where they are; and what was.

    What needs no mending is returned in 16-bit steps, in which most recordings come. Silence is not turned up.
    """
    mendings: list[Mending] = []
    if inaudible_share(samples) > INAUDIBLE_SHARE:
        samples = high_pass(samples)
        mendings.append(Mending.HIGH_PASS)
    loudest = peak(samples)
    if loudest > 1:
        samples = samples * np.float32(1 / loudest)
        mendings.append(Mending.PEAK)
    if len(samples) and not silent and frame_levels(samples).max() < FAINT_DB:
        samples = turn_up(samples)
        mendings.append(Mending.LEVEL)
    return (samples, tuple(mendings)) if mendings else (to_16_bits(samples), ())


def turn_up(samples: Samples) -> Samples:
    """`samples` with the loudest tenth of a second at LEVEL_DB, or as near as full scale allows; never fainter."""
    loudest = float(frame_levels(samples).max(initial=-np.inf))
    gain = min(10 ** ((LEVEL_DB - loudest) / 20), 1 / max(peak(samples), 1e-9))
    return samples * np.float32(max(1.0, gain))


def to_16_bits(samples: Samples) -> Samples:
    """The nearest of 65,536 steps, halves to the even one; what is above full scale is cut off."""
    steps: Samples = samples * np.float32(32768)
    np.rint(steps, out=steps)
    np.clip(steps, -32768, 32767, out=steps)
    steps /= np.float32(32768)
    return steps


def inaudible_share(samples: Samples) -> float:
    """The share of the energy that lies below CUTOFF_HZ, 0 to 1; an estimate first, and the spectrum where it is near.

    The mean of 25 ms holds -3.9 dB of what is at 20 Hz, and less of what is above.
    """
    power = mean_power(samples)
    if power == 0:
        return 0.0
    length = SAMPLE_RATE // 40
    means = samples[: len(samples) // length * length].reshape(-1, length).mean(axis=1)
    rough = mean_power(means) / power if len(means) else mean_power(samples.mean(keepdims=True)) / power
    if rough < INAUDIBLE_SHARE / 2:
        return rough
    block = samples[:_BLOCK]
    spectrum = np.abs(np.fft.rfft(block)) ** 2
    spectrum[1:] *= 2
    below = int(np.ceil(CUTOFF_HZ * len(block) / SAMPLE_RATE))
    return float(spectrum[:below].sum() / spectrum.sum())


def high_pass(samples: Samples) -> Samples:
    """A Butterworth high-pass of second order at CUTOFF_HZ, begun as if the first value had been there forever."""
    from scipy.signal import butter, sosfilt, sosfilt_zi

    sections = butter(2, CUTOFF_HZ, "highpass", fs=SAMPLE_RATE, output="sos")
    state = sosfilt_zi(sections) * float(samples[0])
    passed = np.empty_like(samples)
    for start in range(0, len(samples), _BLOCK):
        block = slice(start, start + _BLOCK)
        passed[block], state = sosfilt(sections, samples[block].astype(np.float64), zi=state)
    return passed
