"""A painter that hangs, dies or whose device works no more is noticed and everybody told; a slow one is left alone."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from PIL import Image

from core.errors import OutOfMemory, PainterLost, PaintingError, ShuttingDown
from core.generation.batcher import Batcher
from core.generation.protocol import GenerationRequest, Painted, Painting
from core.generation.stock import StockGenerator
from core.generation.watch import Patience, Phase, within
from core.generation.worker import PROBE
from core.recipe import Recipe
from tests.generation import test_stock
from tests.generation.scripted import Asker, ScriptedModel, State, skipping_clock, wait_until

STALL_S = 0.4
PATIENCE = Patience(loading_s=20 * STALL_S, compiling_s=20 * STALL_S, stall_s=STALL_S)


@contextmanager
def painting(
    model: ScriptedModel, *, max_batch: int = 2, patience: Patience = PATIENCE
) -> Iterator[tuple[Batcher[State], list[str]]]:
    """A batcher, and the names of the threads in which it said that it was lost."""
    batcher = Batcher(
        lambda: model, max_batch=max_batch, max_waiting=100, patience=patience, clock=skipping_clock(), calm_s=0.01
    )
    lost: list[str] = []
    batcher.when_lost(lambda: lost.append(threading.current_thread().name))
    try:
        yield batcher, lost
    finally:
        model.released.set()
        batcher.close()


def test_limits_follow_the_phase_and_the_usual_step() -> None:
    patience = Patience()
    assert patience.limit(Phase.WAITING, [1.0]) is None
    assert patience.limit(Phase.LOADING, []) == 600
    assert patience.limit(Phase.COMPILING, []) == 1800
    assert patience.limit(Phase.STEPPING, []) == 120
    assert patience.limit(Phase.STEPPING, [0.1, 0.2, 0.3]) == 120
    assert patience.limit(Phase.BETWEEN_STEPS, [1.0, 9.0, 500.0]) == 180, "twenty times the median"


def test_step_that_hangs_is_told_to_everyone_and_the_log_says_where(caplog: pytest.LogCaptureFixture) -> None:
    model = ScriptedModel()
    with painting(model) as (batcher, lost):
        began = time.monotonic()
        askers = [Asker(batcher, text) for text in ("hangs", "beside", "waiting")]
        assert all(isinstance(asker.error(), PainterLost) for asker in askers)
        assert time.monotonic() - began < 10 * STALL_S
        with pytest.raises(PainterLost):
            Asker(batcher, "late")
        assert batcher.queue_length() == 0
        model.released.set()  # it comes round after all, too late
        batcher._thread.join(10)
        assert all(asker.events.empty() for asker in askers), "nothing follows"
    assert lost == ["watch"]
    stacks = "".join(getattr(record, "stacks", "") for record in caplog.records)
    assert "self.released.wait" in stacks, "the stack of the painting thread"


def test_whoever_asks_to_be_told_later_is_told_at_once() -> None:
    with painting(ScriptedModel()) as (batcher, lost):
        Asker(batcher, "hangs").error()
        batcher.when_lost(lambda: lost.append("later"))
        assert lost[-1] == "later"


def test_device_that_fails_at_the_smallest_of_pictures_is_lost() -> None:
    model = ScriptedModel(gate=threading.Semaphore(1000), after_breaking="CUDA error: invalid argument")
    with painting(model) as (batcher, lost):
        askers = [Asker(batcher, text) for text in ("breaks the device", "beside", "waiting")]
        assert all(isinstance(asker.error(), PainterLost) for asker in askers)
        with pytest.raises(PainterLost):
            Asker(batcher, "late")
    assert ("step", ("a bell",)) in model.log
    assert lost == ["painting"]


def test_device_that_says_that_it_is_lost_is_asked_for_nothing_more() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model) as (batcher, lost):
        askers = [Asker(batcher, text) for text in ("beside", "breaks the device", "waiting")]
        assert model.gate is not None
        model.gate.release(1000)
        assert all(isinstance(asker.error(), PainterLost) for asker in askers)
        with pytest.raises(PainterLost):
            Asker(batcher, "late")
    assert model.log[-1][0] == "step"
    assert "breaks the device" in model.log[-1][1], "nothing was tried after it"
    assert lost == ["painting"]


@pytest.mark.parametrize("what", ["prepare", "decode", "progress"])
def test_device_lost_anywhere_loses_the_painter_at_once(what: str) -> None:
    def trouble(doing: str, _: int) -> None:
        if doing == what:
            raise RuntimeError("CUDA error: device-side assert triggered")

    model = ScriptedModel(trouble=trouble)
    with painting(model) as (batcher, lost):
        assert isinstance(Asker(batcher, "a dog").error(), PainterLost)
        batcher._thread.join(10)
    assert ("step", ("a bell",)) not in model.log
    assert lost == ["painting"]


def test_device_that_hangs_when_it_is_tried_is_lost() -> None:
    model = ScriptedModel()

    def hang_if_tried() -> None:
        if model.log[-1] == ("step", ("a bell",)):
            model.released.wait(30)

    model.on_step = hang_if_tried
    with painting(model) as (batcher, lost):
        assert isinstance(Asker(batcher, "explode").error(), PainterLost)
    assert lost == ["watch"]


def test_error_of_one_request_is_told_to_it_alone_once_the_device_has_been_tried() -> None:
    model = ScriptedModel()
    with painting(model) as (batcher, lost):
        assert type(Asker(batcher, "explode").error()) is PaintingError
        assert isinstance(Asker(batcher, "afterwards").end(), Painted)
    assert ("step", ("a bell",)) in model.log
    assert lost == []


def test_refusal_or_a_full_memory_is_no_reason_to_try_the_device() -> None:
    model = ScriptedModel(fits=0)
    with painting(model) as (batcher, _):
        assert isinstance(Asker(batcher, "huge").error(), OutOfMemory)
        Asker(batcher, "bad").error()
    assert ("step", ("a bell",)) not in model.log


def test_device_too_full_to_be_tried_is_not_lost() -> None:
    class Full(ScriptedModel):
        def prepare(self, request: GenerationRequest) -> State:
            if request is PROBE:
                raise OutOfMemory
            return super().prepare(request)

    with painting(Full()) as (batcher, lost):
        assert type(Asker(batcher, "explode").error()) is PaintingError
        assert isinstance(Asker(batcher, "afterwards").end(), Painted)
    assert lost == []


def test_device_that_fails_in_compiling_is_lost_also_while_nobody_asks() -> None:
    with painting(ScriptedModel(parts=1, cannot_compile=True, device_works=False)) as (batcher, lost):
        batcher._thread.join(10)
        with pytest.raises(PainterLost):
            Asker(batcher, "a dog")
    assert len(lost) <= 1, "nobody was there to listen when it happened, or one"


def test_slow_painter_that_moves_is_not_lost() -> None:
    with painting(ScriptedModel(on_step=lambda: time.sleep(0.6 * STALL_S))) as (batcher, lost):
        assert isinstance(Asker(batcher, "a dog", steps=5).end(), Painted)
    assert lost == []


def test_compiling_may_take_longer_than_a_step() -> None:
    model = ScriptedModel(parts=1, compile_s=2 * STALL_S)
    with painting(model) as (batcher, lost):
        wait_until(lambda: not model.parts)
        assert isinstance(Asker(batcher, "a dog").end(), Painted)
    assert lost == []


def test_compiling_that_never_ends_is_lost() -> None:
    model = ScriptedModel(parts=1)

    def hang(what: str, _: int) -> None:
        if what == "compile":
            model.released.wait(30)

    model.trouble = hang
    with painting(model, patience=replace(PATIENCE, compiling_s=STALL_S)) as (batcher, lost):
        wait_until(lambda: bool(lost))
        with pytest.raises(PainterLost):
            Asker(batcher, "a dog")
    assert lost == ["watch"]


def test_waiting_for_requests_is_no_stall() -> None:
    with painting(ScriptedModel()) as (batcher, lost):
        for _ in range(2):
            assert isinstance(Asker(batcher, "a dog").end(), Painted)
            time.sleep(3 * STALL_S)
    assert lost == []


def test_loading_that_hangs_is_told_to_whoever_makes_the_painter() -> None:
    released = threading.Event()

    def load() -> ScriptedModel:
        released.wait(30)
        return ScriptedModel()

    try:
        with pytest.raises(PainterLost):
            Batcher(load, max_batch=1, max_waiting=1, patience=replace(PATIENCE, loading_s=STALL_S))
    finally:
        released.set()


def test_device_that_does_not_answer_is_not_waited_for() -> None:
    released = threading.Event()
    with pytest.raises(PainterLost):
        within(STALL_S, lambda: released.wait(30))
    released.set()
    assert within(10, lambda: "answer") == "answer"


def test_closing_does_not_wait_for_a_step_that_hangs() -> None:
    model = ScriptedModel()
    with painting(model, max_batch=1, patience=Patience()) as (batcher, lost):
        active, waiting = Asker(batcher, "hangs"), Asker(batcher, "waiting")
        while ("step", ("hangs",)) not in model.log:
            time.sleep(0.01)
        began = time.monotonic()
        batcher.close()
        assert time.monotonic() - began < 3
        assert isinstance(active.error(), ShuttingDown)
        assert isinstance(waiting.error(), ShuttingDown)
    assert lost == []


class StockModel(test_stock.ScriptedModel):
    """ "hangs" hangs in its second step, "breaks the device" makes all fail that comes after."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()
        self.device_works = True

    def paint(self, recipe: Recipe, on_step: Callable[[int], None]) -> Image.Image:
        def on_my_step(step: int) -> None:
            on_step(step)
            if recipe.prompt.text == "hangs":
                self.released.wait(30)

        self.device_works = self.device_works and recipe.prompt.text != "breaks the device"
        if not self.device_works:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return super().paint(recipe, on_my_step)


