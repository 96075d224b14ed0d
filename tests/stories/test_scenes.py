"""What is said makes scenes, too: no more than there may be, in words that the painter knows and nobody refuses."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from core.engine import Engine
from core.events import Heard, HeardSummary
from core.hearing.audio import Clip
from core.hearing.categories import get_top_categories
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.prompting.scene import compose_scene
from core.settings import CoreSettings
from core.speech.recognise import Segment, Task
from core.speech.spoken import SaidScene
from core.speech.voice import voice_in
from core.stories.cutting import MOST_SCENES
from core.stories.events import StoryScene
from core.stories.scenes import Listening, scenes_of
from tests.bot.painter import ScriptedPainter
from tests.speech.scripted import Said, Scripted
from tests.stories.heard import DOG, RAIN, TRAIN, WINDOW_MS, noise, quiet, windows

WORDS = "there was a dog"
SPEAKS = {"Speech": 0.9}
A_MINUTE = round(60_000 / WINDOW_MS)


def told_for(minutes: int) -> Heard:
    """Somebody speaks all along, and pauses every five seconds; each minute something else is heard beside it."""
    heard = windows(*[SPEAKS | kind for kind in (DOG, RAIN, TRAIN)[:minutes] for _ in range(A_MINUTE)])
    seconds = len(heard) * WINDOW_MS / 1000
    sentence = np.concatenate([noise(4.5, level=0.2), quiet(0.5)])
    samples = np.resize(sentence, round(seconds * 16_000))
    top = get_top_categories(heard)
    summary = HeardSummary("Speech", top, heard, seconds, Prompt("", ""))
    return Heard(summary, compose_scene(top), Clip(samples), voice_in(heard))


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    from core.hearing.samples import write_wav

    return write_wav(tmp_path / "sound.wav", quiet(1))


@pytest.fixture
async def engine(settings: CoreSettings) -> AsyncIterator[Engine]:
    said = Said(Scripted(WORDS), (WORDS, SaidScene(("a dog", "a boat", "a lantern"), kind="story")))
    async with Engine(
        settings,
        make_generator=lambda *_: ScriptedPainter(),
        make_recogniser=said.recogniser,
        make_writer=said.writer,
    ) as engine:
        yield engine


async def scenes(
    engine: Engine,
    heard: Heard,
    sound: Path,
    *,
    refuses: Callable[[str], bool] = lambda text: False,
) -> tuple[StoryScene, ...]:
    async with asyncio.timeout(120):
        return await scenes_of(Listening(engine, ImagineOptions(), "", refuses, lambda: True), heard, sound)


@pytest.mark.parametrize("minutes", [1, 2, 3])
async def test_who_tells_for_minutes_has_no_more_scenes_than_there_may_be(
    engine: Engine, sound: Path, minutes: int
) -> None:
    heard = told_for(minutes)
    found = await scenes(engine, heard, sound)
    assert minutes < len(found) <= MOST_SCENES
    assert found[0].begins_s == 0
    assert found[-1].ends_s == pytest.approx(heard.clip.duration_s)
    assert all(one.ends_s == other.begins_s for one, other in pairwise(found))


async def test_refused_words_are_neither_painted_nor_in_a_title_and_the_sounds_are(engine: Engine, sound: Path) -> None:
    found = await scenes(engine, told_for(1), sound, refuses=lambda text: "lantern" in text)
    assert not any("lantern" in scene.title.lower() + scene.prompt.text for scene in found)
    assert not any(scene.words for scene in found)


async def test_the_painter_is_known_before_what_is_said_is_told(engine: Engine, sound: Path) -> None:
    assert engine.loaded_info() is None
    await scenes(engine, told_for(1), sound)
    assert engine.loaded_info() is not None


async def test_a_recogniser_that_is_too_slow_is_waited_for_once(settings: CoreSettings, sound: Path) -> None:
    asked = 0

    class Slow(Scripted):
        def segments(self, task: Task) -> Iterable[Segment]:
            nonlocal asked
            asked += 1
            time.sleep(1.5)
            return super().segments(task)

    said = Said(Slow(WORDS))
    settings = settings.model_copy(update={"speech_patience_s": 1.0})
    async with Engine(
        settings, make_generator=lambda *_: ScriptedPainter(), make_recogniser=said.recogniser, make_writer=said.writer
    ) as engine:
        found = await scenes(engine, told_for(2), sound)
    assert len(found) == 2
    assert asked == 1
