"""What would hide a sound is mended and told; what hides nothing is left alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from core.hearing.audio import Clip, Mending, load_clip
from core.hearing.categories import get_top_categories
from core.hearing.classifier import SoundClassifier
from core.hearing.floor import is_silent, is_steady
from core.hearing.mending import high_pass, inaudible_share, mend, to_16_bits
from core.hearing.samples import birdsong, rain, siren
from core.hearing.sound import SAMPLE_RATE, Samples, frame_levels
from core.models import ModelStore
from core.settings import CoreSettings
from tests.hearing.reference import encode, play

RANDOM = np.random.default_rng(7)


def _wav(path: Path, sound: np.ndarray) -> Path:
    """As float32 where it leaves full scale, else in 16 bits."""
    inside = np.abs(sound).max() <= 1
    wavfile.write(path, SAMPLE_RATE, (sound * 32767).astype("<i2") if inside else sound.astype("<f4"))
    return path


@pytest.fixture(scope="module")
def classifier() -> SoundClassifier:
    """The miniature, whatever other tests hear with: the figures here are its own."""
    return SoundClassifier(ModelStore(CoreSettings(download_models=False)).yamnet().path)


def _score(classifier: SoundClassifier, clip: Clip, name: str) -> float:
    return next((top.score for top in get_top_categories(classifier.classify(clip)) if top.name == name), 0.0)


CASES: dict[str, tuple[Callable[[], np.ndarray], str, float, Mending]] = {
    "two channels that cancel": (lambda: np.stack([siren(), -siren()], 1), "Siren", 0.7, Mending.LOUDER_CHANNEL),
    "much louder than full scale": (lambda: 8 * birdsong(), "Bird", 0.9, Mending.PEAK),
    "an offset": (lambda: 0.05 * birdsong() + 0.7, "Bird", 0.9, Mending.HIGH_PASS),
    "infrasound": (
        lambda: 0.1 * birdsong() + 0.6 * np.sin(2 * np.pi * 4 * np.arange(80_000) / 16_000), "Bird", 0.9,
        Mending.HIGH_PASS,
    ),
    "faint": (lambda: siren() / np.abs(siren()).max() * 10 ** (-75 / 20), "Siren", 0.6, Mending.LEVEL),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_hidden_sound_is_heard_and_it_is_told_how(case: str, tmp_path: Path, classifier: SoundClassifier) -> None:
    make, name, least, mending = CASES[case]
    clip = load_clip(_wav(tmp_path / "hidden.wav", make()))

    assert _score(classifier, clip, name) >= least
    assert clip.mendings == (mending,)
    assert np.abs(clip.samples).max() <= 1
    assert mending.says.endswith(".")


def test_the_louder_of_two_channels_is_taken(tmp_path: Path) -> None:
    path = _wav(tmp_path / "two.wav", np.stack([-0.8 * siren(), siren()], 1))
    clip = load_clip(path)
    assert clip.mendings == (Mending.LOUDER_CHANNEL,)
    assert np.abs(clip.samples - siren()).max() < 1e-3


@pytest.mark.parametrize("other", [0.0, 0.9, -0.3], ids=["one side", "both sides", "a little in the other"])
def test_channels_that_do_not_cancel_are_summed(other: float, tmp_path: Path) -> None:
    path = _wav(tmp_path / "two.wav", np.stack([siren(), other * siren()], 1))
    clip = load_clip(path)
    assert clip.mendings == ()
    assert np.array_equal(clip.samples, play(path))


def test_what_only_bats_hear_is_not_taken_for_channels_that_cancel(tmp_path: Path) -> None:
    """Above 8 kHz nothing is left of it, and of a quiet tone in the same recording, what was there before."""
    time = np.arange(3 * 48_000) / 48_000
    both = 0.6 * np.sin(2 * np.pi * 15_000 * time) + 0.02 * np.sin(2 * np.pi * 600 * time)
    wavfile.write(tmp_path / "bats.wav", 48_000, (np.stack([both, both], 1) * 32767).astype("<i2"))
    clip = load_clip(tmp_path / "bats.wav")
    assert Mending.LOUDER_CHANNEL not in clip.mendings


def test_several_mendings_are_told_in_their_order(tmp_path: Path) -> None:
    faint = 0.001 * siren() + 0.2
    clip = load_clip(_wav(tmp_path / "both.wav", np.stack([faint, -faint], 1)))
    assert clip.mendings == (Mending.LOUDER_CHANNEL, Mending.HIGH_PASS, Mending.LEVEL)


def test_damage_in_a_floating_point_recording_is_silenced_and_the_rest_is_heard(
    tmp_path: Path, classifier: SoundClassifier
) -> None:
    sound = birdsong().copy()
    sound[[100, 200, 300, 400]] = np.nan, np.inf, -np.inf, 3e38
    wavfile.write(tmp_path / "damaged.wav", SAMPLE_RATE, sound)
    assert _score(classifier, load_clip(tmp_path / "damaged.wav"), "Bird") >= 0.9


def test_a_recording_in_the_steps_of_32_bits_written_as_floats_is_turned_down(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "steps.wav", SAMPLE_RATE, (birdsong() * 2.0**31).astype("<f4"))
    clip = load_clip(tmp_path / "steps.wav")
    assert clip.mendings == (Mending.PEAK,)
    assert np.abs(clip.samples).max() == pytest.approx(1)


def _hiss(level_db: float, seconds: float = 5.0) -> Samples:
    noise: Samples = RANDOM.normal(0, 10 ** (level_db / 20), int(seconds * SAMPLE_RATE)).astype(np.float32)
    return noise


def _hum(level_db: float) -> Samples:
    time = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    wave = np.sum([np.sin(2 * np.pi * 50 * k * time) / k for k in (1, 2, 3, 4, 5)], axis=0)
    hum: Samples = (10 ** (level_db / 20) * wave).astype(np.float32)
    return hum + _hiss(level_db - 20)


@pytest.mark.parametrize(
    "sound",
    [np.zeros(80_000, np.float32), np.full(80_000, 0.4, np.float32), _hiss(-95), _hiss(-70), _hiss(-50), _hum(-60)],
    ids=["nothing", "an offset alone", "dither", "faint hiss", "a quiet room", "hum"],
)
def test_digital_silence_and_a_steady_noise_floor_are_not_turned_up(sound: Samples, tmp_path: Path) -> None:
    clip = load_clip(_wav(tmp_path / "quiet.wav", sound))
    assert clip.silent
    assert Mending.LEVEL not in clip.mendings


@pytest.mark.parametrize("offset", [0.0, 0.4])
def test_digital_silence_is_heard_as_silence(offset: float, tmp_path: Path, classifier: SoundClassifier) -> None:
    clip = load_clip(_wav(tmp_path / "quiet.wav", np.full(80_000, offset)))
    assert [top.name for top in get_top_categories(classifier.classify(clip))] == ["Silence"]


@pytest.mark.parametrize("level", [-50, -60, -70, -80])
@pytest.mark.parametrize("make", [siren, birdsong])
def test_a_faint_sound_is_no_silence(make: object, level: float) -> None:
    assert callable(make)
    sound: Samples = make()
    faint = to_16_bits(sound * np.float32(10 ** ((level - frame_levels(sound).max()) / 20)))
    assert not is_silent(faint, frame_levels(faint))


def test_one_faint_click_in_an_hour_of_hiss_is_no_silence() -> None:
    """Ten minutes of it, at least: that much is looked through."""
    hiss = _hiss(-75, seconds=600)
    assert is_steady(hiss)
    hiss[5_000_000:5_000_400] += _hiss(-50, seconds=0.025)
    assert not is_steady(hiss)


def test_rain_is_no_silence_unless_it_is_faint() -> None:
    assert not is_silent(rain(), frame_levels(rain()))


def test_nothing_is_mended_in_ordinary_sounds() -> None:
    for sound in (siren(), birdsong(), rain(), 0.02 * siren(), np.zeros(0, np.float32)):
        mended, mendings = mend(np.asarray(sound, np.float32))
        assert mendings == ()
        assert np.array_equal(mended, to_16_bits(np.asarray(sound, np.float32)))


def test_the_high_pass_takes_what_is_below_20_hz_and_leaves_what_is_above() -> None:
    time = np.arange(10 * SAMPLE_RATE) / SAMPLE_RATE
    gains = {}
    for frequency in (2, 20, 100, 1000):
        passed = high_pass(np.sin(2 * np.pi * frequency * time).astype(np.float32))[SAMPLE_RATE:]
        gains[frequency] = 10 * np.log10(2 * np.mean(passed.astype(float) ** 2))
    assert gains[2] == pytest.approx(-40, abs=1)
    assert gains[20] == pytest.approx(-3, abs=0.2)
    assert gains[100] == pytest.approx(0, abs=0.1)
    assert gains[1000] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("share", [0.1, 0.45, 0.55, 0.9])
def test_the_inaudible_share_is_known_near_the_limit(share: float) -> None:
    time = np.arange(5 * SAMPLE_RATE) / SAMPLE_RATE
    low, high = np.sin(2 * np.pi * 13 * time), np.sin(2 * np.pi * 700 * time)
    sound = (np.sqrt(share) * low + np.sqrt(1 - share) * high).astype(np.float32)
    assert inaudible_share(sound) == pytest.approx(share, abs=0.02 if share > 0.4 else 0.2)


def test_a_clip_becomes_pydubs_segment() -> None:
    segment = Clip(siren(seconds=2)).to_segment()
    assert segment.duration_seconds == 2
    assert (segment.channels, segment.frame_rate, segment.sample_width) == (1, SAMPLE_RATE, 2)
    assert segment.max_dBFS == pytest.approx(20 * np.log10(0.7), abs=0.01)


def test_what_is_turned_up_is_turned_up_once() -> None:
    clip = Clip(0.02 * siren())
    louder = clip.turned_up()
    assert louder.mendings == (Mending.LEVEL,)
    assert frame_levels(louder.samples).max() == pytest.approx(-12, abs=0.1)
    assert louder.turned_up() is louder


def test_encoded_recordings_keep_their_mendings(tmp_path: Path) -> None:
    """An opus of two channels that cancel is no digital silence once it is coded."""
    cancelled = _wav(tmp_path / "two.wav", np.stack([siren(), -siren()], 1))
    coded = encode("-i", cancelled, "-c:a", "libmp3lame", "-b:a", "192k", tmp_path / "two.mp3")
    assert load_clip(coded).mendings == (Mending.LOUDER_CHANNEL,)
