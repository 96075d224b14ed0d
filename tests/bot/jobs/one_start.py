"""One start of the bot, without its ways in: the real runner, store and places, an engine that paints by the seed.

It can end at any moment without anything of its clean-up being done.
"""

import asyncio
import io
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import discord
import numpy as np
from PIL import Image

from bot.discord_api.pacing import EditLimiter
from bot.discord_api.recent_tokens import RecentTokens
from bot.jobs.places import Places
from bot.jobs.recordings import Recordings
from bot.jobs.runner import JobRunner
from bot.jobs.services import JobServices
from bot.jobs.speakers import Speakers
from bot.jobs.turns import Turns
from bot.storage.files import WorkFiles
from bot.storage.store import Store
from bot.storage.writer import CannotWrite
from bot.views.texts import Texts
from core.engine import Engine
from core.errors import ImagineSoundError, NothingHeard, OutOfMemory
from core.events import Event, Heard, HeardSummary
from core.generation.protocol import Painted, Painting, Picture, Queued
from core.hearing.audio import Clip
from core.hearing.categories import TopCategory
from core.hearing.classifier import Category, Prediction
from core.hearing.strip import COLUMNS, ROWS, Strip
from core.options import ImagineOptions
from core.pace import Pace
from core.prompting.prompt import Prompt
from core.prompting.scene import Scene
from core.prompting.words import WordList
from core.provenance.manifest import unsigned
from core.recipe import Recipe
from core.stories.story import tell
from tests.bot.jobs.discord_model import DiscordModel
from tests.loopback.painter import SIZE, colour

SUMMARY = HeardSummary(
    "Rain",
    (TopCategory("Rain", 0.9, 1.0, 0),),
    (Prediction(0, (Category("Rain", 0.9),), -20.0),),
    1.0,
    Prompt("rain", "text"),
)
STRIP = Strip(bytes(ROWS * COLUMNS))
WRITING_S = 0.01
SWEEP_S = 30.0
QUEUES_S = (1, 400)
"""A long one outlives the nonces."""
FATES = (None, NothingHeard(), None, OutOfMemory())
TEXTS = Texts.load()


def fate_of(seed: int) -> ImagineSoundError | None:
    """How the request with this seed fails, if it does."""
    return FATES[seed % 4]


class SeedEngine:
    """What becomes of a request follows from its seed: its picture, or how it fails, and how long it waits."""

    sign = staticmethod(unsigned)

    async def weave(self, heard: Heard) -> Strip:
        return STRIP

    async def prompt_for(self, heard: HeardSummary, options: ImagineOptions) -> Prompt:
        return heard.prompt

    def can_enlarge(self, painter: str) -> bool:
        return False

    async def imagine(
        self,
        source: Path | HeardSummary,
        options: ImagineOptions,
        *,
        user: str,
        hearing_begins: Callable[[], None],
        **_: Any,
    ) -> AsyncGenerator[Event, None]:
        assert options.seed is not None
        seed, fate = options.seed, fate_of(options.seed)
        if isinstance(source, Path):
            await asyncio.to_thread(hearing_begins)
            await asyncio.sleep(0.7)
            assert await asyncio.to_thread(source.read_bytes) == b"rain"
            if isinstance(fate, NothingHeard):
                raise fate
            yield Heard(SUMMARY, Scene(()), Clip(np.zeros(16_000, np.float32)))
        yield Queued(1)
        await asyncio.sleep(QUEUES_S[seed // 4 % 2])
        yield Painting(0, 2)
        await asyncio.sleep(1.1)
        yield Painting(1, 2)
        await asyncio.sleep(1.1)
        if fate is not None:
            raise fate
        recipe = Recipe(SUMMARY.prompt, seed, 2, 3.0, SIZE, "scripted", "1", None, ())
        yield Painted(Picture(Image.new("RGB", SIZE, colour(seed)), recipe, 2.2))


def seed_shows(data: bytes, seed: int) -> bool:
    """Whether this file is the picture that the seed gives."""
    return Image.open(io.BytesIO(data)).convert("RGB").getpixel((0, 0)) == colour(seed)


@dataclass
class OneStart:
    """The bot from its start to its end; `client` is logged in, the store is open."""

    client: discord.Client
    store: Store
    places: Places
    runner: JobRunner
    is_alive: bool = True

    @classmethod
    async def begin(cls, model: DiscordModel, database: Path, now: Callable[[], datetime]) -> "OneStart":
        client, store = await model.client(), Store(database)
        await store.open()
        services = JobServices(
            client=client,
            engine=cast(Engine, SeedEngine()),
            tell=tell,
            store=store,
            texts=TEXTS,
            edit_limiter=EditLimiter(0),
            places=Places(client),
            recordings=Recordings(client, client.http.get_from_cdn),
            turns=Turns(),
            pace=Pace(),
            tokens=RecentTokens(),
            refused_words=WordList(),
            speakers=Speakers(),
            now=now,
        )
        start = cls(client, store, services.places, JobRunner(services, give_up_after=timedelta(hours=24)))
        start._let_writing_take_time()
        return start

    async def go_on(self) -> None:
        """Take up what is left, again and again, as the bot does."""
        while True:
            await self.runner.sweep()
            await asyncio.sleep(SWEEP_S)

    def die(self) -> None:
        """From now on nothing reaches the disk or Discord; then the tasks are to be dropped, and the store closed."""
        self.is_alive = False
        self.store._files = Mock(spec=WorkFiles)
        self.client.http.request = _nobody_is_there  # type: ignore[method-assign]

    def _let_writing_take_time(self) -> None:
        """So that the process may end before a write and after it, and none is written by one that has ended."""
        writer = self.store._database.writer
        write = writer.write

        async def slow_write(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(WRITING_S)
            if not self.is_alive:
                raise CannotWrite("the process has ended")
            written = await write(*args, **options)
            await asyncio.sleep(WRITING_S)
            return written

        writer.write = slow_write  # type: ignore[method-assign]
        self.store._write = slow_write


async def _nobody_is_there(*_: Any, **__: Any) -> Any:
    raise ConnectionError("the process has ended")
