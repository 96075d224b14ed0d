"""The slender picture of a sound: its loudness and pitch over time in 128 x 12 cells, in ink or in a picture's colours.

Pure functions from samples to a Strip, which is small enough to be kept when the sound is gone, and from a Strip to a
PNG. Wherever a voice may be heard the strip is a function of loudness alone, since a few bands over time can betray
words. It does not know where a strip is shown.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.hearing.classifier import Prediction
from core.hearing.palette import Palette
from core.hearing.sound import SAMPLE_RATE, Samples
from core.hearing.voice import may_hold_voice

COLUMNS, ROWS = 128, 12
CELL = (10, 9)
"""Pixels of a cell: 1280 x 108 altogether."""

Levels = npt.NDArray[np.float64]
"""0 to 1; of cells with the shape (ROWS, COLUMNS), high pitches first."""

STEADY_SAMPLES = SAMPLE_RATE // 40
"""Loudness is measured over 25 ms at least: over less it would be the sound's own wave."""
VOICE_RANGE_DB = 40.0
LINE = 0.35
"""The level of the thread that runs through a strip of loudness, also in silence."""

LONGEST_WINDOW, SHORTEST_WINDOW = 1024, 256
"""Samples of a spectrum. It is no longer than a column where that is short, so that quick sounds stay apart."""
MOMENTS = 3
"""A long column shows so many of its loudest moments: a bark of half a second is seen in a strip of ten minutes."""
LOWEST_HZ, HIGHEST_HZ = 60.0, 7900.0
PITCHES = 64
"""Bands between these, of which the rows show those in which there is something."""
LEFT_OUT = 0.06
"""Share of the sound that may be below the lowest row, and above the highest."""
LEAST_RATIO = 2.5
"""Of the highest pitch to the lowest: a whistle is a line and not a wall."""

INK = 127
"""The grey that stands out alike from Discord's light and dark: 4.0 and 3.5 to one."""
INK_DENSITY = bytes(round(255 * (level / 255) ** 0.65) for level in range(256))
"""How little of what lies below is seen through each level; a quiet sound is not to be lost in the dark."""


@dataclass(frozen=True)
class Strip:
    """`cells`: ROWS x COLUMNS levels, a byte each, 0 silent and 255 the loudest; row by row, high pitches first.

    Raises ValueError for any other number of bytes.
    """

    cells: bytes

    def __post_init__(self) -> None:
        if len(self.cells) != ROWS * COLUMNS:
            raise ValueError(f"a strip has {ROWS * COLUMNS} cells, not {len(self.cells)}")


def weave(samples: Samples, predictions: Sequence[Prediction]) -> Strip:
    """The strip of a sound (mono, 16 kHz, any length) in which `predictions` were heard, with all their labels."""
    if may_hold_voice(predictions):
        return weave_loudness(loudness(samples))
    spectra = _spectra(samples)
    pitches = _in_bands(spectra, np.geomspace(LOWEST_HZ, HIGHEST_HZ, PITCHES + 1))
    if not pitches.any():  # silence, or nothing but what nobody hears
        return weave_loudness(np.zeros(COLUMNS))
    rows = _in_bands(spectra, np.geomspace(*_range_of(pitches), ROWS + 1))
    return _strip_of(_levels(rows)[::-1])


def loudness(samples: Samples) -> Levels:
    """The root mean square of each column, over STEADY_SAMPLES at least. Shape (COLUMNS,)."""
    length = len(samples)
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    half = max(length / COLUMNS, STEADY_SAMPLES) / 2
    middles = (np.arange(COLUMNS) + 0.5) * length / COLUMNS
    begins, ends = (np.clip(np.rint(edges), 0, length).astype(int) for edges in (middles - half, middles + half))
    rms: Levels = np.sqrt((energy[ends] - energy[begins]) / np.maximum(ends - begins, 1))
    return rms


def weave_loudness(loud: Levels) -> Strip:
    """A strip of nothing but `loud`, shape (COLUMNS,): as thick, and as dense, as a column is loud."""
    loudest = float(loud.max())
    relative = np.maximum(loud / loudest, 1e-6) if loudest > 0 else np.full(COLUMNS, 1e-6)
    level = np.clip(1 + 20 * np.log10(relative) / VOICE_RANGE_DB, 0, 1)
    from_middle = np.abs(np.arange(ROWS) - (ROWS - 1) / 2) - 0.5
    covered = np.clip(level * ROWS / 2 - from_middle[:, None], 0, 1)
    covered[from_middle < 0.5] = 1
    return _strip_of(covered * (LINE + (1 - LINE) * level))


