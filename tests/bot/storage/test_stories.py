"""What is kept of a story: its scenes until it ends, one count of pictures, and nothing of one that was withdrawn."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.storage.ledger import Usage
from bot.storage.records import Job, JobState, NewJob
from bot.storage.store import Store
from bot.storage.story import PaintedScene, Story, ToldScene
from core.events import HeardSummary
from core.prompting.prompt import Prompt
from core.recipe import Recipe
from tests.bot.database import empty_database

NOW = datetime(2026, 12, 1, tzinfo=UTC)
HEARD = HeardSummary("Dog", (), (), 10.0, Prompt("", ""), style=None)
SCENES = (ToldScene(0.0, 5.0, "Dog", ()), ToldScene(5.0, 10.0, "Rain", ()))
RECIPE = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (64, 64), "model", "1", None, ())


@pytest.fixture(scope="module")
def database() -> bytes:
    return empty_database()


@pytest.fixture
async def store(tmp_path: Path, database: bytes) -> AsyncIterator[Store]:
    (tmp_path / "store.sqlite3").write_bytes(database)
    store = Store(tmp_path / "store.sqlite3")
    await store.open()
    yield store
    await store.close()


async def begun(store: Store) -> Job:
    """A story that was accepted."""
    new = NewJob(user_id=1, guild_id=2, channel_id=3, locale="en-US", filename="walk.wav", story=Story(8))
    job = await store.accept(new, NOW)
    assert isinstance(job, Job)
    await store.keep_recording(job.id, b"sound")
    return job


def scene(number: int) -> PaintedScene:
    return PaintedScene(number, RECIPE, 1.5, False)


async def counted(store: Store) -> int:
    seen: list[Usage] = []
    await store.spend_hearing(1, 2, NOW, seen.append)
    return len(seen[0].guild)


def files(store: Store) -> list[str]:
    return sorted(path.name for path in (store.path.parent / "work").iterdir())


async def test_story_counts_as_its_scenes_once_they_are_known(store: Store) -> None:
    job = await begun(store)
    assert await counted(store) == 8
    await store.stories.keep_cut(job.id, HEARD, Story(8, SCENES))
    assert await counted(store) == 2
    await store.stories.keep_cut(job.id, HEARD, Story(8, SCENES))
    await store.stories.count(job.id, 5)
    assert await counted(store) == 2, "it never counts as more than before"


async def test_everything_of_a_story_under_way_outlives_a_start(store: Store) -> None:
    job = await begun(store)
    await store.stories.keep_cut(job.id, HEARD, Story(8, SCENES))
    await store.stories.keep_scene(job.id, scene(1), b"rain")
    await store.stories.keep_scene(job.id, scene(1), b"rain again")
    await store.stories.keep_film(job.id, b"film", (0,))
    await store.close()

    again = Store(store.path)
    await again.open()
    kept = await again.job(job.id)
    assert kept is not None
    assert kept.story == Story(8, SCENES, (scene(1),), (0,))
    assert kept.heard == HEARD
    assert await again.stories.picture(job.id, 0) is None
    assert await again.stories.picture(job.id, 1) == b"rain again"
    assert await again.kept_picture(kept) == b"film"
    assert files(again) == [f"film-{job.id}.mp4", f"recording-{job.id}", f"scene1-{job.id}.png"]
    await again.finish(job.id, JobState.DONE)
    assert files(again) == []
    await again.close()


async def test_nothing_is_kept_of_a_story_that_has_ended_meanwhile(store: Store) -> None:
    job = await begun(store)
    await store.finish(job.id, JobState.CANCELLED)
    await store.stories.keep_cut(job.id, HEARD, Story(8, SCENES))
    await store.stories.keep_scene(job.id, scene(0), b"dog")
    await store.stories.keep_film(job.id, b"film", ())
    assert files(store) == []
    kept = await store.job(job.id)
    assert kept is not None
    assert (kept.heard, kept.story, kept.picture) == (None, Story(8), None)
