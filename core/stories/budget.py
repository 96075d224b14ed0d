"""How many bits of a film its sound and its pictures may take. Pure; it knows nothing of what writes them."""

from dataclasses import dataclass

from core.errors import FilmTooLarge

_AUDIO_RATES = (64_000, 48_000, 32_000, 24_000)
"""Bits a second and channel, from what nobody tells from the original to what is still worth hearing."""
_AUDIO_SHARE = 0.3
"""The sound gets the best of these that takes no more of the film."""
_MOST_VIDEO_RATE = 4_000_000
"""Bits a second; more than the pictures need at the constant quality that is aimed at."""
_LEAST_VIDEO_RATE = 60_000
"""Below, one sees blocks instead of a picture."""
_BUFFERED_S = 2.0
"""For so long may the pictures take more than their rate."""
_FRAME_BYTES = 40
"""What the index holds for each frame of picture and of sound, at most."""
_REST_BYTES = 16_384
"""Chapters, titles, the mark of who made it."""


@dataclass(frozen=True)
class VideoBudget:
    """`rate` in bits a second, and `buffer` in bits: what an encoder of pictures may take at most."""

    rate: int
    buffer: int


def audio_rate(channels: int, seconds: float, max_bytes: int | None) -> int:
    """Bits a second for the sound of a film of so many seconds."""
    rates = [channels * rate for rate in _AUDIO_RATES]
    if max_bytes is None:
        return rates[0]
    return next((rate for rate in rates if rate * seconds <= max_bytes * 8 * _AUDIO_SHARE), rates[-1])


def video_budget(audio_bytes: int, seconds: float, fps: int, max_bytes: int | None) -> VideoBudget:
    """What the pictures may take beside a sound of `audio_bytes`. Raises FilmTooLarge where that is too little."""
    rate = _MOST_VIDEO_RATE
    if max_bytes is not None:
        left = max_bytes - audio_bytes - _REST_BYTES - _FRAME_BYTES * seconds * fps
        rate = min(rate, int(left * 8 / (seconds + _BUFFERED_S)))
        if rate < _LEAST_VIDEO_RATE:
            raise too_large(max_bytes)
    return VideoBudget(rate, int(rate * _BUFFERED_S))


def most_bytes(seconds: float) -> int:
    """What no file that is written for a film of so many seconds exceeds, were it as bad as can be."""
    return int(2 * seconds * (_MOST_VIDEO_RATE + 2 * _AUDIO_RATES[0]) / 8) + (4 << 20)


def too_large(max_bytes: int) -> FilmTooLarge:
    """The error that names what was allowed."""
    return FilmTooLarge(megabytes=float(f"{max_bytes / 1e6:.3g}"))
