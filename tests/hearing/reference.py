"""What ffmpeg plays, without our cage: the reference for what must be heard."""

import subprocess
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from core.hearing.sound import Samples

PLAIN = ("-nostdin", "-loglevel", "error", "-threads", "1")
MONO_16_BITS = ("-vn", "-sn", "-dn", "-t", "61", "-f", "s16le", "-ac", "1", "-ar", "16000", "pipe:1")


def encode(*arguments: str | Path) -> Path:
    """Run ffmpeg with `arguments`, of which the last is the file that it writes."""
    command = [get_ffmpeg_exe(), *PLAIN, "-y", *map(str, arguments)]
    subprocess.run(command, check=True, timeout=120)
    return Path(arguments[-1])


def play(path: Path, track: str = "0:a:0") -> Samples:
    """A minute of a track as 16-bit mono at 16 kHz, read from disk by an ffmpeg that may do anything."""
    command = [get_ffmpeg_exe(), *PLAIN, "-i", str(path), "-map", track, *MONO_16_BITS]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return np.frombuffer(done.stdout[: len(done.stdout) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)
