"""The figure of what was heard: a PNG of the asked size that shows the sound and its labels."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from core.cli.figure import RANGE_DB, draw_heard, spectrogram_db
from core.hearing.audio import SAMPLE_RATE, Clip
from core.hearing.categories import TopCategory
from core.hearing.classifier import Category, Prediction


def tone(hertz: float, seconds: float = 1.0) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE).astype(np.float32)


def figure(clip: Clip, name: str = "Dog", score: float = 0.9) -> Image.Image:
    predictions = [Prediction(0, (Category(name, score),)), Prediction(975, (Category(name, 0.0),))]
    png = draw_heard(clip, predictions, [TopCategory(name, score, 0.5, 0)], size=(600, 400))
    return Image.open(io.BytesIO(png)).convert("RGB")


def test_figure_is_a_png_of_the_asked_size() -> None:
    picture = figure(Clip(tone(440, 2)))

    assert picture.size == (600, 400)


def test_spectrogram_is_brightest_where_the_tone_is() -> None:
    levels = spectrogram_db(tone(2000))

    brightest = int(levels.mean(axis=1).argmax())
    assert brightest * (SAMPLE_RATE / 2) / (levels.shape[0] - 1) == pytest.approx(2000, abs=32)
    assert levels.max() == pytest.approx(0.0)
    assert levels.min() >= -RANGE_DB


def test_label_is_drawn_in_the_windows_where_it_was_heard() -> None:
    heard, unheard = figure(Clip(tone(440, 2)), score=0.9), figure(Clip(tone(440, 2)), score=0.0)

    changed = np.argwhere(np.any(np.asarray(heard) != np.asarray(unheard), axis=2))
    assert changed[:, 0].min() > 200  # below the spectrogram
    columns = changed[:, 1]
    assert columns.max() - columns.min() == pytest.approx((600 - columns.min()) * 0.975 / 2, rel=0.1)


@pytest.mark.parametrize("samples", [0, 1, 100, SAMPLE_RATE * 60])
def test_any_length_can_be_drawn(samples: int) -> None:
    assert figure(Clip(np.zeros(samples, dtype=np.float32))).size == (600, 400)


def test_no_label_and_no_window_can_be_drawn() -> None:
    assert draw_heard(Clip(tone(440)), [], []).startswith(b"\x89PNG")


def test_threads_draw_side_by_side() -> None:
    clips = [Clip(tone(hertz)) for hertz in (200, 400, 800, 1600)]
    alone = [figure(clip).tobytes() for clip in clips]

    with ThreadPoolExecutor(4) as pool:
        together = [picture.tobytes() for picture in pool.map(figure, clips)]

    assert together == alone
