"""ffmpeg's part: which arguments it gets, and what its end means. It runs in the cage and may open nothing.

Whatever container the recording is, it is read through one file descriptor, and found out by its content. It knows
nothing of what is done with the samples.
"""

import logging
import os
import shutil
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import IO

from core.errors import (
    DecoderUnusable,
    DecodingTimedOut,
    EmptyRecording,
    HearingStopped,
    NoSound,
    NotAudio,
    RecordingError,
    RecordingRefused,
)
from core.hearing.decoding.account import Account, Track
from core.hearing.decoding.child import CannotStart, Ended, Ending, run_child
from core.hearing.decoding.walls import caged, walls_around
from core.hearing.sound import SAMPLE_RATE

log = logging.getLogger(__name__)

CONTAINERS = (
    "aac,ac3,adts,aiff,amr,ape,asf,au,avi,caf,dts,dtshd,eac3,flac,flv,matroska,mov,mp3,mpeg,mpegts,ogg,opus,tta,w64,"
    "wav,webm,wv"
)
"""Those that hold their sound themselves; playlists (hls, concat, dash, m3u) are not among them."""

BYTES_A_SAMPLE = 4

MEASURED_S = 5
"""How much of a track is measured before its channels are summed; all of it would cost a tenth more."""

_CAREFULLY = (
    *("-nostdin", "-nostats", "-hide_banner", "-loglevel", "level+info"),
    *("-threads", "1", "-filter_complex_threads", "1", "-max_alloc", str(48 << 20)),
)
_INPUT = ("-max_streams", "32", "-protocol_whitelist", "fd", "-format_whitelist", CONTAINERS, "-fd", "0", "-i", "fd:")

_RESAMPLE = f"aresample={SAMPLE_RATE}:ochl=mono:rematrix_maxval=1,aformat=sample_fmts=s16|flt,aresample=osf=flt"
"""Summed and resampled in 16 bits where the recording has no more, else in float; so the steps of 16 bits are what
`-ac 1 -ar 16000 -f s16le` gives, and what is above full scale or below a step is there nevertheless."""

PLAYED_RATE = 48_000
"""Hz of what is played, not heard: that of films."""
_AS_PLAYED = f"aresample={PLAYED_RATE}:rematrix_maxval=1,aformat=sample_fmts=s16:channel_layouts=mono|stereo"

_CRASHED = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)


@dataclass(frozen=True)
class Reading:
    """One reading of a track, besides its samples.

    `tracks`: all of the file's. `channels_db`: the mean power of the track's channels in its first MEASURED_S seconds,
    in dB relative to full scale, before they were summed; -inf if unknown. `mono`: there is but one channel.
    `damaged`: ffmpeg complained on the way. `error`: why nothing came, else None.
    """

    tracks: Sequence[Track]
    channels_db: float
    mono: bool
    damaged: bool
    error: RecordingError | None


def find_ffmpeg() -> str:
    """The path of the ffmpeg that reads recordings: the one that comes along, or IMAGEIO_FFMPEG_EXE.

    Raises DecoderUnusable.
    """
    from imageio_ffmpeg import get_ffmpeg_exe

    try:
        named: str = get_ffmpeg_exe()
    except RuntimeError as error:
        raise DecoderUnusable("there is none") from error
    return shutil.which(named) or named


