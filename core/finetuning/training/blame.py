"""Which pictures are to blame where numbers are not finite, and when there are too many of them to go on."""

from collections.abc import Iterable, Sequence

from core.errors import NoLearning, UnusableData
from core.finetuning.training.batches import Learnt, Source
from core.finetuning.training.step_watch import StepWatch

MOST_SET_ASIDE = 0.05
"""A larger share of the training images than this without a finite loss is an error."""
NAMES_TOLD = 8


def at_fault(batch: Learnt, finite: Sequence[bool]) -> list[int]:
    """The places of pictures without a finite loss, unless all of the batch's are well in themselves: then the model is
    to blame."""
    return [
        place
        for place, fine in enumerate(finite)
        if not fine and (any(finite) or not bool(batch.latents[place].isfinite().all()))
    ]


def refuse_too_many(numbers: Iterable[int], source: Source) -> None:
    """Raises UnusableData if so many training images have no finite loss that something else must be wrong."""
    found = sorted(set(numbers))
    if len(found) > MOST_SET_ASIDE * len(source):
        told = ", ".join(source.name_of(number) for number in found[:NAMES_TOLD])
        raise UnusableData(
            f"{len(found)} of {len(source)} training images have no finite loss ({told}); take them out."
        )


class LostSteps:
    """The names of the pictures of steps that were not taken."""

    def __init__(self) -> None:
        self._names: list[str] = []

    def one_more(self, batches: Sequence[Learnt], watch: StepWatch, *, overflowed: bool) -> None:
        """A step was not taken. Raises NoLearning if that has become usual."""
        self._names += [name for batch in batches for name in batch.names]
        lost = watch.learns_nothing
        if lost is None:
            return
        if overflowed:
            raise NoLearning(f"{lost}: fp16 overflows with this model; it needs --precision bf16, or fp32.")
        names = ", ".join(list(dict.fromkeys(reversed(self._names)))[:NAMES_TOLD])
        raise NoLearning(
            f"{lost}, for gradients that ran away or were not finite; the last were of {names}. "
            "Look at these images, or try a tenth of the learning rate."
        )
