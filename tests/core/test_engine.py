"""One recording in, one stream of events out; many at once, and any of them can be given up."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter

from core.engine import Engine
from core.errors import InvalidOptions, ModelMissing, NothingHeard, RecordingError, ShuttingDown
from core.events import Event, Heard, HeardSummary
from core.generation.factory import make_generator
from core.generation.limits import shaped
from core.generation.protocol import MAX_SEED, ImageGenerator, Loading, Painted, Painting, Queued
from core.hearing.acoustics import Motion
from core.hearing.samples import make_wav, silence, siren, thunderstorm, write_wav
from core.hearing.sound import frame_levels
from core.models import ModelStore
from core.options import ImagineOptions, Shape
from core.prompting.prompt import Prompt
from core.prompting.styles import Style
from core.settings import CoreSettings

FEW = ImagineOptions(steps=3, seed=1)


async def _all(
    engine: Engine, source: bytes | Path | HeardSummary, options: ImagineOptions, user: str = ""
) -> list[Event]:
    return [event async for event in engine.imagine(source, options, user=user)]


def _wait_for(event: threading.Event) -> None:
    assert event.wait(30)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)


async def test_heard_then_loading_then_queued_then_painted(settings: CoreSettings, siren_wav: Path) -> None:
    told = threading.Event()

    def load(settings: CoreSettings, models: ModelStore) -> ImageGenerator:
        _wait_for(told)  # it may load faster than the recording is heard, and nobody has to wait then
        return make_generator(settings, models)

    events: list[Event] = []
    async with Engine(settings, make_generator=load) as engine:
        async for event in engine.imagine(siren_wav, FEW):
            events.append(event)
            if isinstance(event, Loading):
                told.set()
    assert isinstance(events[0], Heard)
    assert events[0].summary.top[0].name == "Siren"
    assert events[1] == Loading()
    assert [event for event in events if isinstance(event, Queued)] == [Queued(1)]
    assert [event.step for event in events if isinstance(event, Painting)] == [0, 1, 2, 3]
    assert isinstance(events[-1], Painted)
    assert events[-1].picture.recipe.prompt == events[0].summary.prompt
    assert events[-1].picture.recipe.heard[0].startswith("Siren (0.")


COLLECTING = """
import asyncio, gc, time
from core.engine import Engine
from core.importing import spare_from_collections
from core.settings import CoreSettings

def seconds():
    started = time.perf_counter()
    gc.collect()
    return time.perf_counter() - started

async def main():
    async with Engine(CoreSettings(_env_file=None, device="cpu", download_models=False)) as engine:
        await asyncio.gather(engine.ears(), engine.generator())
        before = min(seconds() for _ in range(3))
        spare_from_collections()
        print(before, min(seconds() for _ in range(10)))

asyncio.run(main())
"""


def test_models_that_are_loaded_are_spared_from_garbage_collections() -> None:
    """A full collection stops the event loop; the bot's engine calls `spare_from_collections` after each model."""
    done = subprocess.run([sys.executable, "-c", COLLECTING], capture_output=True, text=True, timeout=180, check=True)
    before, after = map(float, done.stdout.split())
    assert after < 0.005
    assert after < before / 10


async def test_what_is_to_be_done_after_loading_is_done_in_the_loading_thread(
    settings: CoreSettings, siren_wav: Path
) -> None:
    threads: list[str] = []
    async with Engine(settings, after_loading=lambda: threads.append(threading.current_thread().name)) as engine:
        await _all(engine, siren_wav, FEW)
    assert len(threads) == 2
    assert threading.main_thread().name not in threads


async def test_many_at_once_each_get_their_own_picture(settings: CoreSettings, siren_wav: Path) -> None:
    async with Engine(settings) as engine:
        recording = await asyncio.to_thread(siren_wav.read_bytes)
        asked = [(ImagineOptions(steps=2 + n % 3, seed=n), str(n % 2)) for n in range(6)]
        streams = await asyncio.gather(*(_all(engine, recording, options, user) for options, user in asked))
        assert engine.queue_length() == 0
    pictures = [events[-1].picture for events in streams if isinstance(events[-1], Painted)]
    assert [picture.recipe.seed for picture in pictures] == list(range(6))
    assert [picture.recipe.steps for picture in pictures] == [2, 3, 4, 2, 3, 4]


