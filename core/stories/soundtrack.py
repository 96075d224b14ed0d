"""The sound of a recording for its film: as it is in the recording, one channel or two, as a WAV of 48 kHz.

It is read in the same cage as what is heard, and streamed to the disk. It knows nothing of loudness.
"""

import threading
from pathlib import Path

from core.hearing.audio import AudioLimits


def extract(
    recording: bytes | Path,
    target: Path,
    *,
    begins_s: float,
    seconds: float,
    limits: AudioLimits,
    stop: threading.Event | None = None,
) -> None:
    """Write `seconds` of the recording's sound from `begins_s` on to `target`, 16 bits; shorter sound ends in silence.

    Raises as `load_clip` does, and NoSpaceForFilm; then there is no `target`.
    """
    raise NotImplementedError
