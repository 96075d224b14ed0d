"""A simulated Discord around the real bot, with the real engine and a scripted painter."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from PIL.Image import Image
from simcord.env import Env

from bot.client import ImagineBot
from bot.settings import BotSettings
from core.engine import DEFAULTS, Engine
from core.events import Event
from core.hearing.ears import EarPool
from core.models import ModelStore
from core.options import ImagineOptions, PictureCheck
from core.prompting.prompt import Prompt
from core.recipe import Recipe
from core.settings import CoreSettings
from tests.bot.database import empty_database
from tests.bot.flaky import flaky  # noqa: F401
from tests.bot.gallery import server  # noqa: F401
from tests.bot.painter import ScriptedPainter
from tests.bot.picture_check import takes_red_for_unfit
from tests.bot.storyteller import ScriptedStory
from tests.bot.world import World
from tests.speech.scripted import Said

YAMNET = Path(__file__).parents[2] / "core/miniatures/yamnet-mini/yamnet-mini.tflite"


class ParkedEngine(Engine):
    """The real engine; waiting for a held painter is declared to the simulator as waiting for the outside."""

    env: Env | None = None

    async def paint(
        self,
        prompt: Prompt,
        options: ImagineOptions = DEFAULTS,
        *,
        heard: tuple[str, ...] = (),
        user: str = "",
        check: PictureCheck | None = None,
    ) -> AsyncGenerator[Event, None]:
        async with aclosing(super().paint(prompt, options, heard=heard, user=user, check=check)) as events:
            async for event in self._parked(events):
                yield event

    async def enlarge(
        self, image: Image, recipe: Recipe, times: int, *, user: str = "", check: PictureCheck | None = None
    ) -> AsyncGenerator[Event, None]:
        async with aclosing(super().enlarge(image, recipe, times, user=user, check=check)) as events:
            async for event in self._parked(events):
                yield event

    async def _parked(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        while True:
            try:
                waiting = anext(events)
                event = await (self.env.external_wait(waiting, reason="painter") if self.env else waiting)
            except StopAsyncIteration:
                return
            yield event


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "bot(**settings): the bot's settings for this test")


@pytest.fixture
def painter() -> ScriptedPainter:
    return ScriptedPainter()


@pytest.fixture
def bot_settings(request: pytest.FixtureRequest, tmp_path: Path) -> BotSettings:
    """Settings for tests, with a new database; `@pytest.mark.bot(edit_interval_s=2)` changes some."""
    marker = request.node.get_closest_marker("bot")
    chosen: dict[str, Any] = {"edit_interval_s": 0, "drain_seconds": 0, "shard_count": 1, "data_dir": tmp_path}
    chosen |= marker.kwargs if marker else {}
    settings = BotSettings(_env_file=None, **chosen)
    settings.database.write_bytes(empty_database())
    return settings


@pytest.fixture
def core_settings(tmp_path: Path) -> CoreSettings:
    return CoreSettings(
        _env_file=None,
        yamnet_model=YAMNET,
        max_file_mb=1,
        max_seconds=10,
        download_models=False,
        model_cache=tmp_path,
        adapters_dir=tmp_path / "adapters",
    )


@pytest.fixture(scope="session", autouse=True)
def _ears_are_loaded_quickly() -> None:
    """MediaPipe is imported before the first test's clock runs: on a busy machine that takes longer than it waits."""
    EarPool(ModelStore(CoreSettings(_env_file=None, download_models=False)).ears()).close()


@pytest.fixture
def said() -> Said | None:
    """What recognises speech and what makes scenes of it; None where nothing does."""
    return None


@pytest.fixture
def story() -> ScriptedStory:
    """What tells stories."""
    return ScriptedStory()


@pytest.fixture
async def make_bot(
    bot_settings: BotSettings,
    core_settings: CoreSettings,
    painter: ScriptedPainter,
    said: Said | None,
    story: ScriptedStory,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Callable[[], ImagineBot]]:
    """Makes bots on the same data directory, and closes them all in the end."""
    monkeypatch.setattr("core.engine.picture_check_of", lambda *_: takes_red_for_unfit)
    bots: list[ImagineBot] = []
    engines: list[Engine] = []

    def make() -> ImagineBot:
        painter.closed = False

        def read_file(url: str) -> Awaitable[bytes]:
            return bot.http.get_from_cdn(url)

        engine = ParkedEngine(
            core_settings,
            make_generator=lambda *_: painter,
            make_recogniser=said.recogniser if said else None,
            make_writer=said.writer if said else None,
        )
        engines.append(engine)
        bot = ImagineBot(bot_settings, engine, read_file=read_file, tell=story.tell)
        bot._take_up.change_interval(seconds=60)  # each of its rounds costs real time, however fast the clock goes
        bots.append(bot)
        return bot

    yield make
    for bot in bots:
        await bot.close()
    for engine in engines:
        await engine.close()


@pytest.fixture
def simcord_bot(make_bot: Callable[[], ImagineBot]) -> ImagineBot:
    return make_bot()


@pytest.fixture
async def world(
    simcord_env: Env, painter: ScriptedPainter, story: ScriptedStory, make_bot: Callable[[], ImagineBot]
) -> World:
    """A server with a text channel, Alice and Bob in it, and the bot."""
    story.env = simcord_env
    return World(simcord_env, painter, make_bot)
