"""Hundreds of recordings, every one of which ffmpeg plays from disk: containers, codecs, sizes, channels and levels.

They are encoded on the spot; each is made when it is asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from core.hearing.samples import birdsong, siren
from core.hearing.sound import SAMPLE_RATE
from tests.hearing.reference import encode

FASTSTART = ("-movflags", "+faststart")
FRAGMENTED = ("-movflags", "+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "500000")
INDEX = {"index at the end": (), "index first": FASTSTART, "fragments": FRAGMENTED}
PICTURE = ("-f", "lavfi", "-i", "color=c=blue:s=64x64:r=5")
FILM = ("-map", "1:a", "-map", "0:v", "-c:v", "libx264", "-shortest")

SOUND_FILES: dict[str, tuple[tuple[str, ...], tuple[int, ...]]] = {
    # ending: options, and the numbers of channels
    "wav u8": (("-c:a", "pcm_u8"), (1, 2)),
    "wav s16": (("-c:a", "pcm_s16le"), (1, 2, 6)),
    "wav s24": (("-c:a", "pcm_s24le"), (1, 2)),
    "wav s32": (("-c:a", "pcm_s32le"), (1,)),
    "wav f32": (("-c:a", "pcm_f32le"), (1, 2, 6)),
    "wav f64": (("-c:a", "pcm_f64le"), (1,)),
    "wav mulaw": (("-c:a", "pcm_mulaw", "-ar", "8000"), (1,)),
    "wav alaw": (("-c:a", "pcm_alaw", "-ar", "8000"), (1,)),
    "wav adpcm_ms": (("-c:a", "adpcm_ms"), (1, 2)),
    "wav adpcm_ima": (("-c:a", "adpcm_ima_wav"), (1, 2)),
    "wav mp3": (("-c:a", "libmp3lame"), (2,)),
    "w64": ((), (1, 2)),
    "aiff": ((), (1, 2)),
    "aiff s24": (("-c:a", "pcm_s24be"), (2,)),
    "au": ((), (1, 2)),
    "caf": ((), (1, 2)),
    "caf alac": (("-c:a", "alac"), (2,)),
    "mp3 64k": (("-b:a", "64k"), (1, 2)),
    "mp3 320k": (("-b:a", "320k"), (2,)),
    "mp3 vbr": (("-q:a", "4"), (1, 2)),
    "mp2": ((), (1, 2)),
    "aac": ((), (1, 2)),
    "ac3": ((), (1, 2, 6)),
    "eac3": ((), (2,)),
    "dts": (("-c:a", "dca", "-strict", "-2"), (2, 6)),
    "flac": ((), (1, 2, 6)),
    "flac s24": (("-sample_fmt", "s32"), (2,)),
    "ogg vorbis": (("-c:a", "libvorbis"), (1, 2, 6)),
    "ogg opus": (("-c:a", "libopus", "-ar", "48000"), (1, 2)),
    "ogg flac": (("-c:a", "flac"), (2,)),
    "opus 16k": (("-b:a", "16k", "-ar", "48000"), (1,)),
    "opus 128k": (("-b:a", "128k", "-ar", "48000"), (2,)),
    "webm opus": (("-c:a", "libopus", "-ar", "48000"), (1, 2)),
    "webm vorbis": (("-c:a", "libvorbis"), (2,)),
    "mka vorbis": (("-c:a", "libvorbis"), (1, 2)),
    "mka flac": (("-c:a", "flac"), (2,)),
    "mka aac": (("-c:a", "aac"), (2,)),
    "mka pcm": (("-c:a", "pcm_s16le"), (1,)),
    "wma": (("-c:a", "wmav2"), (1, 2)),
    "wma v1": (("-c:a", "wmav1"), (2,)),
    "tta": ((), (1, 2)),
    "wv": ((), (1, 2)),
    "3gp amr": (("-c:a", "libopencore_amrnb", "-ar", "8000", "-b:a", "12.2k"), (1,)),
    "amr": (("-c:a", "libopencore_amrnb", "-ar", "8000", "-b:a", "12.2k"), (1,)),
}
FILMS: dict[str, tuple[str, ...]] = {
    "mkv": ("-c:a", "aac"),
    "webm": ("-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"),
    "avi": ("-c:a", "libmp3lame"),
    "avi pcm": ("-c:a", "pcm_s16le"),
    "flv": ("-c:v", "flv", "-c:a", "libmp3lame", "-ar", "44100"),
    "flv aac": ("-c:a", "aac"),
    "ts": ("-c:a", "aac"),
    "ts mp2": ("-c:a", "mp2"),
    "mpg": ("-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2"),
    "wmv": ("-c:v", "wmv2", "-c:a", "wmav2"),
}
WITH_INDEX: dict[str, tuple[str, ...]] = {
    "m4a aac": ("-c:a", "aac"),
    "m4a alac": ("-c:a", "alac"),
    "m4b": ("-c:a", "aac", "-f", "ipod"),
    "mp4 film": ("-c:a", "aac"),
    "mov film": ("-c:a", "aac"),
    "mov pcm": ("-c:a", "pcm_s16le"),
    "3gp film": ("-c:a", "aac"),
}
LEVELS_DB = (0, -25, -55)
SECONDS = (2, 12)


@dataclass(frozen=True)
class Recipe:
    """How one recording is encoded: `before` and `after` the sound's own input on the command line."""

    name: str
    sound: str
    seconds: float
    level_db: float
    before: tuple[str, ...]
    after: tuple[str, ...]

    def cook(self, folder: Path) -> Path:
        """Encode it."""
        source = folder / f"{self.sound}-{self.seconds:g}-{self.level_db:g}.wav"
        if not source.exists():
            made = np.resize({"siren": siren, "birdsong": birdsong}[self.sound](), int(self.seconds * SAMPLE_RATE))
            scaled = made * 10 ** (self.level_db / 20)
            wavfile.write(source, SAMPLE_RATE, scaled.astype("<f4"))
        ending = self.name.split()[0]
        return encode(*self.before, "-i", source, *self.after, folder / f"recording.{ending}")


