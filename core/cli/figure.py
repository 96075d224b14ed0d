"""A chart of what was heard: the spectrogram above, the labels on a time line below.

A pure function from samples and predictions to PNG bytes. It draws on its own Figure, never through pyplot, so that
any thread may call it; drawing takes a few hundred milliseconds. Matplotlib loads when it is first used.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from core.hearing.audio import SAMPLE_RATE, Clip, Samples
from core.hearing.categories import TopCategory
from core.hearing.classifier import WINDOW_SAMPLES, Prediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = 5
"""How many labels the time line shows."""

MARGINS = (0.24, 0.1, 0.985, 0.975, None, 0.08)
"""Left, bottom, right, top, and between the two parts, as shares of the figure: fixed, which draws about twice as fast
as letting Matplotlib find room."""

WINDOW_S = WINDOW_SAMPLES / SAMPLE_RATE
FFT_SAMPLES = 512
"""32 ms at 16 kHz: fine enough to tell chirps and barks apart in both directions."""
RANGE_DB = 70.0
"""What is this much quieter than the loudest moment is drawn as the background."""

BACKGROUND, INK, FAINT = "#1e1f22", "#dbdee1", "#4e5058"
COLOURS = "magma"


def draw_heard(
    clip: Clip, predictions: Sequence[Prediction], top: Sequence[TopCategory], *, size: tuple[int, int] = (1000, 560)
) -> bytes:
    """The figure as a PNG of `size` pixels. `top` are the labels in order; the first ROWS of them are shown."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dpi = 100
    figure = Figure(figsize=(size[0] / dpi, size[1] / dpi), dpi=dpi, facecolor=BACKGROUND)
    figure.subplots_adjust(*MARGINS)
    canvas = FigureCanvasAgg(figure)
    names = [category.name for category in top[:ROWS]]
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 0.6 + 0.45 * max(1, len(names))))
    seconds = max(clip.duration_s, 1 / SAMPLE_RATE)
    _draw_spectrogram(above, clip.samples, seconds)
    _draw_time_line(below, names, predictions, seconds)
    out = io.BytesIO()
    canvas.print_png(out, pil_kwargs={"compress_level": 2})  # type: ignore[no-untyped-call]
    return out.getvalue()


def _draw_spectrogram(axes: Axes, samples: Samples, seconds: float) -> None:
    levels = spectrogram_db(samples)
    axes.imshow(
        levels,
        origin="lower",
        aspect="auto",
        extent=(0.0, seconds, 0.0, SAMPLE_RATE / 2000),
        cmap=COLOURS,
        vmin=-RANGE_DB,
        vmax=0.0,
        interpolation="nearest",
    )
    axes.set_ylabel("kHz", color=INK, fontsize=12)
    axes.tick_params(labelbottom=False)
    _dress(axes)


def _draw_time_line(axes: Axes, names: Sequence[str], predictions: Sequence[Prediction], seconds: float) -> None:
    """One row a label; in each window a bar, the brighter the surer."""
    from matplotlib import colormaps

    colours = colormaps[COLOURS]
    for row, name in enumerate(names):
        axes.axhline(row, color=FAINT, linewidth=0.6, zorder=0)
        for window in predictions:
            score = next((category.score for category in window.categories if category.name == name), 0.0)
            start = window.timestamp_ms / 1000
            length = min(WINDOW_S, seconds - start)
            if score >= 0.02 and length > 0:
                colour = colours(0.25 + 0.75 * min(1.0, score))
                axes.barh(row, length, left=start, height=0.3 + 0.5 * min(1.0, score), color=colour)
    axes.set_yticks(range(len(names)), [_shortened(name) for name in names])
    axes.set_ylim(max(1, len(names)) - 0.4, -0.6)
    axes.set_xlim(0.0, seconds)
    axes.set_xlabel("seconds", color=INK, fontsize=12)
    _dress(axes)


def _dress(axes: Axes) -> None:
    axes.set_facecolor(BACKGROUND)
    axes.tick_params(colors=INK, labelsize=12)
    for spine in axes.spines.values():
        spine.set_color(FAINT)


def _shortened(name: str, most: int = 24) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def spectrogram_db(samples: Samples) -> npt.NDArray[np.float32]:
    """Power over frequency (rows, 0 to 8 kHz) and time (columns), in dB relative to the loudest; Hann windows."""
    step = max(FFT_SAMPLES // 2, len(samples) // 1200)  # no more columns than pixels
    padded = np.pad(samples, (0, max(0, FFT_SAMPLES - len(samples))))
    starts = np.arange(0, len(padded) - FFT_SAMPLES + 1, step)
    frames = padded[starts[:, None] + np.arange(FFT_SAMPLES)] * np.hanning(FFT_SAMPLES)
    power = np.abs(np.fft.rfft(frames, axis=1)).T ** 2
    loudest = float(power.max())
    if loudest <= 0.0:
        return np.full(power.shape, -RANGE_DB, dtype=np.float32)
    levels: Samples = np.maximum(10 * np.log10(np.maximum(power / loudest, 1e-12)), -RANGE_DB).astype(np.float32)
    return levels
