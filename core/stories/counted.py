"""A story's stream, counted and timed for `/metrics`. It knows events, and nothing of who reads the numbers."""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from prometheus_client import Counter, Histogram

from core.errors import ImagineSoundError, RecordingError
from core.metrics import LONG_S, REFUSED
from core.stories.events import Filmed, Filming, StoryEvent

FILMS = Counter("imagine_sound_films", "Films of recordings by who asked and how they ended.", ["source", "state"])
FILMING = Histogram("imagine_sound_filming_seconds", "From the first frame to the film.", buckets=LONG_S)


async def counted(source: str, events: AsyncGenerator[StoryEvent, None]) -> AsyncGenerator[StoryEvent, None]:
    """`events` of one story as they are; `source` is the front end that asked."""
    state, since = "cancelled", None
    try:
        async with aclosing(events):
            async for event in events:
                match event:
                    case Filming() if since is None:
                        since = time.perf_counter()
                    case Filmed():
                        FILMING.observe(time.perf_counter() - (since or time.perf_counter()))
                        state = "filmed"
                yield event
    except ImagineSoundError as error:
        state = "failed"
        if isinstance(error, RecordingError):
            REFUSED.labels(type(error).__name__).inc()
        raise
    except Exception:
        state = "failed"
        raise
    finally:
        FILMS.labels(source, state).inc()
