"""Any container becomes a clip; anything else becomes one clear error."""

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.errors import (
    DecodingTimedOut,
    EmptyRecording,
    NoSound,
    NotAudio,
    RecordingError,
    RecordingTooLarge,
)
from core.hearing.audio import SAMPLE_RATE, AudioLimits, convert_to_wav, load_clip
from core.hearing.samples import birdsong, siren, write_wav

FILM = ["-f", "lavfi", "-i", "color=c=blue:s=64x64:r=5:d=5", "-map", "0:a", "-map", "1:v", "-c:v", "libx264"]
CONTAINERS = {
    "wav": [],
    "mp3": [],
    "flac": [],
    "aac": [],
    "ogg": ["-c:a", "libopus", "-ar", "48000", "-b:a", "32k", "-ac", "1"],
    "oga": ["-c:a", "libvorbis"],
    "opus": ["-c:a", "libopus"],
    "m4a": ["-c:a", "aac"],
    "webm": ["-c:a", "libopus"],
    "mka": ["-c:a", "libvorbis"],
    "aiff": [],
    "mp4": FILM,
    "mov": FILM,
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_every_container_is_heard_by_its_content_not_its_name(
    container: str, siren_wav: Path, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    encoded = tmp_path / f"recording.{container}"
    ffmpeg("-i", siren_wav, *CONTAINERS[container], encoded)
    misnamed = encoded.rename(tmp_path / "recording.txt")

    clip = load_clip(misnamed)

    assert clip.samples.dtype == np.float32
    assert clip.samples.ndim == 1
    assert clip.duration_s == pytest.approx(5.0, abs=0.15)
    assert np.abs(clip.samples).max() == pytest.approx(0.7, abs=0.15)
    assert not clip.shortened
    assert not clip.damaged


PHONE_CODECS = {
    **{f"aac {rate}k x{channels}": ["-c:a", "aac", "-b:a", f"{rate}k", "-ac", str(channels)]
       for rate in (64, 96, 128, 192, 256) for channels in (1, 2)},
    **{f"alac x{channels}": ["-c:a", "alac", "-ac", str(channels)] for channels in (1, 2)},
    "aac 128k x2, index in front": ["-c:a", "aac", "-b:a", "128k", "-ac", "2", "-movflags", "+faststart"],
}  # fmt: skip


@pytest.mark.parametrize("seconds", [1, 8, 20])
def test_ordinary_phone_recordings_are_heard_whole(seconds: int, tmp_path: Path, ffmpeg: Callable[..., None]) -> None:
    """Most have their index at the end, far beyond what a pipe's reader looks ahead; `make recordings` has more."""
    source = write_wav(tmp_path / "long.wav", np.tile(birdsong(5), 12)[: seconds * SAMPLE_RATE])
    outputs = {name: tmp_path / f"{number}.m4a" for number, name in enumerate(PHONE_CODECS)}
    options = [[*PHONE_CODECS[name], "-ar", "44100", path] for name, path in outputs.items()]
    ffmpeg("-i", source, *(argument for option in options for argument in option))
    heard = {name: load_clip(path.read_bytes()).duration_s for name, path in outputs.items()}
    assert heard == {name: pytest.approx(seconds, abs=0.15) for name in PHONE_CODECS}


def test_bytes_are_heard_like_files(siren_wav: Path) -> None:
    assert np.array_equal(load_clip(siren_wav.read_bytes()).samples, load_clip(siren_wav).samples)


def test_stereo_at_another_rate_becomes_mono_at_16_khz(
    siren_wav: Path, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    ffmpeg("-i", siren_wav, "-ac", "2", "-ar", "44100", tmp_path / "stereo.wav")
    assert load_clip(tmp_path / "stereo.wav").duration_s == pytest.approx(5.0, abs=0.01)


def test_a_longer_recording_is_heard_from_its_start(siren_wav: Path) -> None:
    clip = load_clip(siren_wav, AudioLimits(max_seconds=2))
    assert clip.duration_s == 2.0
    assert clip.shortened
    assert np.array_equal(clip.samples, load_clip(siren_wav).samples[: 2 * SAMPLE_RATE])


def test_a_recording_of_just_the_limit_is_not_called_shortened(siren_wav: Path) -> None:
    assert not load_clip(siren_wav, AudioLimits(max_seconds=5)).shortened


def test_mp3_is_converted_to_wav(siren_wav: Path, tmp_path: Path, ffmpeg: Callable[..., None]) -> None:
    ffmpeg("-i", siren_wav, tmp_path / "siren.mp3")
    seconds = convert_to_wav(tmp_path / "siren.mp3", tmp_path / "out.wav")
    assert seconds == pytest.approx(5.0, abs=0.15)
    assert (tmp_path / "out.wav").read_bytes()[:4] == b"RIFF"
    assert load_clip(tmp_path / "out.wav").duration_s == pytest.approx(seconds, abs=0.01)


def _text(directory: Path, *_: object) -> Path:
    path = directory / "notes.mp3"
    path.write_text("I am not music.\n" * 100)
    return path


def _cut_off(directory: Path, siren: Path, ffmpeg: Callable[..., None]) -> Path:
    """An m4a without its index, which stands at the end."""
    ffmpeg("-i", siren, directory / "whole.m4a")
    path = directory / "cut.m4a"
    path.write_bytes((directory / "whole.m4a").read_bytes()[:2000])
    return path


def _silent_film(directory: Path, _: Path, ffmpeg: Callable[..., None]) -> Path:
    path = directory / "film.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=c=red:s=64x64:r=5:d=1", path)
    return path


def _nothing(directory: Path, *_: object) -> Path:
    path = directory / "empty.ogg"
    path.touch()
    return path


def _no_samples(directory: Path, *_: object) -> Path:
    return write_wav(directory / "none.wav", siren()[:0])


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (_text, NotAudio),
        (_cut_off, NotAudio),
        (_silent_film, NoSound),
        (_nothing, EmptyRecording),
        (_no_samples, RecordingError),
    ],
)
def test_what_cannot_be_heard_is_said_in_one_sentence(
    make: Callable[..., Path],
    error: type[RecordingError],
    siren_wav: Path,
    tmp_path: Path,
    ffmpeg: Callable[..., None],
) -> None:
    with pytest.raises(error) as told:
        load_clip(make(tmp_path, siren_wav, ffmpeg))
    assert str(told.value).endswith(".")
    assert "\n" not in str(told.value)
    assert "Traceback" not in str(told.value)


