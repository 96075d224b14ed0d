"""Watches which steps were not taken: when to look early, and when nothing is learnt any more. Pure."""

from collections import deque
from dataclasses import dataclass, field

RECENT = 50
LOOK_AFTER = 3
"""So many runaway gradients among the recent steps are a reason to look at once."""
LOST_IN_A_ROW = 20
WINDOW = 100
"""Nothing is learnt if half of so many steps, or twenty in a row, were not taken."""


@dataclass
class StepWatch:
    """Whatever the reason: a step that is not taken counts as lost."""

    _skips: deque[bool] = field(default_factory=lambda: deque(maxlen=RECENT))
    _lost: deque[bool] = field(default_factory=lambda: deque(maxlen=WINDOW))

    def took(self, taken: bool, *, overflowed: bool = False) -> None:
        """A step was made; fp16's scaler leaving one out is no sign of a bad rate, but lost all the same."""
        if not overflowed:
            self._skips.append(not taken)
        self._lost.append(not taken)

    @property
    def wants_look(self) -> bool:
        """Set when more gradients ran away than chance explains."""
        return sum(self._skips) >= LOOK_AFTER

    def looked(self) -> None:
        """The guard has looked: begin to count anew."""
        self._skips.clear()

    @property
    def learns_nothing(self) -> str | None:
        """Said when steps are not taken any more."""
        row = 0
        for lost in reversed(self._lost):
            if not lost:
                break
            row += 1
        if row >= LOST_IN_A_ROW:
            return f"{row} steps in a row could not be taken"
        if sum(self._lost) >= WINDOW // 2:
            return f"{sum(self._lost)} of the last {len(self._lost)} steps could not be taken"
        return None

    def state(self) -> dict[str, list[float]]:
        """For a checkpoint."""
        return {
            "skips": [float(skip) for skip in self._skips],
            "lost": [float(lost) for lost in self._lost],
        }

    def restore(self, state: dict[str, list[float]]) -> None:
        """The reverse of `state`."""
        for kept, name in ((self._skips, "skips"), (self._lost, "lost")):
            kept.clear()
            kept.extend(state.get(name, []))  # type: ignore[arg-type]
