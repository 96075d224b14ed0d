"""A sound's strip: where and how high it is, in ink or in a picture's colours; of voices, loudness and nothing else."""

import io
import itertools
import re
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.hearing.audio import load_clip
from core.hearing.classifier import Category, Prediction
from core.hearing.ears import MOST_PASSES, Ears
from core.hearing.palette import Palette, palette_of
from core.hearing.samples import birdsong, rain, silence, siren, thunderstorm
from core.hearing.sound import SAMPLE_RATE, Samples
from core.hearing.strip import COLUMNS, ROWS, Strip, loudness, strip_png, weave
from core.hearing.voice import VOICE, may_hold_voice
from core.models import ModelStore
from core.prompting.phrasebook import load_phrasebook
from core.settings import CoreSettings
from tests.tables import part

RATE = SAMPLE_RATE
PALETTE = Palette((10, 20, 30), (120, 60, 200), (250, 240, 20))


def heard(**scores: float) -> tuple[Prediction, ...]:
    """Windows, of which only the last holds these labels."""
    labels = tuple(Category(name, score) for name, score in scores.items())
    return Prediction(0, (Category("Dog", 0.9),)), Prediction(975, labels)


DOG, VOICED = heard(Dog=0.8), heard(Dog=0.8, Speech=0.1)


def tone(hertz: float, seconds: float = 4.0) -> Samples:
    return np.sin(2 * np.pi * hertz * np.arange(int(seconds * RATE)) / RATE).astype(np.float32)


def cells(strip: Strip) -> np.ndarray:
    return np.frombuffer(strip.cells, np.uint8).reshape(ROWS, COLUMNS)


def syllables(pitch: float = 130.0, seconds: float = 5.0) -> Samples:
    """Something like a voice: pulses through three wandering formants, four times a second."""
    random, at = np.random.default_rng(3), np.arange(int(seconds * RATE)) / RATE
    pulses = np.sign(np.sin(2 * np.pi * np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * at))) / RATE)) * 0.3
    voice = sum(pulses * np.sin(2 * np.pi * np.cumsum(f * (1 + 0.3 * np.sin(2 * np.pi * 3 * at))) / RATE)
                for f in (500, 1500, 2500))  # fmt: skip
    spoken = voice * np.maximum(0, np.sin(2 * np.pi * 2 * at)) + random.normal(0, 0.002, len(at))
    return np.asarray(spoken / np.abs(spoken).max() * 0.7, np.float32)


def as_loud_noise(samples: Samples, seed: int = 0) -> Samples:
    """Noise, as loud in each of the strip's columns as `samples`: nothing else is left of them."""
    edges = np.rint(np.arange(COLUMNS + 1) * len(samples) / COLUMNS).astype(int)
    noise = np.random.default_rng(seed).normal(size=len(samples))
    for begin, end in itertools.pairwise(edges):
        wanted = np.sqrt(np.mean(np.square(samples[begin:end], dtype=np.float64)))
        noise[begin:end] *= wanted / np.sqrt(np.mean(noise[begin:end] ** 2))
    return noise.astype(np.float32)


def assert_loudness_is_all(samples: Samples, windows: tuple[Prediction, ...]) -> None:
    noise = as_loud_noise(samples)
    assert weave(samples, windows) == weave(noise, windows)
    assert weave(samples, DOG) != weave(noise, DOG), "where nobody speaks they can be told apart"


# Voices


@pytest.mark.parametrize("seconds", [4.0, 5.0, 60.0])
def test_strip_of_a_voice_is_a_function_of_its_loudness_alone(seconds: float) -> None:
    assert_loudness_is_all(syllables(seconds=seconds), VOICED)


@pytest.mark.table
def test_strips_of_real_voices_are_functions_of_their_loudness_alone(recordings: Path, real_yamnet: Path) -> None:
    """Heard as the engine hears them: the scores are means of several looks."""
    (folder,) = recordings.glob("*Baby cry*")
    files = sorted(folder.glob("*.ogg"))
    assert len(files) >= 40
    clips = [load_clip(file) for file in part(files, every=4)]
    voices = [clip.samples for clip in clips]
    with closing(Ears(ModelStore(CoreSettings(yamnet_model=real_yamnet)).ears())) as ears:
        windows = [ears.hear(clip, MOST_PASSES) for clip in clips]

    assert all(may_hold_voice(one) for one in windows)
    for samples, one in zip(voices, windows, strict=True):
        assert_loudness_is_all(samples, one)


