"""Whether there is anything to hear at all: digital silence and a steady noise floor are silence, nothing else is.

It knows nothing of what is heard.
"""

import numpy as np

from core.hearing.sound import FRAME, SAMPLE_RATE, Levels, Samples

INAUDIBLE_DB = -90.0
"""Below it is what 16 bits cannot hold but as noise: digital silence."""

FAINT_DB = -45.0
"""A recording whose loudest tenth of a second is below it is faint: from about here down YamNet hears silence.
Of 400 real recordings none is: the faintest has -41.6."""

RISE_DB = 8.0
"""A band that rises so far above its own lower fifth is no steady noise. With bands of 250 Hz and frames of 0.1 s,
stationary noise does so less than once in 10^9 frames (chi-squared, about 32 degrees of freedom)."""

_BAND = 250 * FRAME // SAMPLE_RATE
_BLOCK = 600


def is_silent(samples: Samples, levels: Levels) -> bool:
    """Whether `samples` (with their `frame_levels`) hold digital silence or a faint and steady noise floor."""
    loudest = float(levels.max(initial=-np.inf))
    return loudest < INAUDIBLE_DB or (loudest < FAINT_DB and is_steady(samples))


def is_steady(samples: Samples) -> bool:
    """Whether no band of 250 Hz ever rises above its usual level: hiss and hum are steady, sounds begin and end.

    A recording of less than a second has no usual level, and is not called steady.
    """
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    if len(frames) < SAMPLE_RATE // FRAME:
        return False
    window = np.hanning(FRAME).astype(np.float32)
    bands = np.concatenate([_band_powers(frames[at : at + _BLOCK] * window) for at in range(0, len(frames), _BLOCK)])
    usual = np.percentile(bands, 20, axis=0)
    return bool(np.all(bands <= np.maximum(usual, 1e-20) * 10 ** (RISE_DB / 10)))


def _band_powers(frames: Samples) -> Levels:
    """Power in each band of 250 Hz from 125 Hz on, shape (frames, bands); below lie offset, hum and rumble."""
    spectrum = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    first = _BAND // 2
    bands = (spectrum.shape[1] - first) // _BAND
    powers = spectrum[:, first : first + bands * _BAND].reshape(len(frames), bands, _BAND).sum(axis=2)
    return np.asarray(powers, np.float64)