async def test_several_pictures_of_one_request_come_as_one_stream(settings: CoreSettings, siren_wav: Path) -> None:
    options = ImagineOptions(steps=2, seed=MAX_SEED, count=3)
    async with Engine(settings) as engine:
        events = await _all(engine, siren_wav, options)
        alone = (await _all(engine, siren_wav, replace(options, seed=0, count=1)))[-1]
    painted = sorted((event for event in events if isinstance(event, Painted)), key=lambda event: event.index)
    assert [event.picture.recipe.seed for event in painted] == [MAX_SEED, 0, 1]
    assert isinstance(events[-1], Painted)
    places = [event.position for event in events if isinstance(event, Queued)]
    assert places == sorted(places, reverse=True), "where the last of them stands"
    steps = [[event.step for event in events if isinstance(event, Painting) and event.index == i] for i in range(3)]
    assert steps == [[0, 1, 2]] * 3
    assert isinstance(alone, Painted)
    difference = np.asarray(alone.picture.image, float) - np.asarray(painted[1].picture.image, float)
    assert np.abs(difference).max() <= 2, "each is what it would be alone"


async def test_giving_several_up_gives_all_of_them_up(settings: CoreSettings, siren_wav: Path) -> None:
    async with Engine(settings) as engine:
        async with aclosing(engine.imagine(siren_wav, ImagineOptions(steps=150, count=4))) as events:
            async for event in events:
                if isinstance(event, Painting):
                    break
        await _until(lambda: engine.queue_length() == 0)


async def test_whoever_stops_reading_cancels_only_their_own(settings: CoreSettings, siren_wav: Path) -> None:
    async with Engine(settings) as engine:
        other = asyncio.create_task(_all(engine, siren_wav, FEW))
        async with aclosing(engine.imagine(siren_wav, ImagineOptions(steps=150, seed=2))) as events:
            async for event in events:
                if isinstance(event, Painting):
                    break
        await _until(lambda: engine.queue_length() == 0 and other.done())
        assert isinstance((await other)[-1], Painted)
        assert engine.queue_length() == 0


