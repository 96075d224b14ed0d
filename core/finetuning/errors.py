"""What can go wrong while fine-tuning or evaluating, as the sentence that the person is told."""

from core.errors import ImagineSoundError


class FinetuningError(ImagineSoundError):
    """A fine-tuning or an evaluation cannot go on."""


class UnusableData(FinetuningError):
    """The folder holds no captioned images, or too few good ones."""


class UnusableBase(FinetuningError):
    """The base model cannot be loaded, or is of a kind that this trainer does not know."""


class ObjectiveMismatch(FinetuningError):
    """Latents, scheduler and objective do not belong together; training would end in noise."""


class InvalidRecipe(FinetuningError):
    """A hyper-parameter is out of range, or its library is not installed."""


class CannotResume(FinetuningError):
    """There is no checkpoint, or it belongs to a run with other settings."""


class OutOfTrainingMemory(FinetuningError):
    """The device's memory does not hold the model, its gradients and the batch."""


class EvaluationError(FinetuningError):
    """The hand evaluation lacks its model file or its images."""
