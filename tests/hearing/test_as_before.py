"""What needs no mending is heard bit for bit as ffmpeg plays it, whatever it comes in."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import wavfile

from core.hearing.audio import load_clip
from core.hearing.samples import birdsong, siren
from tests.hearing.reference import encode, play
from tests.hostile.formats import FORMATS


@pytest.fixture(scope="module")
def formats(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("formats")
    sound = folder / "sound.wav"
    wavfile.write(sound, 44_100, (np.repeat(siren(2), 3)[: 2 * 44_100] * 32767).astype("<i2"))
    return {name: encode("-i", sound, *options, folder / f"encoded.{name}") for name, options in FORMATS.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_an_ordinary_format_is_heard_as_it_is_played(name: str, formats: dict[str, Path]) -> None:
    played = play(formats[name])
    clip = load_clip(formats[name])

    assert len(played) > 1.9 * 16_000
    assert np.array_equal(clip.samples, played)
    assert clip.mendings == ()
    assert not clip.damaged
    assert not clip.silent


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4"])
def test_two_channels_are_summed_as_ffmpeg_sums_them(kind: str, rate: int, tmp_path: Path) -> None:
    """Also where it does so in whole numbers, halves rounded up: 8 bits, and 16 bits at 16 kHz."""
    two = np.stack([siren(1), birdsong(1)], 1).astype(float)
    scaled = {"u1": two * 127 + 128, "i2": two * 32767, "i4": two * (2**31 - 1), "f4": two}[kind]
    path = tmp_path / "two.wav"
    wavfile.write(path, rate, scaled.astype(f"<{kind}"))

    assert np.array_equal(load_clip(path).samples, play(path))


def test_the_surround_of_a_film_is_summed_as_ffmpeg_sums_it(tmp_path: Path) -> None:
    channels = [siren(2, seed=n) for n in range(6)]
    wavfile.write(tmp_path / "six.wav", 16_000, (np.stack(channels, 1) * 32767).astype("<i2"))
    film = encode("-i", tmp_path / "six.wav", "-c:a", "ac3", "-ar", "48000", tmp_path / "six.ac3")

    clip = load_clip(film)
    assert np.array_equal(clip.samples, play(film))
    assert clip.mendings == ()
