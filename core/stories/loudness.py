"""A sound as loud as films are, as AAC: -16 LUFS, and no peak above -1 dB once it is decoded.

What comes out is measured, since encoding moves peaks; if it is wrong, it is made again. Loudness and true peak are
those of EBU R 128 and ITU-R BS.1770, as ffmpeg's ebur128 measures them. It knows nothing of pictures.
"""

import logging
import math
import re
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.stories.budget import audio_rate
from core.stories.encoder import Encoder

log = logging.getLogger(__name__)

TARGET_LUFS = -16.0
MOST_PEAK_DB = -1.0
"""dB relative to full scale, between the samples."""
NEAR_LUFS = 0.5
"""So far from the target is near enough."""
MOST_GAIN_DB = 40.0
"""With more, the steps of 16 bits would be heard."""
MOST_LIMITED_DB = 12.0
"""A limiter that takes away more is heard; what is peakier stays below the target."""
_FIRST_CEILING_DB = -1.5
_MARGIN_DB = 0.1
"""Figures come with one decimal."""
_LEAST_LUFS = -70.0
"""What R 128 does not count: there is nothing louder, or less than 0.4 seconds of it."""
_MOST_ROUNDS = 6
_CLICK_DB = 24.0
"""The lowest ceiling that the limiter can hold."""

_INPUT = ("-protocol_whitelist", "fd", "-fd", "0")
_FIGURES = re.compile(r"I: +(-?[\d.]+|-?inf|nan) LUFS[\s\S]*?Peak: +(-?[\d.]+|-?inf|nan) dBFS")


@dataclass(frozen=True)
class Loudness:
    """`lufs`, integrated, -70 at least; `peak_db`, the true peak, -inf for digital silence."""

    lufs: float
    peak_db: float


@dataclass(frozen=True)
class Change:
    """By how much a sound is amplified, and above which level it is then held down; None: nowhere."""

    gain_db: float
    ceiling_db: float | None = None


def measure(encoder: Encoder, file: Path) -> Loudness:
    """How loud the sound of a WAV or MP4 is. Raises as the encoder does."""
    with file.open("rb") as source:
        said = encoder.read(
            source, (*_INPUT, "-i", "fd:", "-map", "0:a", "-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-")
        )
    figures = _FIGURES.findall(said)
    lufs, peak = (float(figure) for figure in figures[-1]) if figures else (math.nan, -math.inf)
    return Loudness(
        _LEAST_LUFS if math.isnan(lufs) else max(lufs, _LEAST_LUFS), -math.inf if math.isnan(peak) else peak
    )


def level(encoder: Encoder, sound: Path, target: Path, seconds: float, max_bytes: int | None) -> None:
    """Write the first `seconds` of the WAV `sound` to `target` (.m4a), levelled; silence follows where it is shorter.

    Raises as the encoder does.
    """
    with wave.open(str(sound), "rb") as opened:
        channels = opened.getnchannels()
    rate = audio_rate(channels, seconds, max_bytes)
    was = measure(encoder, sound)
    change = first_change(was)
    for _ in range(_MOST_ROUNDS):
        _encode(encoder, sound, target, (*_filters(change), *_exactly(seconds)), rate)
        became = measure(encoder, target)
        better = next_change(was, change, became)
        if better is None:
            return
        change = better
    log.warning("after %d rounds the sound still has %s, by %s", _MOST_ROUNDS, became, change)


def first_change(was: Loudness) -> Change:
    """What brings a sound to the target, by its own measure; nothing for what cannot be measured."""
    gain = 0.0 if was.lufs <= _LEAST_LUFS else min(TARGET_LUFS - was.lufs, _most_gain(was))
    return _limited(was, gain, _FIRST_CEILING_DB)


def next_change(was: Loudness, change: Change, became: Loudness) -> Change | None:
    """What is tried after `change` made `became` of a sound; None where that is good."""
    ceiling = _FIRST_CEILING_DB if change.ceiling_db is None else change.ceiling_db
    excess = became.peak_db - (MOST_PEAK_DB - _MARGIN_DB)
    if excess > 0:
        if was.peak_db + change.gain_db <= ceiling or ceiling - excess < -_CLICK_DB:
            return _limited(was, change.gain_db - excess - _MARGIN_DB, ceiling)
        return _limited(was, change.gain_db, ceiling - excess - _MARGIN_DB)
    lacks = TARGET_LUFS - became.lufs
    if became.lufs <= _LEAST_LUFS or abs(lacks) <= NEAR_LUFS:
        return None
    gain = min(change.gain_db + lacks, _most_gain(was))
    return None if abs(gain - change.gain_db) < _MARGIN_DB else _limited(was, gain, ceiling)


def _most_gain(was: Loudness) -> float:
    return min(MOST_GAIN_DB, _FIRST_CEILING_DB - was.peak_db + MOST_LIMITED_DB)


def _limited(was: Loudness, gain_db: float, ceiling_db: float) -> Change:
    return Change(gain_db, ceiling_db if was.peak_db + gain_db > ceiling_db else None)


def _filters(change: Change) -> list[str]:
    """ffmpeg's filters for a change; the limiter works at four times the rate, and so sees what is between samples."""
    filters = [f"volume={change.gain_db:.2f}dB:precision=float"] if change.gain_db else []
    if change.ceiling_db is not None:
        limit = 10 ** (change.ceiling_db / 20)
        filters += ["aresample=192000", f"alimiter=limit={limit:.5f}:attack=5:release=50:level=false:latency=true"]
        filters += ["aresample=48000"]
    return filters


def _exactly(seconds: float) -> list[str]:
    return [f"apad=whole_dur={seconds:.6f}", f"atrim=end={seconds:.6f}"]


def _encode(encoder: Encoder, sound: Path, target: Path, filters: Sequence[str], rate: int) -> None:
    arguments = (*_INPUT, "-f", "wav", "-i", "fd:", "-map", "0:a", "-af", ",".join(filters))
    with sound.open("rb") as source:
        encoder.read(source, (*arguments, "-c:a", "aac", "-b:a", str(rate), "-f", "mp4", f"file:{target}"))