async def test_a_cancelled_task_leaves_the_queue(settings: CoreSettings, siren_wav: Path) -> None:
    async with Engine(settings) as engine:
        await _all(engine, siren_wav, FEW)
        task = asyncio.create_task(_all(engine, siren_wav, ImagineOptions(steps=150, seed=2)))
        await _until(lambda: engine.queue_length() > 0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await _until(lambda: engine.queue_length() == 0)


async def test_silence_raises_nothing_heard_unless_told_what_to_paint(settings: CoreSettings, tmp_path: Path) -> None:
    quiet = write_wav(tmp_path / "quiet.wav", silence())
    async with Engine(settings) as engine:
        with pytest.raises(NothingHeard):
            await _all(engine, quiet, FEW)
        events = await _all(engine, quiet, ImagineOptions(steps=2, prompt="a quiet lake"))
        assert isinstance(events[-1], Painted)
        assert events[-1].picture.recipe.prompt.text == "a quiet lake"
        wanted = (await _all(engine, quiet, ImagineOptions(steps=2, silence=True, shape=Shape.TALL)))[-1]
        assert isinstance(wanted, Painted)
        assert "quiet empty landscape" in wanted.picture.recipe.prompt.text
        assert wanted.picture.recipe.size == shaped(Shape.TALL, await engine.info())


@pytest.mark.parametrize("shape", Shape)
async def test_the_bundled_miniature_paints_every_shape(shape: Shape) -> None:
    async with Engine(CoreSettings()) as engine:
        options = ImagineOptions(steps=1, shape=shape)
        [*_, painted] = [event async for event in engine.paint(Prompt("a barking dog", ""), options)]
    assert isinstance(painted, Painted)
    width, height = painted.picture.recipe.size
    assert {Shape.TALL: width < height, Shape.WIDE: width > height, Shape.SQUARE: width == height}[shape]


async def test_what_is_not_silent_is_looked_at_again_turned_up_before_it_is_called_silence(
    settings: CoreSettings, tmp_path: Path
) -> None:
    """The miniature hears silence in this thunder as it is, though it is no noise floor."""
    thunder = thunderstorm()
    quiet = write_wav(tmp_path / "far.wav", thunder * 10 ** ((-44 - frame_levels(thunder).max()) / 20))
    async with Engine(settings) as engine:
        heard = (await engine.hear(quiet)).summary
    assert not heard.only_silence
    assert heard.top[0].name in ("Thunderstorm", "Thunder", "Rain")


@pytest.mark.parametrize(("seconds", "in_a_crowd", "alone"), [(5.0, 3, 4), (10.0, 2, 4), (22.0, 1, 2)])
async def test_in_a_crowd_each_is_looked_at_less_often_and_who_has_gone_is_no_crowd(
    seconds: float, in_a_crowd: int, alone: int, settings: CoreSettings
) -> None:
    recording = make_wav(siren(seconds))
    released = threading.Event()
    async with Engine(settings.model_copy(update={"hearing_threads": 1})) as engine:
        await engine.ears()
        crowd = [asyncio.create_task(engine.hear(recording, begins=lambda: _wait_for(released)))]
        crowd += [asyncio.create_task(engine.hear(recording)) for _ in range(4)]
        gone = [asyncio.create_task(engine.hear(recording)) for _ in range(3)]
        await asyncio.sleep(0.1)
        for task in gone:
            task.cancel()
        await asyncio.wait(gone)
        released.set()
        passes = [heard.summary.passes for heard in await asyncio.gather(*crowd)]
        assert passes == [in_a_crowd] * 3 + [alone] * 2, "more than one waits while each of the first three is heard"
        assert (await engine.hear(recording)).summary.passes == alone


async def test_what_was_stored_before_there_were_several_looks_or_certainties_is_still_read(
    settings: CoreSettings, siren_wav: Path
) -> None:
    stored = TypeAdapter(HeardSummary)
    async with Engine(settings) as engine:
        heard = (await engine.hear(siren_wav)).summary
    older = stored.dump_python(heard, mode="json")
    del older["passes"]
    for category in older["top"]:
        del category["certainty"]
    again = stored.validate_json(json.dumps(older))
    assert again.passes == 1
    assert [category.certainty for category in again.top] == [category.prominence for category in heard.top]
    assert replace(again, passes=heard.passes, top=heard.top) == heard


async def test_bad_input_and_bad_options_disturb_nobody(settings: CoreSettings, siren_wav: Path) -> None:
    async with Engine(settings) as engine:
        good = asyncio.create_task(_all(engine, siren_wav, FEW))
        with pytest.raises(RecordingError):
            await _all(engine, b"no sound at all", FEW)
        with pytest.raises(InvalidOptions):
            await _all(engine, siren_wav, ImagineOptions(steps=100_000))
        assert isinstance((await good)[-1], Painted)


async def test_a_prompt_is_painted_without_a_recording(settings: CoreSettings, siren_wav: Path) -> None:
    async with Engine(settings) as engine:
        heard = await engine.hear(siren_wav)
        events = [event async for event in engine.paint(heard.summary.prompt, FEW, heard=("Siren",))]
        assert isinstance(events[-1], Painted)
        assert events[-1].picture.recipe.heard == ("Siren",)


async def test_what_was_heard_before_is_painted_like_the_recording_itself(
    settings: CoreSettings, siren_wav: Path
) -> None:
    """Stored as JSON between the two, as a bot does that starts again."""
    stored = TypeAdapter(HeardSummary)
    async with Engine(settings) as engine:
        await engine.info()  # both prompts are counted by the same tokenizer
        first = await _all(engine, siren_wav, FEW)
        assert isinstance(first[0], Heard)
        again = await _all(engine, stored.validate_json(stored.dump_json(first[0].summary)), FEW)
    assert not any(isinstance(event, Heard) for event in again)
    assert isinstance(first[-1], Painted)
    assert isinstance(again[-1], Painted)
    assert again[-1].picture.recipe == first[-1].picture.recipe


async def test_words_for_what_was_heard_stay_unless_style_or_words_are_chosen(
    settings: CoreSettings, siren_wav: Path
) -> None:
    async with Engine(settings) as engine:
        heard = (await engine.hear(siren_wav)).summary
        told_before = replace(heard, prompt=Prompt("what the last version said", ""))
        assert await engine.prompt_for(told_before, ImagineOptions()) == told_before.prompt
        assert "comic" in (await engine.prompt_for(told_before, ImagineOptions(style=Style.COMIC))).text
        chosen = await engine.prompt_for(told_before, ImagineOptions(prompt=" a blue cat ", negative_prompt="dogs"))
        assert chosen == Prompt("a blue cat", "dogs")
        asked_in_words = (await engine.hear(siren_wav, ImagineOptions(prompt="a blue cat"))).summary
        assert await engine.prompt_for(asked_in_words, ImagineOptions()) == heard.prompt


async def test_the_prompt_fits_the_model_s_own_count_once_it_is_loaded(settings: CoreSettings, siren_wav: Path) -> None:
    """The tiny model's tokenizer knows letters only, so its 77 tokens are fewer words than CLIP's."""
    comic = ImagineOptions(style=Style.COMIC)
    async with Engine(settings) as engine:
        before = (await engine.hear(siren_wav, comic)).summary.prompt.text
        info = await engine.info()
        assert info.count_tokens is not None
        after = (await engine.hear(siren_wav, comic)).summary.prompt.text
        assert info.count_tokens(before) > 77 or before == after
        assert info.count_tokens(after) <= 77 or len(after) < len(before)


async def test_the_asker_may_shorten_but_not_lengthen_what_is_heard(settings: CoreSettings, siren_wav: Path) -> None:
    async with Engine(settings.model_copy(update={"max_seconds": 3.0})) as engine:
        assert (await engine.hear(siren_wav, ImagineOptions(max_seconds=1))).clip.duration_s == 1
        assert (await engine.hear(siren_wav, ImagineOptions(max_seconds=100))).clip.duration_s == 3


async def test_the_event_loop_never_waits_for_a_stage(settings: CoreSettings, siren_wav: Path) -> None:
    """While two recordings are heard and painted, the loop keeps its beat."""
    longest = 0.0

    async def beat() -> None:
        nonlocal longest
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(0.01)
            longest = max(longest, loop.time() - before)

    async with Engine(settings) as engine:
        await _all(engine, siren_wav, FEW)  # loading holds the interpreter's lock now and then; it happens once
        beating = asyncio.create_task(beat())
        await asyncio.gather(*(_all(engine, siren_wav, ImagineOptions(steps=20, seed=n)) for n in range(2)))
        beating.cancel()
    assert longest < 1.0


async def test_after_closing_nothing_is_taken(settings: CoreSettings, siren_wav: Path) -> None:
    engine = Engine(settings)
    stream = engine.imagine(siren_wav, ImagineOptions(steps=150, seed=2))
    async for event in stream:
        if isinstance(event, Painting):
            break
    closing = asyncio.create_task(engine.close())
    with pytest.raises(ShuttingDown):
        async for _ in stream:
            pass
    await closing
    with pytest.raises(ShuttingDown):
        await engine.hear(siren_wav)
    with pytest.raises(ShuttingDown):
        await _all(engine, siren(seconds=1).tobytes(), FEW)


async def test_a_model_that_cannot_be_found_is_said_and_looked_for_again(tmp_path: Path, siren_wav: Path) -> None:
    settings = CoreSettings(image_model=str(tmp_path / "later"), device="cpu")
    async with Engine(settings) as engine:
        for _ in range(2):
            with pytest.raises(ModelMissing):
                await _all(engine, siren_wav, FEW)


async def test_how_it_sounded_is_told_again_in_every_style_also_of_what_was_stored(
    settings: CoreSettings, tmp_path: Path
) -> None:
    sound = siren()
    coming = write_wav(tmp_path / "coming.wav", sound * np.geomspace(0.1, 1, len(sound)).astype(np.float32))
    as_json = TypeAdapter(HeardSummary)
    comic = ImagineOptions(style=Style.COMIC)
    async with Engine(settings) as engine:
        summary = (await engine.hear(coming)).summary
        assert summary.manner.motion is Motion.APPROACHING
        assert summary.prompt.text == "a flashing siren light, coming closer"
        stored = as_json.validate_json(as_json.dump_json(summary))
        assert stored == summary
        assert (await engine.prompt_for(stored, comic)).text.startswith("a flashing siren light, coming closer, comic")

        older = as_json.dump_python(summary, mode="json")
        del older["manner"]
        told_before = as_json.validate_python(older)
        assert told_before.prompt == summary.prompt
        assert (await engine.prompt_for(told_before, comic)).text.startswith("a flashing siren light, comic")