def test_a_recording_cut_off_in_the_middle_is_heard_up_to_there(
    siren_wav: Path, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    ffmpeg("-i", siren_wav, "-c:a", "libopus", tmp_path / "whole.ogg")
    whole = (tmp_path / "whole.ogg").read_bytes()
    assert 1 < load_clip(whole[: len(whole) * 2 // 3]).duration_s < 4.9


@pytest.mark.parametrize("container", ["flac", "mp4", "webm"])
def test_a_damaged_recording_is_heard_as_far_as_it_goes_and_said_to_be_so(
    container: str, siren_wav: Path, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    options = ["-c:a", "aac", "-movflags", "+faststart"] if container == "mp4" else []
    whole = tmp_path / f"whole.{container}"
    ffmpeg("-i", siren_wav, *options, whole)
    data = whole.read_bytes()
    assert not load_clip(data).damaged
    cut = load_clip(data[: len(data) * 2 // 3])
    assert cut.damaged
    assert 1 < cut.duration_s < 4.9


def test_too_large_a_file_is_refused_before_it_is_read(siren_wav: Path) -> None:
    with pytest.raises(RecordingTooLarge, match=r"more than the 0\.001 MB"):
        load_clip(siren_wav, AudioLimits(max_bytes=1000))


def test_decoding_has_a_wall_clock_limit(siren_wav: Path) -> None:
    with pytest.raises(DecodingTimedOut, match="could not be decoded within"):
        load_clip(siren_wav, AudioLimits(timeout_s=0.001))


class _Web(http.server.BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def test_a_playlist_opens_neither_the_network_nor_another_file(siren_wav: Path) -> None:
    asked: list[str] = []
    handler = type("Web", (_Web,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{web.server_address[1]}/secret.wav"
        playlists = [
            f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n"
            for target in (address, f"file://{siren_wav}", str(siren_wav))
        ]
        playlists.append(f"ffconcat version 1.0\nfile '{siren_wav}'\n")
        for playlist in playlists:
            with pytest.raises(NotAudio):
                load_clip(playlist.encode())
        web.shutdown()
    assert asked == []


def test_reading_a_recording_keeps_no_other_core_busy() -> None:
    """BLAS hands long sums to threads, which then wait for more with all that their cores can do."""
    used = subprocess.run([sys.executable, "-c", READING], capture_output=True, text=True, timeout=120, check=True)
    process, thread = map(float, used.stdout.split())
    assert process < 2 * thread, "milliseconds of the whole process, and of the thread that reads"


READING = """
import io, time, wave
import numpy as np
from core.hearing.audio import load_clip
from core.settings import CoreSettings

noise = (np.random.default_rng(0).standard_normal(5 * 44100) * 3000).astype("<i2")
buffer = io.BytesIO()
with wave.open(buffer, "wb") as file:
    file.setparams((1, 2, 44100, 0, "NONE", ""))
    file.writeframes(noise.tobytes())
limits = CoreSettings(_env_file=None).audio_limits
load_clip(buffer.getvalue(), limits)
process, thread = time.process_time(), time.thread_time()
for _ in range(10):
    load_clip(buffer.getvalue(), limits)
print(1e3 * (time.process_time() - process), 1e3 * (time.thread_time() - thread))
"""
