"""A recording of three things becomes a film of three scenes; what goes wrong is one sentence and leaves no rubbish."""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.engine import Engine
from core.errors import (
    InvalidOptions,
    NotAudio,
    NothingHeard,
    PaintingError,
    PictureBlocked,
    ShuttingDown,
    WordsRefused,
)
from core.hearing.audio import load_clip
from core.hearing.samples import birdsong, make_wav, rain, silence, siren
from core.options import ImagineOptions
from core.prompting.styles import Style
from core.settings import CoreSettings
from core.speech.spoken import SaidScene
from core.stories.events import Cut, Filmed, Filming, SceneLost, ScenePainted, ScenePaints, StoryEvent
from core.stories.story import StoryOptions, tell
from core.stories.workplace import remove_abandoned, workplace
from tests.bot.painter import ScriptedPainter
from tests.speech.babble import babble
from tests.speech.scripted import Said, Scripted

THREE = make_wav(np.concatenate([siren(5), rain(5), birdsong(5)]))
CHOSEN = StoryOptions(ImagineOptions(seed=7))


class Failing(ScriptedPainter):
    """Fails so many times with what its prompt names."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: dict[str, int] = {}
        self.with_error: Exception = PaintingError("The brush broke.")

    def finish(self, order) -> None:  # type: ignore[no-untyped-def]
        word = next((word for word in self.fails if word in order.request.prompt.text), None)
        self.error = None
        if word is not None and self.fails[word] > 0:
            self.fails[word] -= 1
            self.error = self.with_error  # type: ignore[assignment]
        super().finish(order)


@pytest.fixture
def painter() -> Failing:
    return Failing()


@pytest.fixture
async def engine(settings: CoreSettings, painter: Failing) -> AsyncIterator[Engine]:
    async with Engine(settings, make_generator=lambda *_: painter) as engine:
        yield engine


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where stories lie for as long as they are told."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


async def story(engine: Engine, recording: bytes | Path, options: StoryOptions = CHOSEN) -> list[StoryEvent]:
    return [event async for event in tell(engine, recording, options)]


def left_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def of(kind: type, events: list[StoryEvent]) -> list:  # type: ignore[type-arg]
    return [event for event in events if isinstance(event, kind)]


async def test_three_sounds_are_three_scenes_painted_in_one_hand_and_filmed(engine: Engine, painter: Failing) -> None:
    options = StoryOptions(ImagineOptions(seed=7, style=Style.WATERCOLOUR))
    begun = tell(engine, THREE, options)
    async with aclosing(begun):
        events = [event async for event in begun]
        filmed = events[-1]
    (cut,) = of(Cut, events)
    assert [scene.top[0].name for scene in cut.scenes] == ["Siren", "Rain", "Bird"]
    assert [round(scene.begins_s) for scene in cut.scenes] == [0, 5, 10]
    assert cut.duration_s == pytest.approx(15, abs=0.1)
    assert [event.number for event in of(ScenePainted, events)] == [0, 1, 2]
    assert {order.request.seed for order in painter.orders} == {7}
    assert all("watercolour" in order.request.prompt.text.lower() for order in painter.orders)
    assert [order.request.heard[0].split()[0] for order in painter.orders] == ["Siren", "Rain", "Bird"]
    assert of(Filming, events)[-1].done_s == pytest.approx(15, abs=0.2)
    assert isinstance(filmed, Filmed)
    assert filmed.film.duration_s == cut.duration_s
    assert filmed.film.scenes == cut.scenes


async def test_the_film_is_there_until_the_stream_is_closed_and_then_nothing_is(
    engine: Engine, temporary: Path
) -> None:
    events = tell(engine, THREE, CHOSEN)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Filmed):
                assert event.film.path.read_bytes()[4:8] == b"ftyp"
                assert event.film.poster.size == (64, 64)
    assert left_in(temporary) == []


async def test_a_short_sound_is_one_scene(engine: Engine) -> None:
    events = await story(engine, make_wav(siren(2)))
    (cut,) = of(Cut, events)
    assert len(cut.scenes) == 1
    assert cut.duration_s == pytest.approx(2, abs=0.05)


async def test_of_a_longer_recording_the_liveliest_stretch_is_told(settings: CoreSettings, painter: Failing) -> None:
    settings = settings.model_copy(update={"story_seconds": 10.0, "max_seconds": 5.0})
    async with Engine(settings, make_generator=lambda *_: painter) as engine:
        events = await story(engine, make_wav(np.concatenate([silence(30) + 1e-4, siren(5), birdsong(5)])))
    (cut,) = of(Cut, events)
    assert cut.shortened
    assert cut.duration_s == pytest.approx(10, abs=0.1)
    assert cut.begins_s > 25


@pytest.mark.parametrize(("recording", "error"), [(make_wav(silence(20)), NothingHeard), (b"nothing", NotAudio)])
async def test_what_has_no_sound_is_told_before_anything_is_painted(
    engine: Engine, painter: Failing, recording: bytes, error: type[Exception], temporary: Path
) -> None:
    with pytest.raises(error):
        await story(engine, recording)
    assert painter.orders == []
    assert left_in(temporary) == []


async def test_a_scene_that_fails_once_is_painted_after_all(engine: Engine, painter: Failing) -> None:
    painter.fails = {"rain": 1}
    events = await story(engine, THREE)
    assert len(of(ScenePainted, events)) == 3
    assert of(SceneLost, events) == []


async def test_a_scene_that_fails_twice_is_left_out_and_said_so(engine: Engine, painter: Failing) -> None:
    painter.fails = {"rain": 2}
    events = await story(engine, THREE)
    (lost,) = of(SceneLost, events)
    assert lost.number == 1
    assert str(lost.error) == "The brush broke."
    film = events[-1].film  # type: ignore[union-attr]
    assert [scene.top[0].name for scene in film.scenes] == ["Siren", "Bird"]
    assert film.scenes[0].ends_s == film.scenes[1].begins_s
    assert film.duration_s == pytest.approx(15, abs=0.1)


async def test_the_first_scene_that_is_lost_leaves_the_beginning_to_the_second(
    engine: Engine, painter: Failing
) -> None:
    painter.fails = {"siren": 2, "emergency": 2, "ambulance": 2, "police": 2}
    events = await story(engine, THREE)
    assert [lost.number for lost in of(SceneLost, events)] == [0]
    assert events[-1].film.scenes[0].begins_s == 0  # type: ignore[union-attr]


async def test_where_no_scene_can_be_painted_the_error_is_told(engine: Engine, painter: Failing) -> None:
    painter.fails = {"": 99}
    with pytest.raises(PaintingError, match="The brush broke"):
        await story(engine, THREE)
    assert len(painter.orders) == 6


async def test_a_picture_that_is_blocked_is_not_tried_again(engine: Engine, painter: Failing) -> None:
    painter.fails, painter.with_error = {"rain": 9}, PictureBlocked()
    events = await story(engine, THREE)
    assert len(of(SceneLost, events)) == 1
    assert len(painter.orders) == 3


async def test_wrong_options_end_the_story_at_once(engine: Engine, painter: Failing) -> None:
    painter.fails, painter.with_error = {"": 99}, InvalidOptions("There is no such adapter.")
    with pytest.raises(InvalidOptions):
        await story(engine, THREE)
    assert len(painter.orders) == 1


async def test_refused_words_are_refused_before_anybody_is_told(engine: Engine, painter: Failing) -> None:
    with pytest.raises(WordsRefused):
        await anext(tell(engine, THREE, CHOSEN, refuses=lambda text: "rain" in text))
    assert painter.orders == []


async def test_scenes_that_were_painted_before_a_restart_are_not_painted_again(
    engine: Engine, painter: Failing
) -> None:
    kept = {0: Image.new("RGB", (64, 64), "red"), 1: Image.new("RGB", (64, 64), "blue")}
    events = [event async for event in tell(engine, THREE, replace(CHOSEN, painted=kept))]
    assert [event.number for event in of(ScenePainted, events)] == [2]
    assert len(painter.orders) == 1
    assert events[-1].film.poster.getpixel((0, 0)) == (255, 0, 0)  # type: ignore[union-attr]


@pytest.mark.parametrize("stage", [Cut, ScenePaints, ScenePainted, Filming])
async def test_who_leaves_at_any_stage_leaves_nothing_behind(
    engine: Engine, painter: Failing, temporary: Path, stage: type
) -> None:
    events = tell(engine, THREE, CHOSEN)
    async with aclosing(events):
        async for event in events:
            if isinstance(event, stage):
                break
    assert left_in(temporary) == []
    assert painter.open == {}


async def test_who_is_cancelled_while_it_is_heard_or_filmed_leaves_nothing_behind(
    engine: Engine, temporary: Path
) -> None:
    for delay_s in (0.0, 0.05, 0.2, 0.6):
        task = asyncio.create_task(story(engine, THREE))
        await asyncio.sleep(delay_s)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left_in(temporary) == []


async def test_shutting_down_ends_a_story_by_its_own_name(engine: Engine, painter: Failing) -> None:
    painter.held = True
    task = asyncio.create_task(story(engine, THREE))
    async with asyncio.timeout(60):
        while not painter.orders:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.02)
    await engine.close()
    with pytest.raises(ShuttingDown):
        await task


async def test_what_is_said_is_seen_in_its_scene(settings: CoreSettings, painter: Failing) -> None:
    dog = SaidScene(("a dog running into the water",), kind="story")
    said = Said(Scripted("my dog ran into the water"), ("my dog ran into the water", dog))
    voice = load_clip(babble(6.0)).samples
    async with Engine(
        settings, make_generator=lambda *_: painter, make_recogniser=said.recogniser, make_writer=said.writer
    ) as engine:
        events = await story(engine, make_wav(np.concatenate([voice, siren(6)])))
    (cut,) = of(Cut, events)
    assert [scene.words for scene in cut.scenes] == ["my dog ran into the water", ""]
    assert "a dog running into the water" in cut.scenes[0].prompt.text


async def test_words_that_may_not_be_recognised_any_more_are_not_in_it(
    settings: CoreSettings, painter: Failing
) -> None:
    recogniser = Scripted("my dog ran into the water")
    said = Said(recogniser, ("my dog ran into the water", SaidScene(("a dog",), kind="story")))
    async with Engine(
        settings, make_generator=lambda *_: painter, make_recogniser=said.recogniser, make_writer=said.writer
    ) as engine:
        events = [event async for event in tell(engine, babble(6.0), CHOSEN, allows_words=lambda: False)]
    (cut,) = of(Cut, events)
    assert [scene.words for scene in cut.scenes] == [""]


KILLED = """
import asyncio, os, signal, sys
from core.stories.workplace import workplace
async def main():
    async with workplace() as directory:
        (directory / "sound.wav").write_bytes(b"somebody speaks")
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""


def test_what_a_killed_story_left_is_removed_by_whoever_looks_next(temporary: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], env=os.environ | {"TMPDIR": str(temporary)}, check=False)
    (left,) = left_in(temporary)
    assert remove_abandoned() == 0, "it may have begun just now"
    os.utime(left, (0, 0))
    assert remove_abandoned() == 1
    assert left_in(temporary) == []


async def test_what_a_story_has_that_is_told_now_stays(temporary: Path) -> None:
    async with workplace() as directory:
        os.utime(directory, (0, 0))
        assert remove_abandoned() == 0
        assert directory.is_dir()
