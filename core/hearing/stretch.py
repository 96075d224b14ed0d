"""Which stretch of a long recording is heard: the liveliest, or the beginning where nothing else is clearly livelier.

It knows nothing of what is heard there.
"""

import numpy as np

from core.hearing.sound import Levels

FRAMES_A_SECOND = 10
ABOVE_DB = 3.0
"""What rises less above the recording's usual floor is no event."""
LIVELY_DB = 30.0
"""What rises this far counts in full; more counts no more, so that one bang is not everything."""
FLOOR_DB = -80.0
"""No floor is taken to be lower."""
CLEARLY = 1.5
"""How many times livelier than the beginning another stretch must be."""
AS_LIVELY = 0.98
"""Stretches within this share of the liveliest count as equally lively."""


def liveliest_second(levels: Levels, seconds: float) -> int:
    """The second at which the liveliest `seconds` of a recording begin; `levels` are its `frame_levels`.

    Liveliness is how far the frames rise above the recording's own floor (its lower tenth), each by at most 30 dB,
    summed. Of equally lively stretches the latest is taken, which begins where the sound does, not before.
    """
    floor = max(FLOOR_DB, float(np.percentile(levels, 10)))
    events = np.clip(levels - floor - ABOVE_DB, 0, LIVELY_DB)
    total = np.concatenate([[0.0], np.cumsum(events)])
    starts = np.arange(0, len(levels), FRAMES_A_SECOND)
    ends = np.minimum(starts + max(1, round(seconds * FRAMES_A_SECOND)), len(levels))
    lively = total[ends] - total[starts]
    best = float(lively.max())
    if best <= CLEARLY * lively[0]:
        return 0
    return int(np.flatnonzero(lively >= AS_LIVELY * best)[-1])
