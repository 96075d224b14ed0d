"""A painter for tests: paints one colour, at once or when told to."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.errors import Cancelled, ImagineSoundError, InvalidOptions, ShuttingDown
from core.generation.protocol import (
    Failed,
    Figures,
    GenerationRequest,
    GeneratorInfo,
    Inspected,
    InspectionRequest,
    Listener,
    Note,
    Painted,
    Painting,
    Picture,
    Queued,
)
from core.recipe import Recipe


@dataclass
class Order:
    """A submitted request and who listens to it."""

    request: GenerationRequest
    listener: Listener
    number: int


class ScriptedPainter:
    """Fulfils core.generation.protocol.ImageGenerator. While `held`, orders wait for `start`, `step` and `finish`."""

    def __init__(self) -> None:
        self.held = False
        self.orders: list[Order] = []
        self.open: dict[int, Order] = {}
        self.cancelled: list[int] = []
        self.error: ImagineSoundError | None = None
        self.image: Callable[[], Image.Image] = lambda: Image.new("RGB", (64, 64), "teal")
        self.is_miniature = False
        self.notes: tuple[Note, ...] = ()
        self.told = Figures()
        self.noise: npt.NDArray[np.float32] | None = None
        self.inspected: list[InspectionRequest] = []
        self.closed = False
        self.on_lost: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def info(self) -> GeneratorInfo:
        return GeneratorInfo("scripted", "1", 4, 3.0, (64, 64), self.is_miniature)

    def submit(self, request: GenerationRequest, listener: Listener) -> int:
        if self.closed:
            raise ShuttingDown("I am shutting down; please try again in a minute.")
        with self._lock:
            order = Order(request, listener, len(self.orders))
            self.orders.append(order)
            self.open[order.number] = order
        listener(Queued(len(self.open)))
        if not self.held:
            self.step(order, 2)
            self.finish(order)
        return order.number

    def inspect(self, request: InspectionRequest, listener: Listener) -> int:
        """Finds `noise` in any picture, at once; while `held`, nothing."""
        self.inspected.append(request)
        if self.noise is None:
            listener(Failed(InvalidOptions("I cannot tell whether I painted this picture.")))
        elif not self.held:
            listener(Inspected(self.noise))
        return -1

    def cancel(self, number: int) -> None:
        order = self.open.pop(number, None)
        if order is not None:
            self.cancelled.append(number)
            order.listener(Failed(Cancelled("This picture was cancelled.")))

    def when_lost(self, callback: Callable[[], None]) -> None:
        self.on_lost = callback

    def queue_length(self) -> int:
        return len(self.open)

    def figures(self) -> Figures:
        return self.told

    def close(self) -> None:
        self.closed = True
        for order in list(self.open.values()):
            self.open.pop(order.number, None)
            order.listener(Failed(ShuttingDown("I am shutting down; please try again in a minute.")))

    def step(self, order: Order, step: int, preview: bytes | None = None) -> None:
        order.listener(Painting(step, 4, preview))

    def finish(self, order: Order) -> None:
        self.open.pop(order.number, None)
        if self.error is not None:
            order.listener(Failed(self.error))
            return
        request = order.request
        recipe = Recipe(
            prompt=request.prompt,
            seed=request.seed,
            steps=4,
            guidance=3.0,
            size=(64, 64),
            model="scripted",
            revision="1",
            adapter=None,
            heard=request.heard,
            near=request.near,
        )
        order.listener(Painted(Picture(self.image(), recipe, 1.5, self.is_miniature, self.notes)))

    def finish_all(self) -> None:
        self.held = False
        for order in list(self.open.values()):
            self.finish(order)
