"""A run for people who watch several at once: TensorBoard's events, where its library is installed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import mean

from core.finetuning.training.journal import Entry, StepEntry, ValidationEntry

MISSING = "no events for TensorBoard: its library is not installed; pip install 'imagine-sound[tensorboard]'"


@contextmanager
def watching(folder: Path, say: Callable[[str], None]) -> Iterator[Callable[[Entry], None]]:
    """What steps and looks are told to, so that they become events in `folder`; without the library nothing does."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        say(MISSING)
        yield lambda entry: None
        return
    writer = SummaryWriter(str(folder))

    def note(entry: Entry) -> None:
        for name, value in _values(entry).items():
            writer.add_scalar(name, value, entry.step)

    try:
        yield note
    finally:
        writer.close()


def _values(entry: Entry) -> dict[str, float]:
    if isinstance(entry, StepEntry):
        return {
            "step/loss": entry.loss,
            "step/learning rate": entry.learning_rate,
            "step/gradient norm": entry.gradient_norm,
            "step/seconds": entry.seconds,
        }
    if isinstance(entry, ValidationEntry):
        return {
            "look/held-out loss": entry.result.held_out_mean,
            "look/generic loss": mean(entry.result.generic),
            "look/high frequencies": mean(sample.high_frequency for sample in entry.result.samples),
            "look/strength": entry.strength,
        }
    return {}
