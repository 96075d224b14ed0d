"""Twenty ordinary formats, encoded by ffmpeg from one sound, and their mutants.

A mutant differs from its original in a few places, and is the same for the same seed everywhere.
"""

import random
import subprocess
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from core.hearing.samples import siren, write_wav

FILM = ("-f", "lavfi", "-i", "color=c=blue:s=64x64:r=5:d=3", "-map", "0:a", "-map", "1:v", "-c:v", "libx264")
FORMATS: dict[str, tuple[str, ...]] = {
    "wav": (),
    "float.wav": ("-c:a", "pcm_f32le"),
    "24.wav": ("-c:a", "pcm_s24le", "-ar", "48000", "-ac", "2"),
    "mp3": ("-ac", "2", "-ar", "44100"),
    "aac": (),
    "m4a": ("-c:a", "aac", "-ac", "2", "-ar", "44100"),
    "alac.m4a": ("-c:a", "alac"),
    "mp4": (*FILM, "-c:a", "aac"),
    "mov": (*FILM, "-c:a", "aac"),
    "ogg": ("-c:a", "libvorbis"),
    "opus": ("-c:a", "libopus", "-ar", "48000"),
    "flac": (),
    "webm": ("-c:a", "libopus", "-ar", "48000"),
    "mka": ("-c:a", "libvorbis"),
    "aiff": (),
    "caf": (),
    "wma": ("-ar", "44100"),
    "avi": (*FILM, "-c:a", "mp3", "-ar", "44100"),
    "ts": (*FILM, "-c:a", "aac"),
    "ac3": ("-ar", "48000"),
}


def encode(folder: Path, seconds: float = 3.0) -> dict[str, bytes]:
    """Each format by its name."""
    sound = write_wav(folder / "sound.wav", siren(seconds))
    made = {}
    for name, options in FORMATS.items():
        path = folder / f"encoded.{name}"
        command = [get_ffmpeg_exe(), "-y", "-nostdin", "-loglevel", "error", "-i", str(sound), *options, str(path)]
        subprocess.run(command, check=True, timeout=60)
        made[name] = path.read_bytes()
    return made


def mutate(data: bytes, seed: int) -> bytes:
    """A mutant: a few changes, half of them near the beginning; half of the mutants keep the rest in its place."""
    dice = random.Random(seed)
    mutant = bytearray(data)
    kinds = dice.choice((4, 8))
    for _ in range(dice.choice((1, 1, 2, 3, 5, 12))):
        if not mutant:
            break
        reach = len(mutant) if dice.random() < 0.5 else min(len(mutant), dice.choice((64, 512, 4096)))
        at = dice.randrange(reach)
        match dice.randrange(kinds):
            case 0:
                mutant[at] ^= 1 << dice.randrange(8)
            case 1:
                mutant[at] = dice.choice((0, 1, 127, 128, 255))
            case 2:
                width = dice.choice((2, 4, 8))
                mutant[at : at + width] = dice.choice((bytes(width), b"\xff" * width, b"\x7f" + b"\xff" * (width - 1)))
            case 3:
                mutant[at : at + 4] = dice.randbytes(4)
            case 4:
                del mutant[at : at + dice.choice((1, 4, 100, 5000))]
            case 5:
                mutant[at:at] = mutant[at : at + dice.choice((1, 8, 200, 5000))]
            case 6:
                mutant[at:at] = dice.randbytes(dice.choice((1, 4, 50)))
            case 7:
                del mutant[max(1, dice.randrange(len(mutant))) :]
    return bytes(mutant)
