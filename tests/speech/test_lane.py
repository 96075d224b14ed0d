"""Recognition is shared fairly, nobody waits longer than he is willing to, and what nobody waits for is dropped."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from core.errors import ModelMissing, ShuttingDown
from core.hearing.audio import Samples
from core.speech.lane import Lane, TooLate
from core.speech.recognise import Recognised, Recogniser, Recognition, Segment, Task


class Silent:
    """A recogniser that is never asked: the work in these tests does without."""

    translates = False

    def recognise(self, samples: Samples, *, language: str = "", task: Task = Task.TRANSCRIBE) -> Recognition:
        raise AssertionError("nobody recognises")


def known(*words: str, complete: bool = True) -> Recognised:
    segments = tuple(Segment(word, 0.0, 1.0, -0.2, 0.0, 1.0) for word in words)
    return Recognised(segments, "en", 1.0, complete)


class Note:
    """A note that is being recognised step by step: each waits until it is let go on."""

    def __init__(self, *words: str, order: list[str] | None = None) -> None:
        self.words = words
        self.begun = threading.Event()
        self.steps = threading.Semaphore(0)
        self.done = 0
        self.order = order if order is not None else []

    def __call__(self, recogniser: Recogniser) -> Iterator[Recognised]:
        self.begun.set()
        self.order.append(self.words[0])
        for number in range(1, len(self.words) + 1):
            assert self.steps.acquire(timeout=10)
            self.done = number
            yield known(*self.words[:number], complete=number == len(self.words))

    def go_on(self, steps: int = 1) -> None:
        self.steps.release(steps)


def at_once(word: str, order: list[str]) -> Callable[[Recogniser], Iterator[Recognised]]:
    """A note that takes no time."""
    note = Note(word, order=order)
    note.go_on()
    return note


async def until(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, 10)


async def closed(lane: Lane) -> None:
    lane.stop()
    await asyncio.wait_for(lane.close(), 10)


async def test_one_note_a_person_is_recognised_before_a_second_of_the_same_person() -> None:
    lane, order = Lane(Silent), list[str]()
    first = Note("a1", order=order)
    running = [asyncio.create_task(lane.run(first, 3, user="a", within_s=10))]
    await until(first.begun)
    for user in ("a", "a", "b", "b", "c"):
        word = f"{user}{sum(task.get_name().startswith(user) for task in running) + 1}"
        running.append(asyncio.create_task(lane.run(at_once(word, order), 3, user=user, within_s=10), name=word))
    await asyncio.sleep(0)
    first.go_on()
    await asyncio.gather(*running)
    assert order == ["a1", "b1", "c1", "a1", "b2", "a2"]
    await closed(lane)


async def test_who_has_no_patience_left_gets_what_was_recognised_by_then() -> None:
    lane, note = Lane(Silent), Note("we", "went", "home")
    note.go_on(2)
    found = await lane.run(note, 60, user="a", within_s=0.2)
    assert (found.words, found.complete) == ("we went", False)
    note.go_on()
    await closed(lane)
    assert note.done == 3, "a step that is under way is not broken off"


async def test_who_has_no_patience_left_and_nothing_recognised_is_told_so() -> None:
    lane, note = Lane(Silent), Note("we")
    with pytest.raises(TooLate):
        await lane.run(note, 3, user="a", within_s=0.1)
    note.go_on()
    await closed(lane)


async def test_what_cannot_be_recognised_in_time_is_not_queued() -> None:
    loop, lane = asyncio.get_running_loop(), Lane(Silent)
    slow = Note("slow")
    loop.call_later(0.3, slow.go_on)
    await lane.run(slow, 3, user="a", within_s=10)  # now a stretch is known to take 0.3 s
    busy = Note("busy")
    running = asyncio.create_task(lane.run(busy, 3, user="a", within_s=10))
    await until(busy.begun)
    asked = loop.time()
    with pytest.raises(TooLate):
        await lane.run(Note("late"), 3, user="b", within_s=0.4)
    assert loop.time() - asked < 0.2
    patient = asyncio.create_task(lane.run(at_once("patient", []), 3, user="b", within_s=10))
    busy.go_on()
    assert (await patient).words == "patient"
    await running
    await closed(lane)


async def test_a_cancelled_note_is_dropped_at_its_next_step_and_the_next_one_begins() -> None:
    lane, note = Lane(Silent), Note("one", "two", "three")
    running = asyncio.create_task(lane.run(note, 3, user="a", within_s=10))
    await until(note.begun)
    following = asyncio.create_task(lane.run(at_once("next", []), 3, user="a", within_s=10))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    note.go_on(3)
    assert (await following).words == "next"
    assert note.done == 1
    await closed(lane)


async def test_a_note_that_is_cancelled_before_its_turn_is_never_begun() -> None:
    lane, busy, order = Lane(Silent), Note("busy"), list[str]()
    running = asyncio.create_task(lane.run(busy, 3, user="a", within_s=10))
    await until(busy.begun)
    waiting = asyncio.create_task(lane.run(at_once("never", order), 3, user="b", within_s=10))
    await asyncio.sleep(0)
    waiting.cancel()
    busy.go_on()
    await running
    await asyncio.wait({waiting})
    assert order == []
    await closed(lane)


async def test_a_recogniser_that_fails_on_one_note_is_asked_again_for_the_next() -> None:
    def fails(recogniser: Recogniser) -> Iterator[Recognised]:
        raise RuntimeError("bad frame")

    lane = Lane(Silent)
    with pytest.raises(RuntimeError, match="bad frame"):
        await lane.run(fails, 3, user="a", within_s=10)
    assert (await lane.run(at_once("well", []), 3, user="a", within_s=10)).words == "well"
    await closed(lane)


async def test_what_cannot_be_loaded_is_not_loaded_again() -> None:
    loads = []

    def load() -> Recogniser:
        loads.append(threading.current_thread().name)
        raise ModelMissing("no recogniser")

    lane = Lane(load)
    for _ in range(3):
        with pytest.raises(ModelMissing):
            await lane.run(at_once("never", []), 3, user="a", within_s=10)
    assert loads == ["loading speech"]
    await closed(lane)


async def test_a_recogniser_that_hangs_keeps_nobody_waiting_after_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.speech.lane.HANGS_AFTER_S", 0.1)
    loop, lane, hanging = asyncio.get_running_loop(), Lane(Silent), Note("hangs")
    with pytest.raises(TooLate):
        await lane.run(hanging, 3, user="a", within_s=0.1)
    await asyncio.sleep(0.15)
    asked = loop.time()
    with pytest.raises(TooLate):
        await lane.run(at_once("late", []), 3, user="b", within_s=10)
    assert loop.time() - asked < 1
    hanging.go_on()
    await closed(lane)


async def test_closing_gives_up_what_is_under_way_and_what_waits() -> None:
    lane, busy = Lane(Silent), Note("one", "two")
    running = asyncio.create_task(lane.run(busy, 3, user="a", within_s=10))
    await until(busy.begun)
    waiting = asyncio.create_task(lane.run(at_once("never", []), 3, user="b", within_s=10))
    await asyncio.sleep(0)
    lane.stop()
    for task in (running, waiting):
        with pytest.raises(ShuttingDown):
            await task
    busy.go_on(2)
    await asyncio.wait_for(lane.close(), 10)
    assert busy.done == 1
    with pytest.raises(ShuttingDown):
        await lane.run(at_once("never", []), 3, user="a", within_s=10)
