"""Pictures are painted from the first moment; what is to be compiled waits for a break, and nobody waits for it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from core.errors import Cancelled, OutOfMemory, PaintingError, ShuttingDown
from core.generation.batcher import Batcher
from core.generation.breaks import LONGEST_PAUSE_S, NEVER_CALM_S, Breaks
from core.generation.protocol import Painted
from core.generation.shortage import USUAL_CLOCK, Clock
from tests.generation.scripted import Asker, ScriptedModel, State, wait_until
from tests.generation.test_shortage import FakeTime

CALM_S = 0.02


@contextmanager
def painting(model: ScriptedModel, clock: Clock = USUAL_CLOCK, *, calm_s: float = CALM_S) -> Iterator[Batcher[State]]:
    batcher = Batcher(lambda: model, max_batch=4, max_waiting=100, calm_s=calm_s, clock=clock)
    try:
        yield batcher
    finally:
        if model.gate is not None:
            model.gate.release(1000)
        model.released.set()
        batcher.close()


def compiled(model: ScriptedModel) -> int:
    return sum(what == "compile" for what, _ in model.log)


def test_first_picture_comes_at_once_though_compiling_takes_seconds() -> None:
    model = ScriptedModel(parts=4, compile_s=1.0)
    batcher = Batcher(lambda: model, max_batch=8, max_waiting=100)
    loaded = time.monotonic()
    assert isinstance(Asker(batcher, "a dog").end(), Painted)
    assert time.monotonic() - loaded < 0.1
    assert compiled(model) == 0
    batcher.close()


def test_all_is_compiled_while_nobody_asks_and_then_nothing_is_done() -> None:
    model = ScriptedModel(parts=5)
    with painting(model):
        wait_until(lambda: compiled(model) == 5)


def test_whoever_asks_while_a_part_is_compiled_waits_for_no_other() -> None:
    model, at_it = ScriptedModel(parts=3), threading.Event()

    def take_long(what: str, _: int) -> None:
        if what == "compile":
            at_it.set()
            model.released.wait(10)

    model.trouble = take_long
    with painting(model) as batcher:
        assert at_it.wait(10)
        asker = Asker(batcher, "a dog")
        model.released.set()
        assert isinstance(asker.end(), Painted)
    assert [what for what, _ in model.log if what in ("compile", "step")][:2] == ["compile", "step"]


@pytest.mark.parametrize(("lasts_s", "is_held_up"), [(1.0, False), (LONGEST_PAUSE_S / 2, True)])
def test_pictures_under_way_stand_still_only_for_parts_that_are_quickly_compiled(
    lasts_s: float, is_held_up: bool
) -> None:
    model, time = ScriptedModel(parts=100), FakeTime()
    part_by_part = threading.Semaphore(3)

    def last(what: str, _: int) -> None:
        if what == "compile":
            part_by_part.acquire(timeout=10)
            time.seconds += lasts_s

    model.trouble = last
    with painting(model, time.clock) as batcher:
        wait_until(lambda: compiled(model) == 3)
        asker = Asker(batcher, "a dog", steps=9)
        part_by_part.release(1000)
        assert isinstance(asker.end(), Painted)
    names = [what for what, _ in model.log if what in ("compile", "stepped", "decoded")]
    while_painted = names[names.index("stepped") : names.index("decoded")]
    assert ("compile" in while_painted) == is_held_up


def test_only_what_is_never_calm_is_held_up_for_a_part_and_not_often() -> None:
    breaks = Breaks(calm_s=1.0)
    breaks.waited(0.0, came=True)
    assert breaks.next_in_s == 1.0
    assert not breaks.is_one(NEVER_CALM_S - 1, is_busy=True)
    assert breaks.is_one(NEVER_CALM_S, is_busy=True)
    breaks.took(NEVER_CALM_S, NEVER_CALM_S + 5, had_work=True)
    assert not breaks.is_one(NEVER_CALM_S + 6, is_busy=True)
    assert breaks.is_one(2 * NEVER_CALM_S + 5, is_busy=True)


def test_break_begins_when_nobody_has_asked_for_a_while() -> None:
    breaks = Breaks(calm_s=1.0)
    assert not breaks.is_one(0.0, is_busy=False)
    breaks.waited(1.0, came=False)
    assert breaks.is_one(1.0, is_busy=False)
    assert breaks.next_in_s == 0.0, "one part after the other"
    breaks.waited(2.0, came=True)
    assert not breaks.is_one(2.0, is_busy=False)
    breaks.waited(3.0, came=False)
    breaks.took(3.0, 3.0, had_work=False)
    assert breaks.next_in_s is None, "nothing is left to do but to wait"
    breaks.stepped()
    assert breaks.next_in_s is not None


def test_short_memory_puts_compiling_off_for_a_minute_and_costs_no_picture() -> None:
    model, time = ScriptedModel(parts=2), FakeTime()
    tries: list[float] = []

    def be_short(what: str, _: int) -> None:
        if what == "compile":
            tries.append(time.seconds)
            if time.seconds < 60:
                raise OutOfMemory

    model.trouble = be_short
    with painting(model, time.clock) as batcher:
        wait_until(lambda: bool(tries))
        assert isinstance(Asker(batcher, "a dog").end(), Painted)
        assert len(tries) == 1
        time.seconds = 60.0
        wait_until(lambda: compiled(model) == 2)
    assert tries == [0.0, 60.0, 60.0]


def test_fault_in_compiling_ends_it_and_costs_no_picture() -> None:
    model = ScriptedModel(parts=2, cannot_compile=True)
    with painting(model) as batcher:
        wait_until(lambda: ("step", ("a bell",)) in model.log)
        assert isinstance(Asker(batcher, "a dog").end(), Painted), "the device was tried, and works"
        assert type(Asker(batcher, "explode").error()) is PaintingError
    assert model.parts == 2


def test_who_is_cancelled_or_shut_down_while_a_part_is_compiled_hears_of_it_within_two_seconds() -> None:
    model, at_it = ScriptedModel(parts=1), threading.Event()

    def hang(what: str, _: int) -> None:
        if what == "compile":
            at_it.set()
            model.released.wait(30)

    model.trouble = hang
    with painting(model) as batcher:
        assert at_it.wait(10)
        cancelled, waiting = Asker(batcher, "one"), Asker(batcher, "two")
        batcher.cancel(cancelled.number)
        assert isinstance(cancelled.error(), Cancelled)
        began = time.monotonic()
        batcher.close()
        assert time.monotonic() - began < 2.5
        assert isinstance(waiting.error(), ShuttingDown)
