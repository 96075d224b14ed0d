"""Where whoever speaks pauses: the pieces between, some sentences each, may be scenes of their own.

Pure. It knows how loud a sound is, and no words.
"""

from itertools import pairwise

import numpy as np

from core.hearing.sound import FRAME, SAMPLE_RATE, Levels
from core.stories.cutting import SHORTEST_S, Span

PAUSE_DB = 15.0
"""What is so far below the louder quarter of a span is a pause in it."""
SHORTEST_PAUSE_S = 0.3
"""Shorter ones are within a sentence, before a plosive say (Goldman-Eisler 1968 counts from 0.25 s)."""
LONGEST_S = 12.0
"""From so long a piece on, any pause will do; before, the longest is waited for."""

_FRAMES_A_SECOND = SAMPLE_RATE // FRAME


def at_pauses(levels: Levels, span: Span, most: int) -> tuple[Span, ...]:
    """`span` in at most `most` pieces that end in pauses; `levels` are the whole recording's `frame_levels`."""
    least_s = max(SHORTEST_S, span.seconds / most)
    pauses = _pauses(levels, span)
    cuts = [span.begins_s]
    while cuts[-1] + least_s <= span.ends_s - SHORTEST_S:
        latest = span.ends_s - SHORTEST_S
        later = [pause for pause in pauses if cuts[-1] + least_s <= _middle(pause) <= latest]
        near = [pause for pause in later if _middle(pause) <= cuts[-1] + max(LONGEST_S, least_s + SHORTEST_S)]
        if not later:
            break
        chosen = max(near, key=lambda pause: pause.seconds) if near else later[0]
        cuts.append(_middle(chosen))
    return tuple(Span(begin, end) for begin, end in pairwise([*cuts, span.ends_s]))


def _pauses(levels: Levels, span: Span) -> list[Span]:
    first = round(span.begins_s * _FRAMES_A_SECOND)
    there = levels[first : round(span.ends_s * _FRAMES_A_SECOND)]
    if len(there) == 0:
        return []
    quiet = np.concatenate([[False], there < np.percentile(there, 75) - PAUSE_DB, [False]]).astype(np.int8)
    begins, ends = np.flatnonzero(np.diff(quiet) == 1), np.flatnonzero(np.diff(quiet) == -1)
    found = [
        Span((first + int(begin)) / _FRAMES_A_SECOND, (first + int(end)) / _FRAMES_A_SECOND)
        for begin, end in zip(begins, ends, strict=True)
    ]
    return [pause for pause in found if pause.seconds >= SHORTEST_PAUSE_S]


def _middle(pause: Span) -> float:
    return (pause.begins_s + pause.ends_s) / 2
