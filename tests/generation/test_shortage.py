"""Nothing is lost to a shortage of memory that passes or that less work avoids, and nothing is painted twice for it."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from core.errors import Cancelled, OutOfMemory, ShuttingDown
from core.generation.batcher import Batcher
from core.generation.protocol import Painted, Painting
from core.generation.shortage import Allowance, Clock
from tests.generation.scripted import Asker, ScriptedModel, State


@dataclass
class FakeTime:
    """Time that passes only where somebody sleeps, and where a test says so."""

    seconds: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.seconds += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep)


@contextmanager
def painting(model: ScriptedModel, time: FakeTime, *, max_batch: int = 4) -> Iterator[Batcher[State]]:
    batcher = Batcher(lambda: model, max_batch=max_batch, max_waiting=100, clock=time.clock)
    try:
        yield batcher
    finally:
        if model.gate is not None:
            model.gate.release(1000)
        batcher.close()


def ask_for(batcher: Batcher[State], model: ScriptedModel, *names: str, **options: object) -> list[Asker]:
    """Who wait for pictures that are painted together."""
    model.gate = threading.Semaphore(0)
    askers = [Asker(batcher, name, **options) for name in names]
    model.gate.release(1000)
    return askers


def all_painted(askers: list[Asker]) -> bool:
    ends = [asker.end() for asker in askers]
    return all(isinstance(end, Painted) for end in ends)


def stages(model: ScriptedModel, name: str) -> Counter[str]:
    """How often each thing was done to the picture called `name`."""
    return Counter(what for what, names in model.log if name in names)


ERRORS: dict[str, Callable[[], Exception]] = {
    "allocator": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "runtime": lambda: torch.AcceleratorError("CUDA error: out of memory", 2),
    "cublas": lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "cudnn": lambda: RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    "compiler": lambda: BackendCompilerFailed("inductor", torch.OutOfMemoryError("Allocation on device"), None),
    "ours": OutOfMemory,
}
ONCE, ABOVE, FOR_10_S = "once", "above a size", "for 10 s"
SHORTAGE_S = 10.0


def trouble(error: Callable[[], Exception], stage: str, when: str, model: ScriptedModel, time: FakeTime) -> None:
    """Let `model` be short of memory: once, above one picture (or until something is parked), or for ten seconds."""
    failures: list[float] = []

    def fail(what: str, pictures: int) -> None:
        if what != stage and (what, stage) != ("tiles", "decode"):
            return
        is_parked = any(done == "park" for done, _ in model.log)
        short = {
            ONCE: not failures,
            ABOVE: not is_parked if stage == "prepare" else what != "tiles" and pictures > 1,
            FOR_10_S: time.seconds < SHORTAGE_S,
        }
        if short[when]:
            failures.append(time.seconds)
            raise error()

    model.trouble = fail


@pytest.mark.parametrize("when", [ONCE, ABOVE, FOR_10_S])
@pytest.mark.parametrize("stage", ["prepare", "step", "decode"])
@pytest.mark.parametrize("kind", ERRORS)
def test_nothing_is_lost_or_painted_twice_and_the_largest_batch_comes_back(kind: str, stage: str, when: str) -> None:
    model, time = ScriptedModel(parks=1), FakeTime()
    trouble(ERRORS[kind], stage, when, model, time)
    names = [f"number {n}" for n in range(4)]
    with painting(model, time) as batcher:
        assert all_painted(ask_for(batcher, model, *names))
        for name in names:
            done = stages(model, name)
            assert (done["prepare"], done["stepped"], done["decoded"]) == (1, 4, 1)
        time.seconds = max(time.seconds, (SHORTAGE_S if when == FOR_10_S else 0.0) + 60.0)
        before = len(model.sizes)
        assert all_painted(ask_for(batcher, model, *(f"{name} later" for name in names)))
        assert max(model.sizes[before:]) == 4


def test_ladder_is_gone_down_rung_by_rung_before_anybody_is_told() -> None:
    """Decoding: together, fewer, alone, in tiles, with nothing else on the device, then three times later."""
    model, time = ScriptedModel(parks=1), FakeTime()

    def fail(what: str, _: int) -> None:
        if what in ("decode", "tiles"):
            raise OutOfMemory

    model.trouble = fail
    with painting(model, time, max_batch=2) as batcher:
        for asker in ask_for(batcher, model, "one", "two"):
            error = asker.error()
            assert isinstance(error, OutOfMemory)
            assert error.__traceback__ is None, "which would hold tensors"
    rungs = [what for what, names in model.log if what in ("decode", "tiles", "park") and names in ((), ("one",), ("one", "two"))]  # fmt: skip  # noqa: E501
    assert rungs[:4] == ["decode", "decode", "tiles", "park"]
    assert stages(model, "one")["tiles"] == 5, "at once, after parking, and after each of three rests"
    assert time.seconds == pytest.approx(1 + 4 + 15)
    assert stages(model, "one")["stepped"] == 4


@pytest.mark.parametrize("stage", ["prepare", "step"])
def test_who_fits_nowhere_is_told_after_three_rests(stage: str) -> None:
    model, time = ScriptedModel(), FakeTime()

    def fail(what: str, _: int) -> None:
        if what == stage:
            raise RuntimeError("CUDA error: out of memory")

    model.trouble = fail
    with painting(model, time) as batcher:
        assert isinstance(Asker(batcher, "huge").error(), OutOfMemory)
        assert time.seconds == pytest.approx(1 + 4 + 15)
        model.trouble = lambda what, pictures: None
        assert isinstance(Asker(batcher, "afterwards").end(), Painted)


def test_others_are_painted_while_one_rests() -> None:
    model, time, asked = ScriptedModel(), FakeTime(), threading.Event()
    whole, stepped_at = model.step, []

    def step(states: list[State]) -> list[State]:
        if any(state.request.size == (64, 64) for state in states):
            raise OutOfMemory
        stepped_at.append(time.seconds)
        return whole(states)

    def sleep(seconds: float) -> None:
        assert asked.wait(10)
        time.sleep(seconds)

    model.step = step  # type: ignore[method-assign, assignment]
    batcher = Batcher(lambda: model, max_batch=4, max_waiting=9, clock=Clock(time.clock.now, sleep))
    huge, small = Asker(batcher, "huge", size=(64, 64)), Asker(batcher, "small")
    asked.set()
    assert isinstance(small.end(), Painted)
    assert isinstance(huge.error(), OutOfMemory)
    batcher.close()
    assert max(stepped_at) <= 1.0, "within the first rest"
    assert time.seconds == pytest.approx(20.0)


def test_sizes_of_picture_are_short_of_memory_each_for_itself() -> None:
    model, time = ScriptedModel(), FakeTime()
    whole = model.step

    def step(states: list[State]) -> list[State]:
        if len(states) > 1 and states[0].request.size == (64, 64):
            raise OutOfMemory
        return whole(states)

    model.step = step  # type: ignore[method-assign, assignment]
    with painting(model, time) as batcher:
        assert all_painted(ask_for(batcher, model, *"abcd", size=(64, 64)))
        assert max(model.sizes) == 1
        assert all_painted(ask_for(batcher, model, *"efgh", size=(32, 32)))
        assert max(model.sizes) == 4


def test_one_that_rests_can_be_cancelled_and_does_not_hold_up_the_end() -> None:
    model, resting, go_on = ScriptedModel(fits=0), threading.Event(), threading.Event()

    def sleep(_: float) -> None:
        resting.set()
        assert go_on.wait(10)

    batcher = Batcher(lambda: model, max_batch=1, max_waiting=9, clock=Clock(lambda: 0.0, sleep))
    first = Asker(batcher, "unwanted")
    assert resting.wait(10)
    batcher.cancel(first.number)
    go_on.set()
    assert isinstance(first.error(), Cancelled)
    second = Asker(batcher, "wanted")
    while not isinstance(second.next(), Painting):
        pass
    batcher.close()
    assert isinstance(second.error(), ShuttingDown)
    assert model.closed


def test_progress_is_told_once_a_step_whatever_had_to_be_tried_again() -> None:
    model, time = ScriptedModel(), FakeTime()
    trouble(OutOfMemory, "step", FOR_10_S, model, time)
    with painting(model, time) as batcher:
        asker = Asker(batcher, "a dog", steps=3)
        assert isinstance(asker.end(), Painted)
    assert [event for event in asker.seen if isinstance(event, Painting)] == [Painting(n, 3) for n in range(4)]


def test_whole_number_is_tried_again_after_60_120_and_240_seconds() -> None:
    time = FakeTime()
    allowance = Allowance(lambda: time.seconds)
    assert allowance.most("step", 8) == 8
    allowance.failed("step", 8)
    allowance.failed("step", 4)
    assert (allowance.most("step", 8), allowance.most("decoding", 8)) == (2, 8)
    for patience_s in (60, 120, 240, 240):
        time.seconds += patience_s - 1
        allowance.worked("step", 2)
        assert allowance.most("step", 8) == 2, "too early"
        time.seconds += 1
        assert allowance.most("step", 8) == 8
        for size in (8, 4):
            allowance.failed("step", size)
    time.seconds += 240
    allowance.worked("step", 8)
    allowance.failed("step", 8)
    time.seconds += 60
    assert allowance.most("step", 8) == 8, "what worked is forgotten"


def test_failures_within_one_shortage_do_not_make_it_longer() -> None:
    time = FakeTime()
    allowance = Allowance(lambda: time.seconds)
    for size in (8, 4, 2, 1, 1, 1):
        allowance.failed("step", size)
        time.seconds += 1
    assert allowance.most("step", 8) == 0
    time.seconds = 5 + 60
    assert allowance.most("step", 8) == 8
