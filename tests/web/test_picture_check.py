"""A picture that should not be shown, on the page: covered, or one sentence; it costs nothing.

What decides is injected: red is what should not be shown.
"""

from collections.abc import Callable

import pytest
from PIL import Image
from playwright.async_api import Browser as Chromium

from core.engine import Engine
from core.hearing.samples import make_wav, siren
from core.options import PictureCheck
from tests.bot.painter import ScriptedPainter
from tests.bot.picture_check import takes_red_for_unfit
from tests.web.browser import Browser, Site
from tests.web.chromium import SIREN, needs_chromium, visiting

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def checks(engine: Engine, painter: ScriptedPainter, monkeypatch: pytest.MonkeyPatch) -> Callable[[PictureCheck], None]:
    """Lets the engine check pictures in a way; all that are painted are red."""

    def check(how: PictureCheck) -> None:
        monkeypatch.setattr(engine, "settings", engine.settings.model_copy(update={"picture_check": how}))
        monkeypatch.setattr(engine._checker, "_settings", engine.settings)
        monkeypatch.setattr(engine._checker, "_make", lambda: takes_red_for_unfit)
        monkeypatch.setattr(painter, "image", lambda: Image.new("RGB", (64, 64), "red"))

    return check


async def test_blocked_picture_is_one_sentence_costs_nothing_and_is_not_kept(
    open_site: Callable[..., object], checks: Callable[[PictureCheck], None]
) -> None:
    checks(PictureCheck.BLOCK)
    site: Site = await open_site(pictures_per_user_hour=1)  # type: ignore[misc]
    async with site.browser() as browser:
        for _ in range(3):
            (*_, last) = await browser.followed(await browser.ask(make_wav(siren(1))))
            assert (last.kind, last.data["kind"]) == ("failed", "PictureBlocked")
            assert "not shown here" in last.data["error"]
    assert site.files() == []


async def test_covered_picture_is_not_in_its_pages_preview(
    browser: Browser, checks: Callable[[PictureCheck], None]
) -> None:
    checks(PictureCheck.SPOILER)
    job = await browser.ask(make_wav(siren(1)))
    await browser.followed(job)
    page = await (await browser.get(f"/p/{job}")).text()
    assert "og:image" not in page
    assert '<details class="covered">' in page


@needs_chromium
@pytest.mark.parametrize("width", [1280, 360])
async def test_covered_picture_is_uncovered_by_keyboard_and_the_stage_stays_where_it_is(
    chromium: Chromium, site: Site, checks: Callable[[PictureCheck], None], width: int
) -> None:
    checks(PictureCheck.SPOILER)
    async with visiting(chromium, width) as (visit, _):
        page = visit.page
        await page.goto(str(site.url))
        empty = await visit.stage()
        await page.locator("#file").set_input_files([SIREN])
        await visit.state("painted")
        picture = page.locator(".stage img")
        assert not await picture.is_visible()
        assert await visit.findings() == []
        assert await visit.stage() == empty
        await page.locator(".covered summary").press("Enter")
        await picture.wait_for()
        assert await visit.findings() == []
        assert await visit.stage() == empty
