"""A StepModel whose behaviour a test writes down, and someone who waits for a picture.

Steps take no time, and fail where they are told to.
"""

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from PIL import Image

from core.errors import InvalidOptions, OutOfMemory
from core.generation.protocol import (
    Failed,
    GenerationEvent,
    GenerationRequest,
    GeneratorInfo,
    ImageGenerator,
    Inspected,
    InspectionRequest,
    Painted,
    Painting,
    Picture,
)
from core.generation.shortage import Clock
from core.prompting.prompt import Prompt
from core.recipe import Recipe


@dataclass(frozen=True)
class State:
    request: GenerationRequest
    step: int = 0


@dataclass
class ScriptedModel:
    """Prompts act: "bad" cannot be prepared, "explode" fails at step 2, "undecodable" fails when decoded.

    "hangs" stays in its step until `released`, "breaks the device" makes every step fail from then on.
    `fits` is the largest batch that the memory holds; tiles always fit. `trouble` may raise before anything is done
    ("prepare", "step", "decode", "tiles", "progress" or "compile") to so many pictures. `gate`, when set, lets one step
    through at a time.
    """

    fits: int = 100
    batch: int = 1
    """What it says of how many it paints side by side."""
    decode_fits: int = 100
    parts: int = 0
    """So many are to be compiled once something was stepped, or even before."""
    compile_s: float = 0.0
    cannot_compile: bool = False
    gate: threading.Semaphore | None = None
    encoding: Callable[[str], Future[Any]] | None = None
    """Encodes a prompt elsewhere; None: nothing is."""
    joined_every: int = 1
    """Newcomers are in step with those under way at every so many steps of these."""
    log: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    on_step: Callable[[], None] | None = None
    trouble: Callable[[str, int], None] = lambda what, pictures: None
    step_limits: dict[tuple[int, int], int] = field(default_factory=dict)
    decode_limits: dict[tuple[int, int], int] = field(default_factory=dict)
    parks: int = 0
    """How many times something is there that can be parked."""
    released: threading.Event = field(default_factory=threading.Event)
    device_works: bool = True
    after_breaking: str = "CUDA error: an illegal memory access was encountered"
    closed: bool = False

    def info(self) -> GeneratorInfo:
        return GeneratorInfo("scripted", "1", steps=4, guidance=3.0, size=(8, 8), batch=self.batch)

    def compile_next(self) -> bool:
        if self.cannot_compile:
            raise RuntimeError("no C compiler")
        if not self.parts:
            return False
        self.trouble("compile", 1)
        time.sleep(self.compile_s)
        self.parts -= 1
        self.log.append(("compile", ()))
        return True

    def begin_encoding(self, request: GenerationRequest) -> Sequence[Future[Any]]:
        return [self.encoding(request.prompt.text)] if self.encoding else []

    def prepare(self, request: GenerationRequest) -> State:
        if request.prompt.text == "bad":
            raise InvalidOptions("The prompt is bad.")
        self.trouble("prepare", 1)
        self.log.append(("prepare", (request.prompt.text,)))
        return State(request)

    def group_of(self, state: State) -> object:
        if state.request.prompt.text == "breaks the painter":
            raise RuntimeError("a fault of the program")
        return (state.request.size, state.request.adapter)

    def size_of(self, state: State) -> tuple[int, int]:
        return state.request.size or (8, 8)

    def step_limit(self, size: tuple[int, int]) -> int:
        return self.step_limits.get(size, 100)

    def decode_limit(self, size: tuple[int, int]) -> int:
        return self.decode_limits.get(size, 100)

    def takes_newcomers(self, states: Sequence[State]) -> bool:
        return not states or any(state.step % self.joined_every == 0 for state in states)

    def step(self, states: Sequence[State]) -> list[State]:
        names = tuple(state.request.prompt.text for state in states)
        if self.gate is not None:
            assert self.gate.acquire(timeout=10)
        self.log.append(("step", names))
        self.sizes.append(len(states))
        if "hangs" in names:
            self.released.wait(30)
        if "breaks the device" in names:
            self.device_works = False
        if not self.device_works:
            raise RuntimeError(self.after_breaking)
        if len(states) > self.fits:
            raise OutOfMemory("This picture does not fit.")
        if any(state.request.prompt.text == "explode" and state.step == 2 for state in states):
            raise RuntimeError("boom")
        self.trouble("step", len(states))
        if self.on_step is not None:
            self.on_step()
        self.log.append(("stepped", names))
        return [replace(state, step=state.step + 1) for state in states]

    def progress(self, state: State) -> Painting:
        if state.request.prompt.text == "no preview":
            raise RuntimeError("no preview")
        self.trouble("progress", 1)
        return Painting(state.step, self._steps(state))

    def is_finished(self, state: State) -> bool:
        return state.step >= self._steps(state)

    def decode(self, states: Sequence[State], *, tiled: bool) -> list[Image.Image]:
        names = tuple(state.request.prompt.text for state in states)
        self.log.append(("tiles" if tiled else "decode", names))
        self.trouble("tiles" if tiled else "decode", len(states))
        if not tiled and len(states) > self.decode_fits:
            raise OutOfMemory("This picture does not fit.")
        if "undecodable" in names:
            raise RuntimeError("no colours")
        self.log.append(("decoded", names))
        return [Image.new("RGB", (8, 8), "blue") for _ in states]

    def park(self) -> bool:
        self.parks -= 1
        self.log.append(("park", ()))
        return self.parks >= 0

    def inspect(self, request: InspectionRequest) -> Inspected:
        self.trouble("inspect", 1)
        self.log.append(("inspect", ()))
        return Inspected(np.full((1, 2, 2), request.passes, np.float32))

    def picture(self, state: State, image: Image.Image, seconds: float) -> Picture:
        request = state.request
        if request.prompt.text == "unframeable":
            raise RuntimeError("no frame")
        recipe = Recipe(
            request.prompt, request.seed, state.step, 3.0, (8, 8), "scripted", "1", request.adapter, request.heard
        )
        return Picture(image, recipe, seconds)

    def close(self) -> None:
        self.closed = True

    def _steps(self, state: State) -> int:
        return state.request.steps or 4


def skipping_clock() -> Clock:
    """Real time, but for what is slept: that passes at once."""
    skipped: list[float] = [0.0]

    def sleep(seconds: float) -> None:
        skipped[0] += seconds

    return Clock(lambda: time.monotonic() + skipped[0], sleep)


def wait_until(happened: Callable[[], bool]) -> None:
    """Until something that happens in another thread has happened."""
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < 10
        time.sleep(0.005)


class Asker:
    """Someone who waits for one picture."""

    def __init__(self, generator: ImageGenerator, text: str, **options: object) -> None:
        self.events: queue.Queue[GenerationEvent] = queue.Queue()
        self.seen: list[GenerationEvent] = []
        request = GenerationRequest(Prompt(text, ""), seed=0, **options)  # type: ignore[arg-type]
        self.number = generator.submit(request, self.events.put)

    def next(self) -> GenerationEvent:
        self.seen.append(self.events.get(timeout=10))
        return self.seen[-1]

    def end(self) -> GenerationEvent:
        while not isinstance(event := self.next(), Painted | Failed):
            pass
        return event

    def error(self) -> Exception:
        event = self.end()
        assert isinstance(event, Failed)
        return event.error
