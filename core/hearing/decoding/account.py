"""What ffmpeg says on its error output, read as it comes: the tracks, how loud they are, and what it complains of.

The lines are those of `-loglevel level+info`. Of complaints no more than 64 kB are kept, however many there are; of
everything else only the facts below. It knows nothing of why ffmpeg was started.
"""

import math
import re
from dataclasses import dataclass

MOST_KEPT = 64 << 10
"""Bytes of complaints that are kept."""
MOST_SAID = 4 << 20
"""Bytes after which nothing is listened to any more: no recording has so much wrong with it."""
_LONGEST_LINE = 4096
_LONGEST_SHOWN = 200
_MOST_TRACKS = 64

_INPUT = re.compile(rb"\[info\] Input #0, ([\w,]+)")
_TRACK = re.compile(rb"\[info\] +Stream #0:(\d+)\b.*?: (Audio|Video|Subtitle|Data|Attachment)\b(.*)")
_END_OF_INPUT = (b"[info] Stream mapping", b"[info] Output #")
_LEVEL = re.compile(rb"\[info\] (n_samples|mean_volume|Channel|RMS level dB): (-?[\d.]+|-inf)")
_COMPLAINT = re.compile(rb"^(?:\[[^\]]+ @ \w+\] )*\[(?:error|fatal|panic)\] ")
_NO_MEMORY = (b"Cannot allocate memory", b"Out of memory", b"bad_alloc")
_HARMLESS = (b"Error opening output files", b"Error binding filtergraph")


@dataclass(frozen=True)
class Track:
    """A sound track: `number` among the sound tracks, from 0; whether the file marks it as the default one.

    `mono`: it has but one channel.
    """

    number: int
    default: bool = False
    mono: bool = False


class Account:
    """The facts in what ffmpeg says. Feed it with `add`, then `end`."""

    def __init__(self) -> None:
        self.container = self.last_line = ""
        self.spoke = self.no_sound_track = self.out_of_memory = self.overlong = False
        self.kept = 0
        """Bytes of complaints."""
        self.channel_levels: list[float] = []
        self._kept: list[bytes] = []
        self._said = 0
        self._rest = b""
        self._reads_tracks = False
        self._tracks: dict[int, tuple[bool, bool]] = {}
        self._volumes: list[tuple[int, float]] = []

    def add(self, said: bytes) -> bool:
        """Take in a piece of the output; False once it is more than a recording can be worth."""
        self._said += len(said)
        *lines, self._rest = (self._rest + said).split(b"\n")
        self._rest = self._rest[:_LONGEST_LINE]
        for line in lines:
            self._read(line)
        self.overlong = self._said > MOST_SAID
        return not self.overlong

    def end(self) -> None:
        """Take in what came last."""
        self._read(self._rest)
        self._rest = b""

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The sound tracks in the file's order."""
        return tuple(Track(number, *self._tracks[stream]) for number, stream in enumerate(sorted(self._tracks)))

    @property
    def complaints(self) -> str:
        """What ffmpeg complained of, the first 64 kB."""
        return b"\n".join(self._kept).decode(errors="replace")

    @property
    def channels_db(self) -> float:
        """The mean power of all channels that `volumedetect` saw, in dB relative to full scale; -inf if unknown."""
        power = sum(count * 10 ** (level / 10) for count, level in self._volumes)
        samples = sum(count for count, _ in self._volumes)
        return 10 * math.log10(power / samples) if power and samples else -math.inf

    def _read(self, line: bytes) -> None:
        if line:
            self.last_line = line[:_LONGEST_SHOWN].decode(errors="replace").strip()
        if b"[info]" in line[:80]:
            self._read_fact(line)
        elif _COMPLAINT.match(line):
            self.spoke = True
            self._complain(line)

    def _read_fact(self, line: bytes) -> None:
        if found := _INPUT.match(line):
            self.spoke = self._reads_tracks = True
            self.container = found[1].decode()
        elif line.startswith(_END_OF_INPUT):
            self._reads_tracks = False
        elif self._reads_tracks and (found := _TRACK.match(line)):
            if found[2] == b"Audio" and len(self._tracks) < _MOST_TRACKS:
                self._tracks[int(found[1])] = (b"(default)" in found[3], b", mono," in found[3])
        elif line.startswith(b"[Parsed_") and (found := _LEVEL.search(line)):
            self._read_level(found[1], float(found[2]))

    def _read_level(self, name: bytes, value: float) -> None:
        if name == b"n_samples" and value > 0:
            self._volumes.append((int(value), -math.inf))
        elif name == b"mean_volume" and self._volumes:
            self._volumes[-1] = (self._volumes[-1][0], value)
        elif name == b"RMS level dB" and len(self.channel_levels) < _MOST_TRACKS:
            self.channel_levels.append(value)

    def _complain(self, line: bytes) -> None:
        self.no_sound_track = self.no_sound_track or b"matches no streams" in line
        self.out_of_memory = self.out_of_memory or any(word in line for word in _NO_MEMORY)
        if self.kept + len(line) < MOST_KEPT:
            self.kept += len(line) + 1
            self._kept.append(line)
