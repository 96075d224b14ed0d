"""What a model has to offer in order to be painted with step by step, many pictures at once.

It knows nothing of who takes the steps.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar

from PIL.Image import Image

from core.generation.protocol import GenerationRequest, Inspected, InspectionRequest, Painting, Picture
from core.generation.worker import LoadedModel

State = TypeVar("State")


class StepModel(LoadedModel, Protocol[State]):
    """A model that paints step by step. Every method is called from the painting thread only.

    State holds one picture under way, and no method changes it: what has failed is done again with the same.
    `group_of` says which may share a batch (same size, same adapter).
    """

    def compile_next(self) -> bool:
        """Compile one part of what was stepped, so that the same is faster later; called while nobody waits.

        Returns whether there was any left. Raises OutOfMemory.
        """
        ...

    def begin_encoding(self, request: GenerationRequest) -> Sequence[Future[Any]]:
        """Encode the prompt in other threads where that is slow and needs none of the device, which paints meanwhile.

        `prepare` then finds what these made, and raises what they raised. Empty where it had better encode itself.
        Raises PaintingError.
        """
        ...

    def prepare(self, request: GenerationRequest) -> State:
        """Check the request and encode its prompt. Raises PaintingError."""
        ...

    def group_of(self, state: State) -> object:
        """What must be equal for two pictures to share a batch."""
        ...

    def size_of(self, state: State) -> tuple[int, int]:
        """Width and height in pixels, by which it needs memory; equal within a group."""
        ...

    def step_limit(self, size: tuple[int, int]) -> int:
        """How many pictures of `size`, width and height in pixels, are to fit into memory in a step; at least 1."""
        ...

    def decode_limit(self, size: tuple[int, int]) -> int:
        """How many pictures of `size` are to fit into memory when they are decoded; 0 for one in tiles."""
        ...

    def takes_newcomers(self, states: Sequence[State]) -> bool:
        """Whether one that begins now is in step with `states`, which are under way; if not, it waits for a tick."""
        ...

    def step(self, states: Sequence[State]) -> list[State]:
        """Everyone one step further. Raises OutOfMemory."""
        ...

    def progress(self, state: State) -> Painting:
        """How far it is, with a preview if one is due."""
        ...

    def is_finished(self, state: State) -> bool:
        """Whether it can be decoded."""
        ...

    def decode(self, states: Sequence[State], *, tiled: bool) -> list[Image]:
        """The finished pictures; `tiled`: piece by piece, in the least memory that it can be done in.

        Raises OutOfMemory.
        """
        ...

    def park(self) -> bool:
        """Leave the device's memory to steps and decoding: whatever else is there goes elsewhere, where it is slower.

        Returns whether anything was there.
        """
        ...

    def inspect(self, request: InspectionRequest) -> Inspected:
        """The noise that a picture started from. Raises OutOfMemory, InvalidOptions where the model cannot tell."""
        ...

    def picture(self, state: State, image: Image, seconds: float) -> Picture:
        """The picture with its recipe."""
        ...
