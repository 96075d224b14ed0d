"""The real page on a real server, with real ears; the painter is scripted, so that a test says when it paints."""

import io
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser as Chromium
from pydantic import SecretStr

from core.engine import Engine
from core.hearing.samples import thunderstorm, write_wav
from core.settings import CoreSettings
from core.web.parts import Part
from tests.bot.painter import ScriptedPainter
from tests.web.browser import Browser, Clock, Site
from tests.web.chromium import launched


@pytest.fixture(scope="session")
def only_painter() -> ScriptedPainter:
    return ScriptedPainter()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engine(only_painter: ScriptedPainter) -> AsyncIterator[Engine]:
    """One for all of the page's tests."""
    settings = CoreSettings(_env_file=None, download_models=False, device="cpu")
    async with Engine(settings, make_generator=lambda *_: only_painter) as engine:
        await engine.ears()
        yield engine


@pytest.fixture
def painter(only_painter: ScriptedPainter) -> ScriptedPainter:
    """As new."""
    only_painter.finish_all()
    only_painter.orders.clear()
    only_painter.cancelled.clear()
    only_painter.error = None
    return only_painter


OpenSite = Callable[..., "AsyncExitStack"]


@pytest_asyncio.fixture(loop_scope="session")
async def open_site(engine: Engine, painter: ScriptedPainter, tmp_path: Path) -> AsyncIterator[Callable[..., object]]:
    """Opens a page on the test's directory; `settings` differ from the usual."""
    async with AsyncExitStack() as stack:

        async def open_it(*, parts: Sequence[Part] = (), token: str | None = None, **settings: object) -> Site:
            chosen = engine.settings.model_copy(
                update={
                    "data_dir": tmp_path,
                    "web_token": SecretStr(token) if token else None,
                    **settings,
                }
            )
            chosen.__dict__.pop("audio_limits", None)  # it is cached
            return await stack.enter_async_context(Site.opened(engine, chosen, parts, Clock()))

        yield open_it


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site: Callable[..., object]) -> Site:
    """A page without a password, as it is on one's own machine."""
    return await open_site()  # type: ignore[misc,no-any-return]


@pytest_asyncio.fixture(loop_scope="session")
async def browser(site: Site) -> AsyncIterator[Browser]:
    """Somebody's browser."""
    async with site.browser() as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chromium]:
    sound = write_wav(tmp_path_factory.mktemp("microphone") / "storm.wav", thunderstorm())
    async with launched(sound) as chromium:
        yield chromium


@pytest.fixture
def gallery(painter: ScriptedPainter, monkeypatch: pytest.MonkeyPatch) -> ScriptedPainter:
    """A painter of a real picture."""
    data = resources.files("core.web").joinpath("static", "thunderstorm.webp").read_bytes()
    picture = Image.open(io.BytesIO(data)).convert("RGB").resize((256, 256))
    monkeypatch.setattr(painter, "image", lambda: picture)
    return painter