@pytest.mark.parametrize("text", ["hangs", "breaks the device"])
def test_stock_pipeline_is_watched_as_well(text: str) -> None:
    model = StockModel()
    generator = StockGenerator(lambda: model, max_waiting=10, patience=PATIENCE)
    lost: list[str] = []
    generator.when_lost(lambda: lost.append("lost"))
    try:
        time.sleep(2 * STALL_S)
        assert isinstance(Asker(generator, "a dog").end(), Painted)
        askers = [Asker(generator, text), Asker(generator, "waiting")]
        assert all(isinstance(asker.error(), PainterLost) for asker in askers)
        with pytest.raises(PainterLost):
            Asker(generator, "late")
    finally:
        model.released.set()
        generator.close()
    assert lost == ["lost"]


def test_stock_pipeline_is_tried_for_one_step_after_an_error() -> None:
    model = StockModel()
    steps: list[str] = []
    whole = model.paint

    def noting(recipe: Recipe, on_step: Callable[[int], None]) -> Image.Image:
        steps.append(recipe.prompt.text)
        return whole(recipe, on_step)

    model.paint = noting  # type: ignore[method-assign]
    generator = StockGenerator(lambda: model, max_waiting=10, patience=PATIENCE)
    try:
        before = model.gate._value
        assert type(Asker(generator, "explode").error()) is PaintingError
        assert before - model.gate._value == 3 + 1, "the third step failed, and one was tried"
        asker = Asker(generator, "a dog", steps=2)
        assert isinstance(asker.end(), Painted)
    finally:
        generator.close()
    assert steps == ["explode", "a bell", "a dog"]
    assert [event for event in asker.seen if isinstance(event, Painting)] == [Painting(n, 2) for n in range(3)]