@pytest.mark.parametrize("seconds", [0.05, 0.5, 3.0])
def test_loudness_of_a_short_sound_is_not_its_wave(seconds: float) -> None:
    """In a column of 6 samples a mean would be the wave itself; the same wave at twice its pitch looks alike."""
    low, high = (weave(tone(hertz, seconds), VOICED) for hertz in (440, 880))
    steady = cells(low)[:, 8:-8]

    assert np.ptp(steady, axis=1).max() <= 40
    assert np.abs(cells(low).astype(int) - cells(high)).max() <= 40


def test_one_label_of_a_voice_in_one_window_is_enough() -> None:
    assert weave(siren(), VOICED) == weave(siren(), heard(Laughter=0.05))
    assert weave(siren(), heard(Laughter=0.049)) == weave(siren(), DOG) != weave(siren(), VOICED)


def test_where_nothing_is_known_a_voice_is_supposed() -> None:
    assert weave(siren(), ()) == weave(siren(), VOICED)


def test_voices_are_audiosets_human_voices_and_more(yamnet_labels: frozenset[str]) -> None:
    assert yamnet_labels >= VOICE
    human = {"Speech", "Shout", "Screaming", "Whispering", "Laughter", "Crying, sobbing", "Sigh", "Singing", "Humming",
             "Groan", "Grunt", "Wail, moan"}  # fmt: skip
    assert human <= VOICE
    words = re.compile(
        r"\b(speech|speaking|singing|song|vocal|voice|laugh|shout|whisper|yell|choir|cry)", re.IGNORECASE
    )
    no_people = {"Singing bowl", "Whale vocalization", "Bird vocalization, bird call, bird song"}
    assert {label for label in yamnet_labels - no_people if words.search(label)} <= VOICE


@pytest.fixture(scope="session")
def yamnet_labels() -> frozenset[str]:
    """All labels: the phrasebook has a row for each."""
    return frozenset(load_phrasebook().entries)


# Sounds


def test_a_high_tone_is_above_a_low_one() -> None:
    strip = cells(weave(np.concatenate([tone(300), tone(3000)]), DOG))

    low, high = strip[:, 20].argmax(), strip[:, 100].argmax()
    assert high < low
    assert strip[low, 100] == strip[high, 20] == 0


