"""Films, and what is in them, by the bundled ffmpeg alone."""

import io
import re
import struct
import subprocess
import threading
import wave
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from core.stories.film import FPS, FilmOptions, Shot, make_film

RATE = 48_000
Sound = npt.NDArray[np.float64]
"""Full scale at 1, shape (n,) or (n, channels)."""


def write_sound(path: Path, sound: Sound, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if sound.ndim == 1 else sound.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((sound.clip(-1, 1) * 32767).round().astype("<i2").tobytes())
    return path


def read_sound(path: Path) -> tuple[int, Sound]:
    """The rate and the samples, shape (n, channels)."""
    with wave.open(str(path), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        return file.getframerate(), samples / 32768


def tone(seconds: float, level: float = 0.1, hz: float = 440.0) -> Sound:
    return np.asarray(level * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE), np.float64)


def grain(number: int, size: tuple[int, int] = (256, 256)) -> Image.Image:
    """A picture with much to encode."""
    noise = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return Image.fromarray(noise)


def shots_of(images: Sequence[Image.Image], seconds: float) -> list[Shot]:
    """As many shots, of one length."""
    length = seconds / len(images)
    return [Shot(image, n * length, (n + 1) * length, f"Scene {n + 1}") for n, image in enumerate(images)]


def film_of(
    shots: Sequence[Shot],
    sound: Path,
    target: Path,
    *,
    max_bytes: int | None = None,
    captions: bool = False,
    title: str = "A walk",
    progress: Callable[[float], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> tuple[int, int]:
    options = FilmOptions(title, "some/model", max_bytes, captions)
    return make_film(shots, sound, target, options, progress=progress, stop=stop or threading.Event())


@dataclass(frozen=True)
class Facts:
    """What ffmpeg says of a file; `seconds` with two decimals."""

    text: str

    @property
    def seconds(self) -> float:
        found = re.search(r"Duration: (\d+):(\d+):([\d.]+), start: ([-\d.]+)", self.text)
        assert found
        assert float(found[4]) == 0
        return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])

    def has(self, pattern: str) -> bool:
        return re.search(pattern, self.text) is not None


def _ffmpeg(*arguments: str | Path) -> "subprocess.CompletedProcess[bytes]":
    command = [get_ffmpeg_exe(), "-nostdin", "-hide_banner", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, timeout=300, check=False)


def facts(film: Path) -> Facts:
    return Facts(_ffmpeg("-i", film).stderr.decode())


def xmp(film: Path) -> str:
    """The film's XMP, as ffmpeg reads it; "" where there is none."""
    told = _ffmpeg("-export_xmp", "1", "-i", film, "-f", "ffmetadata", "-").stdout.decode()
    found = re.search(r"^xmp=(.*)$", told, re.MULTILINE)
    return re.sub(r"\\(.)", r"\1", found[1]) if found else ""


def lightness(film: Path) -> npt.NDArray[np.float64]:
    """The mean of each frame, as it is shown at 12 frames a second from the film's beginning on, from 0 to 255."""
    form = ("-vf", "scale=48:48:flags=neighbor", "-r", "12", "-pix_fmt", "gray", "-f", "rawvideo")
    scaled = _ffmpeg("-i", film, *form, "-")
    return np.asarray(np.frombuffer(scaled.stdout, np.uint8).reshape(-1, 48 * 48).mean(axis=1), np.float64)


def picture_at(film: Path, at_s: float) -> Image.Image:
    shown = _ffmpeg("-ss", f"{at_s}", "-i", film, "-frames:v", "1", "-f", "image2pipe", "-c:v", "ppm", "-")
    return Image.open(io.BytesIO(shown.stdout)).convert("RGB")


def heard(film: Path) -> Sound:
    """The sound as it is played from the film's beginning on, shape (n, channels)."""
    channels = 1 if facts(film).has(r"Audio: aac.* mono,") else 2
    played = _ffmpeg("-i", film, "-af", "aresample=async=1:first_pts=0", "-f", "f32le", "-c:a", "pcm_f32le", "-")
    return np.frombuffer(played.stdout, "<f4").reshape(-1, channels).astype(np.float64)


def apart_s(film: Path, cuts: Iterable[float]) -> list[float]:
    """How far the middle of each fade between light and dark and the click at its cut are apart, as they are played."""
    light, sound = lightness(film), np.abs(heard(film)[:, 0])
    return [abs(_seen_s(light, cut) - _heard_s(sound, cut)) for cut in cuts]


def _seen_s(light: npt.NDArray[np.float64], cut: float) -> float:
    """When it is half as light as between before and after the fade. A frame shows the middle of its time."""
    near = np.arange(int((cut - 0.6) * FPS), int((cut + 0.6) * FPS))
    levels = light[near] if light[near[-1]] > light[near[0]] else -light[near]
    return float(np.interp((levels[0] + levels[-1]) / 2, levels, near) + 0.5) / FPS


def _heard_s(sound: Sound, cut: float) -> float:
    begin = int((cut - 0.5) * RATE)
    return float(begin + sound[begin : begin + RATE].argmax()) / RATE


def loudness(film: Path) -> tuple[float, float]:
    """LUFS and true peak in dB."""
    said = _ffmpeg(
        "-i", film, "-map", "0:a", "-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-"
    ).stderr.decode()
    found = re.findall(r"(?:I: +|Peak: +)(-?[\d.]+|-inf|nan) (?:LUFS|dBFS)", said)
    return float(found[0]), float(found[1])


def boxes(film: Path) -> list[str]:
    """The kinds of the outermost boxes, in order."""
    data = film.read_bytes()
    kinds = []
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        kinds.append(kind.decode())
        assert size >= 8
        at += size
    assert at == len(data)
    return kinds