class Decoder:
    """Reads one recording, as often as needed within `timeout_s` seconds of wall-clock time in all."""

    def __init__(self, recording: IO[bytes], timeout_s: float, stop: threading.Event | None = None) -> None:
        self._recording = recording
        self._size = os.fstat(recording.fileno()).st_size
        self._timeout_s = timeout_s
        self._until = monotonic() + timeout_s
        self._stop = stop
        self._ffmpeg = find_ffmpeg()
        walls_around(self._ffmpeg)

    def read(self, track: int, take: Callable[[bytes], bool], *, seconds: float, channel: int | None = None) -> Reading:
        """Hand the sound of a track to `take`, mono, 16 kHz, float32 little-endian, until it returns False.

        The channels are summed unless `channel` names one. Raises HearingStopped, DecodingTimedOut, RecordingRefused,
        DecoderUnusable, and NotAudio for a file with nothing but faults in it.
        """
        if channel is None:
            graph = f"[0:a:{track}]asplit[m][c];[c]atrim=end={MEASURED_S},volumedetect,anullsink;[m]{_RESAMPLE}[o]"
        else:
            graph = f"[0:a:{track}]pan=mono|c0=c{channel},{_RESAMPLE}[o]"
        # written 32 kB at a time: a call for each packet costs as much as a tenth of the decoding
        output = ("-t", f"{seconds:g}", "-c:a", "pcm_f32le", "-f", "f32le", "-flush_packets", "0", "pipe:1")
        return self._read(track, graph, output, take)

    def play(self, track: int, take: Callable[[bytes], bool], *, skipped: int, count: int) -> Reading:
        """Hand `count` frames of a track to `take`, after so many that are skipped, until it returns False.

        They come as a stream of Sun's AU, whose head tells whether there are one or two channels: 16 bits, big-endian,
        48 kHz. More channels are mixed down to two. Raises as `read` does.
        """
        trim = f"atrim=start_sample={skipped}:end_sample={skipped + count}"
        graph = f"[0:a:{track}]{_AS_PLAYED},{trim}[o]"
        output = ("-map_metadata", "-1", "-c:a", "pcm_s16be", "-f", "au", "-flush_packets", "0", "pipe:1")
        return self._read(track, graph, output, take)

    def _read(self, track: int, graph: str, output: Sequence[str], take: Callable[[bytes], bool]) -> Reading:
        came = 0

        def count(piece: bytes) -> bool:
            nonlocal came
            came += len(piece)
            return take(piece)

        account, ended = self._run(graph, output, count)
        mono = any(known.mono for known in account.tracks if known.number == track)
        if came >= BYTES_A_SAMPLE:
            damaged = account.kept > 0 or (ended.why is Ending.BY_ITSELF and ended.status != 0)
            return Reading(account.tracks, account.channels_db, mono, damaged, None)
        error = self._why_nothing_came(account, ended)
        if isinstance(error, RecordingRefused):  # the others would be as dear
            raise error
        return Reading(account.tracks, account.channels_db, mono, False, error)

    def channel_levels(self, track: int, *, seconds: float) -> list[float]:
        """The level of each channel of a track below 8 kHz, in dB relative to full scale. Raises as `read` does."""
        measure = "astats=measure_perchannel=RMS_level:measure_overall=none"
        graph = f"[0:a:{track}]aresample={SAMPLE_RATE},{measure}[o]"
        account, _ = self._run(graph, ("-t", f"{seconds:g}", "-f", "null", "-"), lambda _: True)
        return account.channel_levels

    def _run(self, graph: str, output: Sequence[str], take: Callable[[bytes], bool]) -> tuple[Account, Ended]:
        if self._stop is not None and self._stop.is_set():
            raise HearingStopped
        account = Account()
        arguments = [self._ffmpeg, *_CAREFULLY, *_INPUT, "-filter_complex", graph, "-map", "[o]", *output]
        command = caged(arguments, self._timeout_s)
        try:
            ended = run_child(command, self._recording, take, account.add, until=self._until, stop=self._stop)
        except CannotStart as error:
            raise DecoderUnusable(str(error)) from error
        account.end()
        log.debug("%s, %d bytes: %s; bytes of complaints: %d", account.container, self._size, ended, account.kept)
        self._raise_for(account, ended)
        return account, ended

    def _raise_for(self, account: Account, ended: Ended) -> None:
        """Raise for an end after which no other track is worth trying."""
        if ended.why is Ending.STOPPED:
            raise HearingStopped
        if ended.why is Ending.TIMED_OUT or ended.status == -getattr(signal, "SIGXCPU", 0):
            raise DecodingTimedOut(self._timeout_s)
        if ended.why is Ending.OVERLONG_TALK:
            raise NotAudio
        if ended.status > 0 and not account.spoke:
            raise DecoderUnusable(account.last_line or f"exit status {ended.status}")

    def _why_nothing_came(self, account: Account, ended: Ended) -> RecordingError:
        log.debug("ffmpeg complained: %.500s", account.complaints)
        if account.no_sound_track:
            return NoSound()
        if account.out_of_memory or -ended.status in _CRASHED:
            limit = "memory" if account.out_of_memory else signal.Signals(-ended.status).name
            log.warning("refused: %s, %d bytes, limit: %s", account.container or "unknown", self._size, limit)
            return RecordingRefused(limit, account.container, self._size)
        if ended.status != 0:
            return NotAudio()
        return EmptyRecording()
