"""Whether a run that was disturbed ended as one that was not: same steps, same losses, same adapter."""

import torch
from safetensors.torch import load_file

from core.finetuning.run import FinetuneOptions, FinetuneResult
from core.finetuning.training.journal import Journal, StepEntry
from core.finetuning.training.trainer import Ending


def losses(options: FinetuneOptions) -> list[tuple[int, float, float]]:
    """Step, loss and norm of the gradient, as the diary has them."""
    entries = Journal(options.out / "training" / "journal.jsonl").entries()
    return [(entry.step, entry.loss, entry.gradient_norm) for entry in entries if isinstance(entry, StepEntry)]


def assert_same(options: FinetuneOptions, result: FinetuneResult, unbroken: FinetuneOptions) -> None:
    """To the bit."""
    assert result.ending is Ending.FINISHED
    assert losses(options) == losses(unbroken)
    assert result.adapter is not None
    found, wanted = load_file(result.adapter), load_file(unbroken.out / result.adapter.name)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