def test_a_bark_is_seen_where_it_was_also_in_ten_minutes() -> None:
    samples = np.random.default_rng(0).normal(0, 0.0003, 600 * RATE).astype(np.float32)
    samples[300 * RATE : 300 * RATE + RATE // 4] += tone(900, 0.25)

    strip = cells(weave(samples, DOG))

    assert strip.max(axis=0).argmax() == 64
    assert strip[:, 64].max() == 255
    assert np.delete(strip, 64, axis=1).max() < 128


def test_a_steady_tone_is_a_line_and_not_a_wall() -> None:
    strip = cells(weave(tone(1000), DOG))

    assert ((strip > 128).sum(axis=0) <= 3).all()


def test_it_says_how_a_sound_goes_and_not_how_loud_it_is() -> None:
    quieter = (siren() * np.float32(0.125)).astype(np.float32)

    assert weave(quieter, DOG) == weave(siren(), DOG)
    assert weave(quieter, VOICED) == weave(siren(), VOICED)


@pytest.mark.parametrize("predictions", [(), DOG, VOICED], ids=["nothing known", "dog", "voice"])
def test_silence_is_a_thread(predictions: tuple[Prediction, ...]) -> None:
    strip = cells(weave(silence(), predictions))

    assert np.ptp(strip, axis=1).max() == 0
    assert np.flatnonzero(strip[:, 0]).tolist() == [ROWS // 2 - 1, ROWS // 2]


@pytest.mark.parametrize(
    "predictions", [(), heard(Dog=0.9), VOICED, heard(Dog=0.9, Cat=0.5, Rain=0.4, Wind=0.3, Car=0.2)]
)
@pytest.mark.parametrize("length", [0, 1, 2, 127, 800, 15_600, 960_001])
def test_any_length_and_any_labels(length: int, predictions: tuple[Prediction, ...]) -> None:
    for samples in (np.zeros(length), np.ones(length), np.resize(birdsong(), length)):
        strip = weave(np.asarray(samples, np.float32), predictions)
        assert Image.open(io.BytesIO(strip_png(strip))).size == (1280, 108)


@pytest.mark.parametrize("level", [1e-30, 1e-6, 1.0, 2.0**31])
def test_no_loudness_is_too_much_or_too_little(level: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        for predictions in (DOG, VOICED):
            assert weave((tone(500) * np.float32(level)).astype(np.float32), predictions).cells


def test_ten_minutes_are_woven_as_well() -> None:
    strip = cells(weave(np.tile(thunderstorm(60.0), 10), DOG))

    assert (strip.max(axis=0) > 0).all()


def test_loudness_is_a_root_mean_square() -> None:
    assert loudness(np.full(5 * RATE, 0.25, np.float32)) == pytest.approx(np.full(COLUMNS, 0.25))


# Keeping and drawing


def test_it_is_kept_as_1536_bytes_and_comes_back_as_it_was() -> None:
    strip = weave(siren(), DOG)

    assert len(strip.cells) == ROWS * COLUMNS == 1536
    assert Strip(strip.cells) == strip
    with pytest.raises(ValueError, match="1536 cells"):
        Strip(b"\x89PNG")


def test_ink_is_seen_through_where_it_is_silent_and_stands_out_from_light_and_dark() -> None:
    ink = np.asarray(Image.open(io.BytesIO(strip_png(weave(birdsong(), DOG)))).convert("RGBA")).astype(float)

    assert ink[..., 3].min() == 0
    assert ink[..., 3].max() == 255
    densest = ink[ink[..., 3] == 255][0, :3]
    for wall in ((255, 255, 255), (43, 45, 49)):  # Discord's light and dark containers
        assert contrast(densest, np.array(wall)) >= 3


def test_in_colours_silence_is_the_ground_and_the_loudest_is_loud() -> None:
    strip = weave(birdsong(), DOG)
    drawn = np.asarray(Image.open(io.BytesIO(strip_png(strip, PALETTE))).convert("RGB"))[4::9, 5::10]

    assert {tuple(colour) for colour in drawn[cells(strip) == 0].tolist()} == {PALETTE.ground}
    assert {tuple(colour) for colour in drawn[cells(strip) == 255].tolist()} == {PALETTE.loud}


def light(colour: np.ndarray) -> float:
    share = colour / 255
    return float(np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722])


def contrast(one: np.ndarray, other: np.ndarray) -> float:
    dark, bright = sorted((light(one), light(other)))
    return (bright + 0.05) / (dark + 0.05)


def flat(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (64, 64), colour)


def red_on_blue() -> Image.Image:
    picture = flat((20, 40, 160))
    picture.paste((230, 60, 30), (16, 8, 48, 40))
    return picture


def test_colours_are_the_pictures_own() -> None:
    palette = palette_of(red_on_blue())

    assert palette.ground == (20, 40, 160)
    assert np.abs(np.array(palette.loud) - (230, 60, 30)).max() <= 40
    assert palette.loud[0] > palette.loud[2]


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (1024, 1024)])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_any_picture_has_colours(mode: str, size: tuple[int, int]) -> None:
    assert palette_of(Image.new(mode, size)).loud != (0, 0, 0)


@pytest.mark.parametrize(
    "picture",
    [flat((0, 0, 0)), flat((255, 255, 255)), flat((119, 119, 119)), flat((250, 230, 40)), red_on_blue()],
    ids=["black", "white", "grey", "yellow", "red on blue"],
)
def test_the_loudest_stands_out_from_the_ground_of_any_picture(picture: Image.Image) -> None:
    palette = palette_of(picture)

    assert contrast(np.array(palette.loud), np.array(palette.ground)) >= 2.9  # rounded to whole colours
    assert palette.middle not in (palette.loud, palette.ground)


# What it costs


def cpu_ms(work: Callable[[], object], times: int = 9) -> float:
    spent = []
    for _ in range(times):
        begin = time.thread_time()
        work()
        spent.append(time.thread_time() - begin)
    return 1000 * float(np.median(spent))


@pytest.mark.parametrize("predictions", [DOG, VOICED], ids=["sound", "voice"])
def test_a_minute_costs_at_most_twenty_milliseconds(predictions: tuple[Prediction, ...]) -> None:
    """3.5 to 5 for weaving, 0.4 for the PNG, 3 for the colours of a picture were measured; here is room for others."""
    samples = rain(60.0)
    picture = Image.effect_noise((1024, 1024), 60).convert("RGB")

    assert cpu_ms(lambda: strip_png(weave(samples, predictions))) <= 20
    assert cpu_ms(lambda: strip_png(weave(samples, predictions), palette_of(picture))) <= 20
