"""The run's diary: one JSON line per step, validation and event, from which the report is made."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from core.finetuning.training.batches import TrainingPosition
from core.finetuning.training.disk import append, is_full
from core.finetuning.training.guard import Reading


@dataclass(frozen=True)
class StepEntry:
    """One optimiser step. `taken` is False where runaway gradients were left out."""

    step: int
    attempt: int
    loss: float
    learning_rate: float
    gradient_norm: float
    seconds: float
    taken: bool


@dataclass(frozen=True)
class ValidationEntry:
    """What the guard found after `step` steps; `alarms` is empty if all was well."""

    step: int
    attempt: int
    result: Reading
    alarms: tuple[str, ...]
    strength: float
    """The adapter's largest relative change of a layer."""
    seconds: float = 0.0
    """How long the look took; not known of the base's, nor of looks by older versions."""


@dataclass(frozen=True)
class EventEntry:
    """Something that a person should know, in words."""

    step: int
    attempt: int
    text: str


Entry = StepEntry | ValidationEntry | EventEntry
_KINDS: dict[str, type[StepEntry | ValidationEntry | EventEntry]] = {
    "step": StepEntry,
    "look": ValidationEntry,
    "event": EventEntry,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_RESULT = "reading"
"""What a validation's result is called on disk."""


class Journal:
    """Appends to and reads one `journal.jsonl`."""

    def __init__(self, path: Path) -> None:
        """The file is created with the first entry."""
        self._path = path
        self._waiting = ""
        path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, entry: Entry) -> None:
        """Append one line; on a full disk it waits for the next that finds room."""
        self._waiting += json.dumps({"kind": _NAMES[type(entry)], **_values(entry)}) + "\n"
        try:
            append(self._path, self._waiting)
        except OSError as error:
            if not is_full(error):
                raise
        else:
            self._waiting = ""

    def entries(self) -> list[Entry]:
        """All entries; a last line that was cut off by a crash is left out."""
        return list(self._read()) if self._path.is_file() else []

    def truncate(self, position: TrainingPosition) -> None:
        """Forget what came after `position`: the run goes on from there."""
        kept = [entry for entry in self.entries() if (entry.attempt, entry.step) <= (position.attempt, position.step)]
        self.clear()
        for entry in kept:
            self.write(entry)

    def clear(self) -> None:
        """Begin anew."""
        self._path.unlink(missing_ok=True)

    def _read(self) -> Iterator[Entry]:
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                values = json.loads(line)
            except ValueError:
                continue
            kind = _KINDS[values.pop("kind")]
            if kind is ValidationEntry:
                result = Reading.from_dict(values.pop(_RESULT))
                values |= {"result": result, "alarms": tuple(values["alarms"])}
            yield kind(**values)


def _values(entry: Entry) -> dict[str, object]:
    return {_RESULT if name == "result" else name: value for name, value in asdict(entry).items()}
