"""When the guard looks: after the steps one asks for, or by time. It has no clock: it is told what took how long.

By time there is a first look after two minutes of training, for a bad run shows early, and then as many as take a tenth
of the time, but no more than forty. All of it is in the journal, so a resumed run goes on as if it had not stopped.
"""

from collections.abc import Iterable

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.journal import Entry, StepEntry, ValidationEntry

FIRST_LOOK_S = 120.0
"""Nor is the time between two looks ever shorter."""
SHARE = 0.1
"""What looks may take of the run's time."""
MOST_LOOKS = 40


class Looks:
    """Those of one run."""

    def __init__(self, hyperparameters: Hyperparameters, entries: Iterable[Entry] = ()) -> None:
        """`entries`: the journal's, of a run that is resumed."""
        self._hyperparameters = hyperparameters
        self._asked = _asked_for(hyperparameters)
        self._steps, self._training_s, self._looking_s = 0, 0.0, 0.0
        self._last_look_s: float | None = None
        self._trained_at_last_look = 0.0
        for entry in entries:
            self.note(entry)

    def note(self, entry: Entry) -> None:
        """A step was taken, or the guard has looked; the base's measuring is no look."""
        if isinstance(entry, StepEntry):
            self._steps += 1
            self._training_s += entry.seconds
        elif isinstance(entry, ValidationEntry) and entry.step:
            self._looking_s += entry.seconds
            self._last_look_s, self._trained_at_last_look = entry.seconds, self._training_s

    def is_due(self, step: int) -> bool:
        """Whether to look after this step."""
        if self._asked is not None:
            return step in self._asked
        since = self._training_s - self._trained_at_last_look
        if step == self._hyperparameters.steps:
            return True
        if since < FIRST_LOOK_S or self._last_look_s is None:
            return since >= FIRST_LOOK_S
        whole_run = self._training_s / self._steps * self._hyperparameters.steps
        looking = self._looking_s + self._last_look_s
        return since >= whole_run / MOST_LOOKS and looking <= SHARE * (self._training_s + looking)


def most_looks(hyperparameters: Hyperparameters) -> int:
    """How many there may be, without those after alarms."""
    asked = _asked_for(hyperparameters)
    return MOST_LOOKS + 1 if asked is None else len(asked)


def _asked_for(hyperparameters: Hyperparameters) -> frozenset[int] | None:
    """Regularly, at the end, and early twice; None where it goes by time."""
    every, steps = hyperparameters.check_every, hyperparameters.steps
    if every is None:
        return None
    return frozenset({*range(every, steps, every), every // 16, every // 4, steps}) - {0}
