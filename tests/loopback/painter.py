"""A painter whose picture is a pure function of the seed, in ten steps of 0.1 s. Words in the prompt make it misbehave.

It is a StepModel, so that the real batcher drives it.
"""

import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.errors import OutOfMemory
from core.generation.protocol import GenerationRequest, GeneratorInfo, Inspected, InspectionRequest, Painting, Picture
from core.recipe import Recipe

STEPS = 10
STEP_S = 0.1
SIZE = (64, 64)

RAISES, HANGS, DIES, OUT_OF_MEMORY = "it raises", "it hangs", "it dies", "it runs out of memory"
TAKES_LONG, LONG_STEP_S = "it takes long", 0.5


@dataclass(frozen=True)
class State:
    """A picture under way."""

    request: GenerationRequest
    step: int = 0


class ScriptedModel:
    """Fulfils core.generation.step_model.StepModel."""

    def info(self) -> GeneratorInfo:
        """What paints."""
        return GeneratorInfo("scripted", "1", STEPS, 3.0, SIZE)

    def compile_next(self) -> bool:
        """Nothing is to be compiled."""
        return False

    def begin_encoding(self, _: GenerationRequest) -> Sequence[Future[Any]]:
        """At once, in `prepare`."""
        return ()

    def prepare(self, request: GenerationRequest) -> State:
        """Begin."""
        return State(request)

    def group_of(self, state: State) -> object:
        """All may share a batch; a prompt that kills the painting thread does so here."""
        if DIES in state.request.prompt.text and happens_first(DIES):
            raise RuntimeError("a fault of the program")
        return ()

    def size_of(self, _: State) -> tuple[int, int]:
        """All are equal."""
        return SIZE

    def step_limit(self, _: tuple[int, int]) -> int:
        """Memory is no matter."""
        return 100

    def decode_limit(self, _: tuple[int, int]) -> int:
        """Memory is no matter."""
        return 100

    def takes_newcomers(self, _: Sequence[State]) -> bool:
        """Always."""
        return True

    def step(self, states: Sequence[State]) -> list[State]:
        """A tenth of a second for all together."""
        words = " ".join(state.request.prompt.text for state in states)
        time.sleep(LONG_STEP_S if TAKES_LONG in words else STEP_S)
        if HANGS in words and happens_first(HANGS):
            time.sleep(10_000)
        if RAISES in words:
            raise RuntimeError("CUDA error: invalid argument")
        if OUT_OF_MEMORY in words:
            raise OutOfMemory("This picture does not fit into the GPU's memory.")
        return [replace(state, step=state.step + 1) for state in states]

    def progress(self, state: State) -> Painting:
        """How far it is."""
        return Painting(state.step, STEPS)

    def is_finished(self, state: State) -> bool:
        """After ten steps."""
        return state.step >= STEPS

    def decode(self, states: Sequence[State], *, tiled: bool) -> list[Image.Image]:
        """One colour for each seed."""
        del tiled
        return [Image.new("RGB", SIZE, colour(state.request.seed)) for state in states]

    def park(self) -> bool:
        """Nothing is there."""
        return False

    def inspect(self, _: InspectionRequest) -> Inspected:
        """Nothing is found."""
        return Inspected(np.zeros((1, 1, 1), np.float32))

    def picture(self, state: State, image: Image.Image, seconds: float) -> Picture:
        """With its recipe."""
        request = state.request
        recipe = Recipe(request.prompt, request.seed, STEPS, 3.0, SIZE, "scripted", "1", request.adapter, request.heard)
        return Picture(image, recipe, seconds)

    def close(self) -> None:
        """Nothing is to be freed."""


def happens_first(what: str) -> bool:
    """Whether it happens for the first time to the bot in this directory: after a restart the device works again."""
    mark = Path(what.replace(" ", "-"))
    first = not mark.exists()
    mark.touch()
    return first


def colour(seed: int) -> tuple[int, int, int]:
    """The colour of the picture with this seed."""
    red, green, blue = hashlib.sha256(str(seed).encode()).digest()[:3]
    return red, green, blue
