"""A track's channels as one: their sum, or the louder of them where they cancel each other.

It knows nothing of where the samples go.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from core.hearing.decoding.decoder import Decoder, Reading
from core.hearing.floor import INAUDIBLE_DB
from core.hearing.sound import in_db

CANCELLED_DB = 10.0
"""Channels whose sum is so much weaker than the loudest of them cancel each other."""

SUSPICIOUS_DB = CANCELLED_DB - 3
"""The mean power of two channels is at most 3 dB below the louder one's; so far below it must the sum be to be looked
into. The sum of two channels that have nothing to do with each other is 3 dB below."""

AUDIBLE_DB = -85.0
"""What is below is not looked into; the mean power is measured in 16 bits."""


class Sink(Protocol):
    """Where samples go: float32 little-endian, piece by piece, until `take` returns False."""

    def take(self, piece: bytes) -> bool:
        """Take in some; False if it is enough."""
        ...

    @property
    def power(self) -> float:
        """The mean square of what came."""
        ...

    @property
    def power_measured(self) -> float:
        """That of its first MEASURED_S seconds."""
        ...


Into = TypeVar("Into", bound=Sink)


@dataclass(frozen=True)
class Summed(Generic[Into]):
    """A track as it was read into `sink`; `cancelled`: the sink holds the loudest channel, not the sum."""

    sink: Into
    reading: Reading
    cancelled: bool = False


def read_as_one(decoder: Decoder, track: int, open_sink: Callable[[], Into], seconds: float) -> Summed[Into]:
    """Read a track into a new sink; into another, where its channels cancel each other. Raises as `Decoder.read`."""
    sink = open_sink()
    reading = decoder.read(track, sink.take, seconds=seconds)
    if _is_suspicious(reading, sink):
        levels = decoder.channel_levels(track, seconds=seconds)
        loudest = max(range(len(levels)), key=lambda channel: levels[channel], default=0)
        if len(levels) > 1 and levels[loudest] >= max(AUDIBLE_DB, in_db(sink.power) + CANCELLED_DB):
            sink = open_sink()
            reading = decoder.read(track, sink.take, seconds=seconds, channel=loudest)
            return Summed(sink, reading, cancelled=True)
    return Summed(sink, reading)


def _is_suspicious(reading: Reading, sink: Sink) -> bool:
    """Whether the channels are worth a closer look: the sum is silent, or loses much in what was measured."""
    if reading.error is not None or reading.mono:
        return False
    lost = reading.channels_db - in_db(sink.power_measured)
    return in_db(sink.power) < INAUDIBLE_DB or (reading.channels_db > AUDIBLE_DB and lost > SUSPICIOUS_DB)
