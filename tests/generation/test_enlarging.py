"""Pictures are enlarged one after the other, fair between users; what goes wrong with one leaves the others alone."""

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from PIL.Image import Image, new

from core.errors import (
    Cancelled,
    ImagineSoundError,
    InvalidOptions,
    ModelMissing,
    ModelUnusable,
    OutOfMemory,
    PaintingError,
    ShuttingDown,
    UpscalingStalled,
)
from core.generation.enlarging import EnlargingThread
from core.generation.protocol import Failed, GenerationEvent, Painted, Painting, Queued, UpscalingRequest
from core.generation.watch import Patience
from core.located import LocatedModel, Origin
from core.prompting.prompt import Prompt
from core.recipe import Recipe

RECIPE = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (8, 8), "painter", "1", None, ())
TILES = 3


@dataclass
class ScriptedUpscaler:
    """Enlarges in three tiles, each of which waits for the `gate` where there is one. Failures are written down."""

    gate: threading.Semaphore | None = None
    fails_with: list[Exception] = field(default_factory=list)
    order: list[tuple[int, int]] = field(default_factory=list)
    """The sizes of the pictures, as they came."""
    released: threading.Event = field(default_factory=threading.Event)
    hangs: bool = False
    closed: bool = False

    def enlarge(
        self, image: Image, times: int, *, on_tile: Callable[[int, int], None], is_cancelled: Callable[[], bool]
    ) -> Image:
        self.order.append(image.size)
        on_tile(0, TILES)
        for tile in range(TILES):
            if self.gate is not None:
                assert self.gate.acquire(timeout=10)
            if self.hangs:
                self.hangs = False
                self.released.wait(30)
            if is_cancelled():
                raise Cancelled
            if self.fails_with:
                raise self.fails_with.pop()
            on_tile(tile + 1, TILES)
        return image.resize((image.width * times, image.height * times))

    def close(self) -> None:
        self.closed = True


def located(name: str) -> LocatedModel:
    return LocatedModel(name, f"{name}.safetensors", Origin.CACHE, "it was fetched before")


class Asker:
    """Someone who waits for one larger picture; it is as wide as they are old."""

    def __init__(self, thread: EnlargingThread, width: int = 8, times: int = 2, **recipe: object) -> None:
        self.events: queue.Queue[GenerationEvent] = queue.Queue()
        self.seen: list[GenerationEvent] = []
        user = str(recipe.pop("user", ""))
        request = UpscalingRequest(new("RGB", (width, 8)), replace(RECIPE, **recipe), times, user)  # type: ignore[arg-type]
        self.number = thread.submit(request, self.events.put)

    def until(self, *kinds: type) -> GenerationEvent:
        while True:
            self.seen.append(self.events.get(timeout=10))
            if isinstance(self.seen[-1], kinds):
                return self.seen[-1]

    def error(self) -> ImagineSoundError:
        event = self.until(Painted, Failed)
        assert isinstance(event, Failed)
        return event.error


@pytest.fixture
def upscaler() -> ScriptedUpscaler:
    return ScriptedUpscaler()


@pytest.fixture
def thread(upscaler: ScriptedUpscaler) -> Iterator[EnlargingThread]:
    made = EnlargingThread(lambda _: located("upscaler"), lambda _: upscaler, max_waiting=10)
    yield made
    upscaler.released.set()
    made.close()


def test_a_picture_waits_is_enlarged_tile_by_tile_and_says_so_in_its_recipe(thread: EnlargingThread) -> None:
    asker = Asker(thread, times=4)
    last = asker.until(Painted, Failed)

    assert isinstance(last, Painted)
    assert last.picture.image.size == (32, 32)
    assert last.picture.recipe == replace(RECIPE, enlarged=4)
    assert asker.seen[-6:-1] == [Queued(1), *(Painting(tile, TILES) for tile in range(TILES + 1))]


def test_a_larger_picture_can_become_larger_again_but_not_without_end(thread: EnlargingThread) -> None:
    last = Asker(thread, times=2, enlarged=2).until(Painted, Failed)
    assert isinstance(last, Painted)
    assert last.picture.recipe.enlarged == 4
    with pytest.raises(InvalidOptions, match="4 times as large"):
        Asker(thread, times=2, enlarged=4)


def test_two_users_take_turns(thread: EnlargingThread, upscaler: ScriptedUpscaler) -> None:
    upscaler.gate = threading.Semaphore(0)
    first = Asker(thread, width=10, user="eager")
    first.until(Painting)
    eager = [Asker(thread, width=width, user="eager") for width in (11, 12)]
    other = Asker(thread, width=20, user="other")
    for _ in range(4 * TILES):
        upscaler.gate.release()
    for asker in (first, *eager, other):
        asker.until(Painted)

    assert [width for width, _ in upscaler.order] == [10, 20, 11, 12]


