"""Requests join and leave the batch at every step, and what fails, fails alone."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest

from core.errors import Cancelled, InvalidOptions, OutOfMemory, PainterLost, PaintingError, ShuttingDown
from core.generation.batcher import LONGEST_ENCODING_S, Batcher, EnteringRequest, portions
from core.generation.protocol import (
    Failed,
    Figures,
    GenerationEvent,
    GenerationRequest,
    GpuMemory,
    Loading,
    Painted,
    Painting,
    Queued,
)
from core.generation.queue import Ticket
from core.prompting.prompt import Prompt
from tests.generation.scripted import Asker, ScriptedModel, State, skipping_clock, wait_until


def test_seven_are_stepped_as_four_two_and_one() -> None:
    assert list(portions(list("abcdefg"), [1, 2, 4])) == [["a", "b", "c", "d"], ["e", "f"], ["g"]]
    assert list(portions(list("abc"), [1])) == [["a"], ["b"], ["c"]]
    assert list(portions([], [1, 2])) == []


@contextmanager
def painting(model: ScriptedModel, *, max_batch: int = 4, max_waiting: int = 100) -> Iterator[Batcher[State]]:
    batcher = Batcher(lambda: model, max_batch=max_batch, max_waiting=max_waiting, clock=skipping_clock())
    try:
        yield batcher
    finally:
        if model.gate is not None:
            model.gate.release(1000)
        batcher.close()


def test_a_picture_comes_after_all_its_steps() -> None:
    with painting(ScriptedModel()) as batcher:
        asker = Asker(batcher, "a dog", steps=3)
        assert isinstance(asker.end(), Painted)
    assert [event for event in asker.seen if isinstance(event, Painting)] == [Painting(n, 3) for n in range(4)]
    assert isinstance(asker.seen[0], Loading | Queued)
    assert Queued(1) in asker.seen


def test_a_request_joins_at_the_next_step_of_others() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model) as batcher:
        first = Asker(batcher, "first", steps=4)
        assert model.gate is not None
        model.gate.release()
        while first.next() != Painting(1, 4):
            pass
        second = Asker(batcher, "second", steps=2)
        model.gate.release(100)
        first.end()
        second.end()
    steps = [names for what, names in model.log if what == "step"]
    assert steps[:2] == [("first",), ("first",)] or steps[1] == ("first", "second")
    assert ("first", "second") in steps
    decoded = [names for what, names in model.log if what == "decode"]
    assert decoded in ([("second",), ("first",)], [("first", "second")], [("first",), ("second",)])


def test_batches_have_fixed_sizes_and_nothing_is_padded() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model) as batcher:
        askers = [Asker(batcher, f"number {n}") for n in range(4)]
        askers += [Asker(batcher, "wide one", size=(16, 8)), Asker(batcher, "wide two", size=(16, 8))]
        assert model.gate is not None
        model.gate.release(1000)
        for asker in askers:
            asker.end()
    assert set(model.sizes) <= {1, 2, 4}
    assert 4 in model.sizes


def test_steps_are_counted_by_their_pictures_and_the_gpu_is_looked_at_where_it_is_used() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    looked: list[str] = []

    def memory() -> GpuMemory:
        looked.append(threading.current_thread().name)
        return GpuMemory(used=6 << 30, total=8 << 30)

    batcher = Batcher(lambda: model, max_batch=4, max_waiting=10, memory=memory)
    before = batcher.figures()
    askers = [Asker(batcher, f"number {n}") for n in range(5)]
    assert model.gate is not None
    model.gate.release(1000)
    for asker in askers:
        asker.end()
    batcher.close()

    assert before == Figures()
    assert batcher.figures() == Figures(Counter(model.sizes), GpuMemory(6 << 30, 8 << 30))
    assert sum(model.sizes) == 5 * 4
    assert set(looked) == {"painting"}


def test_step_that_fails_is_not_counted() -> None:
    with painting(ScriptedModel()) as batcher:
        Asker(batcher, "explode").end()
        assert batcher.figures() == Figures({1: 2})


def test_different_sizes_and_adapters_do_not_share_a_batch() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model) as batcher:
        options: list[dict[str, object]] = [{}, {"size": (16, 8)}, {"adapter": "hands"}, {"adapter": "hands"}]
        askers = [Asker(batcher, f"number {n}", **option) for n, option in enumerate(options)]
        assert model.gate is not None
        model.gate.release(1000)
        for asker in askers:
            asker.end()
    batches = {names for what, names in model.log if what == "step"}
    assert ("number 2", "number 3") in batches
    assert all(names in {("number 0",), ("number 1",), ("number 2",), ("number 3",), ("number 2", "number 3")} for names in batches)  # fmt: skip  # noqa: E501


def test_one_that_cannot_be_prepared_disturbs_nobody() -> None:
    with painting(ScriptedModel()) as batcher:
        bad, good = Asker(batcher, "bad"), Asker(batcher, "good")
        assert isinstance(bad.error(), InvalidOptions)
        assert isinstance(good.end(), Painted)


@pytest.mark.parametrize("trouble", ["explode", "undecodable", "unframeable"])
def test_an_exception_ends_only_the_request_that_has_it(trouble: str) -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model) as batcher:
        askers = [Asker(batcher, text) for text in ("one", trouble, "two", "three")]
        assert model.gate is not None
        model.gate.release(1000)
        ends = [asker.end() for asker in askers]
        assert [isinstance(end, Painted) for end in ends] == [True, False, True, True]
        assert isinstance(ends[1], Failed)
        assert type(ends[1].error) is PaintingError
        assert "try again" in str(ends[1].error)
        assert isinstance(Asker(batcher, "afterwards").end(), Painted), "the queue lives on"


def test_memory_running_out_in_one_group_loses_nobody_of_another() -> None:
    """The second group's batch was made before the first one's failure shrank the batches."""
    model = ScriptedModel(fits=2, gate=threading.Semaphore(0))
    with painting(model, max_batch=8) as batcher:
        askers = [Asker(batcher, f"number {n}", size=(8, 8) if n % 2 else (16, 16)) for n in range(8)]
        assert model.gate is not None
        model.gate.release(1000)
        assert all(isinstance(asker.end(), Painted) for asker in askers)


def test_a_preview_that_fails_costs_only_the_preview() -> None:
    with painting(ScriptedModel()) as batcher:
        assert isinstance(Asker(batcher, "no preview").end(), Painted)


def test_if_the_painter_itself_breaks_everyone_is_told_and_nobody_waits_for_ever() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model, max_batch=1) as batcher:
        asker, waiting = Asker(batcher, "breaks the painter"), Asker(batcher, "waiting")
        for each in (asker, waiting):
            assert isinstance(each.error(), PainterLost)
        with pytest.raises(PainterLost):
            Asker(batcher, "late")


def test_no_more_than_the_model_says_are_stepped_or_decoded_at_once() -> None:
    model = ScriptedModel(step_limits={(64, 64): 2}, decode_limits={(64, 64): 0, (8, 8): 1})
    model.gate = threading.Semaphore(0)
    with painting(model) as batcher:
        askers = [Asker(batcher, f"number {n}", size=(64, 64)) for n in range(3)]
        model.gate.release(1000)
        assert all(isinstance(asker.end(), Painted) for asker in askers)
        assert isinstance(Asker(batcher, "small").end(), Painted)
    assert max(model.sizes) == 2
    assert [names for what, names in model.log if what == "decode"] == [("small",)]
    assert {len(names) for what, names in model.log if what == "tiles"} == {1}


def test_decoding_out_of_memory_is_tried_again_in_halves() -> None:
    model = ScriptedModel(decode_fits=1, gate=threading.Semaphore(0))
    with painting(model) as batcher:
        askers = [Asker(batcher, f"number {n}") for n in range(4)]
        assert model.gate is not None
        model.gate.release(1000)
        assert all(isinstance(asker.end(), Painted) for asker in askers)
        model.gate = threading.Semaphore(0)
        more = [Asker(batcher, f"more {n}") for n in range(4)]
        model.gate.release(1000)
        assert all(isinstance(asker.end(), Painted) for asker in more)
    assert 4 in model.sizes[len(askers) :], "steps need less memory than decoding"


def test_one_that_does_not_fit_alone_gets_a_clear_error_and_the_process_lives() -> None:
    model = ScriptedModel(fits=0)
    with painting(model) as batcher:
        assert isinstance(Asker(batcher, "huge").error(), OutOfMemory)
        model.fits = 4
        assert isinstance(Asker(batcher, "small").end(), Painted)


def test_a_cancelled_one_leaves_at_the_next_step_and_is_never_decoded() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model) as batcher:
        asker, other = Asker(batcher, "unwanted", steps=100), Asker(batcher, "wanted")
        assert model.gate is not None
        model.gate.release(2)
        while not isinstance(asker.next(), Painting):
            pass
        batcher.cancel(asker.number)
        model.gate.release(1000)
        assert isinstance(asker.error(), Cancelled)
        assert isinstance(other.end(), Painted)
    assert all("unwanted" not in names for what, names in model.log if what == "decode")
    assert sum("unwanted" in names for what, names in model.log if what == "step") < 10


def test_a_waiting_one_is_cancelled_at_once_and_the_others_move_up() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model, max_batch=1) as batcher:
        Asker(batcher, "painted now")
        second, third = Asker(batcher, "second"), Asker(batcher, "third")
        while third.next() != Queued(2):
            pass
        batcher.cancel(second.number)
        assert isinstance(second.error(), Cancelled)
        assert third.next() == Queued(1)


def test_whoever_waits_hears_the_position() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model, max_batch=1) as batcher:
        first = Asker(batcher, "first", steps=2)
        second = Asker(batcher, "second", steps=1)
        assert model.gate is not None
        model.gate.release(100)
        first.end()
        second.end()
    positions = [event.position for event in second.seen if isinstance(event, Queued)]
    assert positions == sorted(positions, reverse=True)
    assert positions[-1] == 1


def test_too_many_waiting_is_said_at_once() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with painting(model, max_batch=1, max_waiting=2) as batcher:
        first = Asker(batcher, "painted now")
        assert model.gate is not None
        model.gate.release()
        while not isinstance(first.next(), Painting):
            pass
        Asker(batcher, "second"), Asker(batcher, "third")
        with pytest.raises(PaintingError, match="Too many"):
            Asker(batcher, "fourth")


def test_closing_tells_everyone_and_frees_the_model() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    batcher = Batcher(lambda: model, max_batch=1, max_waiting=10)
    active, waiting = Asker(batcher, "active", steps=50), Asker(batcher, "waiting")
    assert model.gate is not None
    model.gate.release()
    while not isinstance(active.next(), Painting):
        pass
    closing = threading.Thread(target=batcher.close)
    closing.start()
    assert isinstance(waiting.error(), ShuttingDown)
    model.gate.release(1000)
    closing.join(timeout=10)
    assert isinstance(active.error(), ShuttingDown)
    assert model.closed
    assert batcher.queue_length() == 0
    with pytest.raises(ShuttingDown):
        Asker(batcher, "late")


def test_a_model_that_cannot_be_loaded_is_said_when_the_batcher_is_made() -> None:
    def load() -> ScriptedModel:
        raise InvalidOptions("This is no model.")

    with pytest.raises(InvalidOptions, match="no model"):
        Batcher(load, max_batch=1, max_waiting=1)


def test_a_listener_that_fails_harms_nobody() -> None:
    with painting(ScriptedModel()) as batcher:

        def broken(_: GenerationEvent) -> None:
            raise RuntimeError("nobody listens")

        batcher.submit(GenerationRequest(Prompt("one", ""), seed=0), broken)
        assert isinstance(Asker(batcher, "two").end(), Painted)


def test_a_newcomer_waits_until_it_is_in_step_with_the_others() -> None:
    model = ScriptedModel(gate=threading.Semaphore(0), joined_every=2)
    with painting(model) as batcher:
        first = Asker(batcher, "first", steps=6)
        assert model.gate is not None
        model.gate.release()
        while first.next() != Painting(1, 6):
            pass
        second = Asker(batcher, "second", steps=2)
        model.gate.release(100)
        assert isinstance(first.end(), Painted)
        assert isinstance(second.end(), Painted)
    steps = [names for what, names in model.log if what == "step"]
    assert steps.index(("first", "second")) % 2 == 0


def test_others_are_painted_while_a_prompt_is_encoded_in_another_thread() -> None:
    encoding: dict[str, Future[Any]] = {"slow": Future(), "quick": Future()}
    encoding["quick"].set_result(None)
    model = ScriptedModel(encoding=encoding.__getitem__)
    with painting(model) as batcher:
        slow = Asker(batcher, "slow")
        assert isinstance(Asker(batcher, "quick").end(), Painted)
        assert ("prepare", ("slow",)) not in model.log
        encoding["slow"].set_result(None)
        assert isinstance(slow.end(), Painted)


def test_a_request_whose_prompt_is_still_encoded_can_be_cancelled() -> None:
    model = ScriptedModel(encoding=lambda _: Future())
    with painting(model) as batcher:
        asker = Asker(batcher, "slow")
        wait_until(lambda: batcher.queue_length() == 1)
        batcher.cancel(asker.number)
        assert isinstance(asker.error(), Cancelled)


def test_a_prompt_whose_encoding_does_not_end_is_waited_for_under_the_watch_in_the_end() -> None:
    request = EnteringRequest(
        Ticket(1, GenerationRequest(Prompt("slow", ""), 0), print), since=100.0, encoding=[Future()]
    )
    assert not request.is_due(100.0)
    assert not request.is_due(100.0 + LONGEST_ENCODING_S)
    assert request.is_due(101.0 + LONGEST_ENCODING_S)