def strip_png(strip: Strip, palette: Palette | None = None) -> bytes:
    """The strip as a PNG of 1280 x 108 pixels, in a picture's colours or, without one, in see-through ink."""
    image = Image.frombytes("P", (COLUMNS, ROWS), strip.cells)
    image.putpalette([INK] * 3 * 256 if palette is None else _shades(palette))
    large = image.resize((COLUMNS * CELL[0], ROWS * CELL[1]), Image.Resampling.NEAREST)
    out = io.BytesIO()
    large.save(out, "PNG", compress_level=1, **({"transparency": INK_DENSITY} if palette is None else {}))
    return out.getvalue()


def _shades(palette: Palette) -> list[int]:
    """A colour for each level: red, green, blue, red, ..."""
    stops = np.array([palette.ground, palette.middle, palette.loud])
    shades = [np.interp(np.arange(256), [0, 128, 255], stops[:, channel]) for channel in range(3)]
    colours: list[int] = np.rint(np.stack(shades, axis=1)).astype(int).ravel().tolist()
    return colours


def _strip_of(levels: Levels) -> Strip:
    return Strip(np.rint(levels * 255).astype(np.uint8).tobytes())


def _spectra(samples: Samples) -> npt.NDArray[np.float32]:
    """The power of each column at each frequency up to 8 kHz, the most of its loudest moments. Shape (COLUMNS, n)."""
    width = len(samples) / COLUMNS
    window = SHORTEST_WINDOW
    while window < min(width, LONGEST_WINDOW):
        window *= 2
    samples = np.pad(samples, (0, max(0, window - len(samples))))
    parts = max(1, int(width / window))  # of each column
    edges = np.linspace(0, width * COLUMNS, COLUMNS * parts + 1)
    middles = ((edges[1:] + edges[:-1]) / 2).reshape(COLUMNS, parts)
    if parts > MOMENTS:
        energy = np.add.reduceat(np.square(samples), edges[:-1].astype(int)).reshape(COLUMNS, parts)
        loudest = np.argpartition(energy, -MOMENTS, axis=1)[:, -MOMENTS:]
        middles = np.take_along_axis(middles, loudest, axis=1)
    starts = np.clip(middles.ravel() - window / 2, 0, len(samples) - window).astype(int)
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[starts] * np.hanning(window).astype(np.float32)
    spectra = np.fft.rfft(frames, axis=1)
    power = (spectra.real**2 + spectra.imag**2).reshape(COLUMNS, -1, window // 2 + 1)
    most: npt.NDArray[np.float32] = power.max(axis=1)
    return most


def _in_bands(spectra: npt.NDArray[np.float32], edges: Levels) -> Levels:
    """The power between neighbouring `edges` (Hz), shape (bands, COLUMNS); a bin between two is shared out."""
    below = np.cumsum(spectra, axis=1, dtype=np.float64)
    place = edges / (SAMPLE_RATE / 2) * (spectra.shape[1] - 1) - 0.5
    whole = np.clip(place.astype(int), 0, spectra.shape[1] - 2)
    summed = below[:, whole] + (below[:, whole + 1] - below[:, whole]) * (place - whole)
    bands: Levels = np.maximum(np.diff(summed, axis=1), 0).T
    return bands


def _range_of(pitches: Levels) -> tuple[float, float]:
    """The lowest and highest frequency (Hz) between which there is something."""
    share = np.cumsum(np.sqrt(pitches).sum(axis=1))
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, PITCHES + 1)
    low = edges[np.searchsorted(share, LEFT_OUT * share[-1])]
    high = edges[np.searchsorted(share, (1 - LEFT_OUT) * share[-1]) + 1]
    wider = max(1.0, float(np.sqrt(LEAST_RATIO * low / high)))
    return max(LOWEST_HZ, low / wider), min(HIGHEST_HZ, high * wider)


def _levels(rows: Levels) -> Levels:
    """Power as levels: what is as loud as the background is faint, the loudest cell 1."""
    decibels = 10 * np.log10(np.maximum(rows / rows.max(), 1e-9))
    depth = float(np.clip(8 - np.percentile(decibels, 30), 36, 54))
    levels: Levels = np.clip(1 + decibels / depth, 0, 1)
    return levels