def test_it_is_cancelled_between_two_tiles_and_the_next_one_comes(
    thread: EnlargingThread, upscaler: ScriptedUpscaler
) -> None:
    upscaler.gate = threading.Semaphore(0)
    first, second = Asker(thread), Asker(thread)
    first.until(Painting)
    thread.cancel(first.number)
    for _ in range(1 + TILES):
        upscaler.gate.release()

    assert isinstance(first.error(), Cancelled)
    assert isinstance(second.until(Painted, Failed), Painted)


def test_closing_ends_what_is_enlarged_and_what_waits(upscaler: ScriptedUpscaler) -> None:
    upscaler.gate = threading.Semaphore(0)
    thread = EnlargingThread(lambda _: located("upscaler"), lambda _: upscaler, max_waiting=10)
    first, second = Asker(thread), Asker(thread)
    first.until(Painting)
    closing = threading.Thread(target=thread.close)
    closing.start()
    second_error = second.error()
    upscaler.gate.release()
    closing.join(10)

    assert isinstance(first.error(), ShuttingDown)
    assert isinstance(second_error, ShuttingDown)
    assert upscaler.closed
    with pytest.raises(ShuttingDown):
        Asker(thread)


@pytest.mark.parametrize("error", [OutOfMemory(), RuntimeError("CUDA error: an illegal memory access")])
def test_what_fails_with_one_picture_leaves_the_next_alone(
    error: Exception, thread: EnlargingThread, upscaler: ScriptedUpscaler
) -> None:
    upscaler.fails_with.append(error)
    told = Asker(thread).error()

    assert isinstance(told, PaintingError)
    assert "CUDA" not in str(told)
    assert isinstance(Asker(thread).until(Painted, Failed), Painted)
    assert not thread.is_lost


def test_a_network_that_cannot_be_loaded_is_tried_again_for_the_next_picture(upscaler: ScriptedUpscaler) -> None:
    tries: list[Exception] = [ModelUnusable("UPSCALE_MODEL is no network.")]

    def load(_: LocatedModel) -> ScriptedUpscaler:
        if tries:
            raise tries.pop()
        return upscaler

    thread = EnlargingThread(lambda _: located("upscaler"), load, max_waiting=10)
    assert isinstance(Asker(thread).error(), ModelUnusable)
    assert isinstance(Asker(thread).until(Painted, Failed), Painted)
    thread.close()


def test_each_painters_pictures_are_enlarged_by_what_is_meant_for_them() -> None:
    """Playground's never by the miniature's."""
    loaded: dict[str, ScriptedUpscaler] = {}

    def locate(painter: str) -> LocatedModel:
        if painter == "nobody":
            raise ModelMissing("Nothing enlarges nobody's pictures.")
        return located(f"for {painter}")

    def load(found: LocatedModel) -> ScriptedUpscaler:
        return loaded.setdefault(found.name, ScriptedUpscaler())

    thread = EnlargingThread(locate, load, max_waiting=10)
    for painter in ("miniature", "miniature", "playground"):
        assert isinstance(Asker(thread, model=painter).until(Painted, Failed), Painted)
    assert isinstance(Asker(thread, model="nobody").error(), ModelMissing)
    thread.close()

    assert {name: len(one.order) for name, one in loaded.items()} == {"for miniature": 2, "for playground": 1}
    assert all(one.closed for one in loaded.values()), "one at a time is in memory"


def test_one_that_hangs_is_given_up_and_everyone_is_told(upscaler: ScriptedUpscaler) -> None:
    upscaler.hangs = True
    thread = EnlargingThread(
        lambda _: located("upscaler"), lambda _: upscaler, max_waiting=10, patience=Patience(stall_s=0.2)
    )
    first, second = Asker(thread), Asker(thread)

    assert isinstance(first.error(), UpscalingStalled)
    assert isinstance(second.error(), UpscalingStalled)
    assert thread.is_lost
    with pytest.raises(UpscalingStalled):
        Asker(thread)
    thread.close()
    upscaler.released.set()


def test_too_many_are_refused(upscaler: ScriptedUpscaler) -> None:
    upscaler.gate = threading.Semaphore(0)
    thread = EnlargingThread(lambda _: located("upscaler"), lambda _: upscaler, max_waiting=1)
    Asker(thread).until(Painting)
    Asker(thread)
    with pytest.raises(PaintingError, match="Too many"):
        Asker(thread)
    upscaler.gate.release()
    thread.close()