def recipes() -> Iterator[Recipe]:
    """All of them."""
    turn = 0
    for seconds in SECONDS:
        for level in LEVELS_DB:
            for name, (options, channels) in SOUND_FILES.items():
                rate = () if "-ar" in options else ("-ar", "44100")
                for number in channels:
                    turn += 1
                    sound = ("siren", "birdsong")[turn % 2]
                    yield Recipe(
                        f"{name} {number} ch", sound, seconds, level, (), ("-ac", str(number), *rate, *options)
                    )
            for name, options in FILMS.items():
                rate = () if "-ar" in options else ("-ar", "48000")
                after = (*FILM, "-ac", "2", *rate, *options)
                yield Recipe(name, "siren", seconds, level, _picture(seconds), after)
            for name, options in WITH_INDEX.items():
                for where, movement in INDEX.items():
                    film = "film" in name
                    output = (*(FILM if film else ()), "-ac", "2", "-ar", "44100", *options, *movement)
                    before = _picture(seconds) if film else ()
                    yield Recipe(f"{name}, {where}", "birdsong", seconds, level, before, output)


def _picture(seconds: float) -> tuple[str, ...]:
    return (*PICTURE, "-t", f"{seconds:g}")


def memos() -> Iterator[Recipe]:
    """65 voice memos, as a telephone makes them, the index at the end."""
    for seconds in (1, 2, 3, 5, 8, 15, 30, 60):
        for channels in ("1", "2"):
            codecs = {f"aac {rate}": ("-c:a", "aac", "-b:a", rate) for rate in ("64k", "128k", "256k")}
            for codec, options in {**codecs, "alac": ("-c:a", "alac")}.items():
                output = (*options, "-ar", "44100", "-ac", channels)
                yield Recipe(f"m4a {codec} {channels} ch", "birdsong", seconds, 0, (), output)
    output = ("-c:a", "alac", "-sample_fmt", "s32p", "-ar", "48000", "-ac", "2")
    yield Recipe("m4a alac 24 bits 2 ch", "birdsong", 20, 0, (), output)


def loudest_difference(one: np.ndarray, other: np.ndarray) -> float:
    """In steps of 16 bits; infinite where they are not equally long."""
    return float(np.abs(one - other).max(initial=0) * 32768) if len(one) == len(other) else float("inf")
