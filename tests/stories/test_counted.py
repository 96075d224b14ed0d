"""Whoever runs the bot sees in `/metrics` how many films were made, how long that took, and how many failed."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from PIL import Image
from prometheus_client import REGISTRY

from core.errors import FilmFailed
from core.stories.counted import counted
from core.stories.events import Film, Filmed, Filming, StoryEvent

FILM = Filmed(Film(Path("film.mp4"), Image.new("RGB", (8, 8)), (), 5.0, (8, 8)))


def films(state: str) -> float:
    return REGISTRY.get_sample_value("imagine_sound_films_total", {"source": "test", "state": state}) or 0.0


async def told(*events: StoryEvent, error: Exception | None = None) -> AsyncGenerator[StoryEvent, None]:
    for event in events:
        yield event
    if error is not None:
        raise error


async def test_a_film_is_counted_and_timed() -> None:
    before, timed = films("filmed"), REGISTRY.get_sample_value("imagine_sound_filming_seconds_count") or 0.0
    assert [event async for event in counted("test", told(Filming(1, 5), FILM))] == [Filming(1, 5), FILM]
    assert films("filmed") == before + 1
    assert REGISTRY.get_sample_value("imagine_sound_filming_seconds_count") == timed + 1


async def test_one_that_fails_is_counted_as_that() -> None:
    before = films("failed")
    with pytest.raises(FilmFailed):
        [event async for event in counted("test", told(Filming(1, 5), error=FilmFailed()))]
    assert films("failed") == before + 1


async def test_one_that_nobody_waits_for_any_more_is_counted_as_cancelled() -> None:
    before, events = films("cancelled"), counted("test", told(Filming(1, 5), FILM))
    await anext(events)
    await events.aclose()
    assert films("cancelled") == before + 1
