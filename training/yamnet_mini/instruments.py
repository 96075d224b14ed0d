"""Music for the training pool: MIDI files that walk through all General MIDI programs, percussion and small bands.

Writes plain MIDI bytes; a soundfont and fluidsynth turn them into sound (pool.py). Each piece has a fixed length, so
that the rendered recording can be cut into clips. What this module does not know: what the instruments sound like.
"""

import random
import struct
from dataclasses import dataclass, field
from pathlib import Path

TICKS_PER_SECOND = 960  # 480 ticks a quarter note at the MIDI default of 120 quarter notes a minute
SCALE = (0, 2, 4, 5, 7, 9, 11, 12, 14, 16)
DRUM_CHANNEL = 9
PROGRAM_SECONDS, DRUM_SECONDS, BAND_SECONDS = 4, 3, 6


@dataclass
class Score:
    """Timed MIDI messages, collected in any order."""

    events: list[tuple[float, bytes]] = field(default_factory=list)

    def program(self, at: float, channel: int, number: int) -> None:
        self.events.append((at, bytes([0xC0 | channel, number])))

    def note(self, at: float, seconds: float, channel: int, pitch: int, velocity: int) -> None:
        pitch = min(max(pitch, 0), 127)
        self.events.append((at, bytes([0x90 | channel, pitch, velocity])))
        self.events.append((at + seconds, bytes([0x80 | channel, pitch, 0])))

    def write(self, path: Path) -> None:
        track, last = b"", 0
        for at, message in sorted(self.events, key=lambda event: event[0]):
            tick = int(at * TICKS_PER_SECOND)
            track += _variable_length(tick - last) + message
            last = tick
        track += b"\x00\xff\x2f\x00"
        header = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480)
        path.write_bytes(header + b"MTrk" + struct.pack(">I", len(track)) + track)


def _variable_length(number: int) -> bytes:
    encoded = [number & 127]
    while number := number >> 7:
        encoded.insert(0, number & 127 | 128)
    return bytes(encoded)


def programs(rng: random.Random, styles: int = 4) -> Score:
    """Every melodic program, four seconds in each of several styles of playing."""
    score, start = Score(), 0.0
    for program in range(128):
        for style in range(styles):
            score.program(start, 0, program)
            base = rng.choice([36, 43, 48, 55, 60, 67]) if style % 3 < 2 else rng.choice([48, 55, 60])
            at, end = start + 0.02, start + PROGRAM_SECONDS - 0.4
            while at < end:
                length = rng.choice([(0.12, 0.25, 0.5), (0.5, 1.0, 2.0), (0.5, 1.0, 1.8)][style % 3])
                pitches = [base + rng.choice(SCALE)]
                if style % 3 == 2:
                    root = base + rng.choice([0, 5, 7])
                    pitches = [root, root + rng.choice([3, 4]), root + 7]
                for pitch in pitches:
                    score.note(at, min(length * 0.95, end + 0.3 - at), 0, pitch, rng.randint(60, 127))
                at += length * rng.choice([1, 1, 1, 1.5])
            start += PROGRAM_SECONDS
    return score


def percussion(rng: random.Random) -> Score:
    """Every percussion key alone, slow and fast."""
    score, start = Score(), 0.0
    for key in range(27, 88):
        for fast in (False, True):
            at = start + 0.02
            while at < start + DRUM_SECONDS - 0.5:
                score.note(at, 0.1, DRUM_CHANNEL, key, rng.randint(60, 127))
                at += rng.choice([0.12, 0.25] if fast else [0.7, 1.0, 1.3])
            start += DRUM_SECONDS
    return score


def bands(rng: random.Random, pieces: int = 100) -> Score:
    """Short pieces for drums, bass, chords and lead, in any combination."""
    score = Score()
    for piece in range(pieces):
        start = float(piece * BAND_SECONDS)
        playing = rng.sample(["drums", "bass", "chords", "lead"], rng.randint(1, 4))
        chord_program = rng.choice([*range(32), *range(40, 56), *range(80, 96)])
        for channel, program in ((1, rng.randint(32, 39)), (2, chord_program), (3, rng.randint(0, 111))):
            score.program(start, channel, program)
        key, beat, third = rng.randint(-5, 6), rng.choice([0.3, 0.4, 0.5, 0.6]), rng.choice([3, 4])
        for i in range(int((BAND_SECONDS - 0.2) / beat)):
            at, root = start + 0.02 + i * beat, (0, 5, 7, 9)[(i // 4) % 4] + key
            if "drums" in playing:
                _beat(score, rng, at, beat, i)
            if "bass" in playing:
                score.note(at, beat * 0.9, 1, 36 + root, 100)
            if "chords" in playing and i % 2 == 0:
                for step in (0, third, 7):
                    score.note(at, beat * 1.9, 2, 55 + root + step, 85)
            if "lead" in playing:
                score.note(at, beat * 0.9, 3, 67 + key + rng.choice(SCALE), 105)
    return score


def _beat(score: Score, rng: random.Random, at: float, beat: float, i: int) -> None:
    kick, snare = (1.0, 0.1) if i % 2 == 0 else (0.1, 1.0)
    chances = ((36, kick), (38, snare), (42, 0.9), (46, 0.1), (49, 0.05), (rng.randint(41, 60), 0.15))
    for key, chance in chances:
        if rng.random() < chance:
            score.note(at, 0.1, DRUM_CHANNEL, key, rng.randint(70, 127))
    score.note(at + beat / 2, 0.1, DRUM_CHANNEL, 42, 80)
