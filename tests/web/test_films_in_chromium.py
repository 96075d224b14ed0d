"""In real Chromium: a film asked for, followed, gone through by its scenes, given up; in light and dark."""

import asyncio
from collections.abc import Callable

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import FilePayload, Page

from core.checker import COVERED
from core.errors import FilmFailed
from core.hearing.samples import in_a_row, make_wav
from tests.bot.painter import ScriptedPainter
from tests.stories.scripted import ScriptedStory, real_film
from tests.web.browser import Site
from tests.web.chromium import SIREN, Visit, needs_chromium, until, visiting

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_chromium]


@pytest.fixture(scope="session")
def film() -> bytes:
    return real_film((128, 96), 15)


@pytest.fixture
def story(film: bytes, monkeypatch: pytest.MonkeyPatch) -> ScriptedStory:
    """Three scenes, and a film that browsers play."""
    scripted = ScriptedStory(content=film)
    monkeypatch.setattr("core.web.film_jobs.tell", scripted.tell)
    return scripted


async def paint(visit: Visit, site: Site) -> None:
    """A picture of which a film can be asked for."""
    await visit.page.goto(str(site.url))
    await visit.page.locator("#file").set_input_files([SIREN])
    await visit.state("painted")
    await visit.page.locator('[data-does="film"]:not([disabled])').wait_for()


async def film_it(page: Page) -> None:
    await page.get_by_role("button", name="Make a film of it").click()


@pytest.mark.parametrize("width", [1280, 390, 320])
async def test_each_state_can_be_seen_read_and_pressed_and_the_stage_stays_where_it_is(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, story: ScriptedStory, width: int
) -> None:
    story.gates = {gate: asyncio.Event() for gate in ("cut", "painting", "filming")}
    found: dict[str, list[str]] = {}
    stages: list[dict[str, float]] = []
    async with visiting(chromium, width) as (visit, _):

        async def look(state: str) -> None:
            stages.append(await visit.stage())
            if wrong := await visit.findings():
                found[state] = wrong

        await paint(visit, site)
        await look("painted")
        await film_it(visit.page)
        await visit.state("listening")
        await look("listening")
        story.gates["cut"].set()
        await visit.state("story")
        await visit.page.get_by_role("heading", name="Scene 1 of 3: birdsong").wait_for()
        await look("painting")
        story.lost = 1
        story.gates["painting"].set()
        await visit.page.get_by_role("heading", name="Making the film").wait_for()
        await visit.page.locator('img[data-shows="still"]').wait_for()
        await look("filming")
        story.gates["filming"].set()
        await visit.state("filmed")
        await look("filmed")

    assert found == {}
    assert {tuple(stage.values()) for stage in stages} == {tuple(stages[0].values())}


@pytest.mark.parametrize("width", [1280, 360])
async def test_covered_film_is_uncovered_by_who_wants_to_see_it(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, story: ScriptedStory, width: int
) -> None:
    story.notes = (COVERED,)
    async with visiting(chromium, width) as (visit, _):
        page = visit.page
        await paint(visit, site)
        before = await visit.stage()
        await film_it(page)
        await visit.state("filmed")
        assert not await page.locator("video").is_visible()
        assert await page.locator("video").get_attribute("poster") is None
        assert await visit.findings() == []
        await page.get_by_text("Show the film").click()
        await page.locator("video").wait_for()
        assert await visit.findings() == []
        assert await visit.stage() == before
        box = await page.locator("video").bounding_box()
        assert box is not None
        assert (box["width"], box["height"]) == (before["width"], before["height"])


async def test_film_plays_and_its_scenes_are_gone_to_by_keyboard(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, story: ScriptedStory
) -> None:
    async with visiting(chromium, 1280) as (visit, _):
        page = visit.page
        await paint(visit, site)
        await film_it(page)
        await visit.state("filmed")
        assert await page.evaluate("document.activeElement.tagName") == "H1"
        assert "The film is ready" in str(await page.locator("#say").text_content())
        siren = page.get_by_role("button", name="Siren")
        await siren.focus()
        await page.keyboard.press("Enter")
        await page.locator('[data-does="chapter"][aria-current="true"]', has_text="Siren").wait_for()
        assert await page.evaluate(
            "(v => !v.paused && v.currentTime >= 5 && v.error === null)(document.querySelector('video'))"
        )
        assert await page.locator("video").get_attribute("aria-label") == "A film of three scenes, with your sound"
        await page.reload()
        assert await visit.state("filmed") == "filmed"
        assert visit.trouble == []


async def test_walk_past_three_sounds_becomes_a_film_that_plays(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    """All of it but the painter is real."""
    walk = FilePayload(name="walk.wav", mimeType="audio/wav", buffer=make_wav(in_a_row()))
    async with visiting(chromium, 1280) as (visit, _):
        page = visit.page
        await page.goto(str(site.url))
        await page.locator("#file").set_input_files([walk])
        await visit.state("painted")
        await film_it(page)
        await visit.state("filmed")
        chapters = page.locator('[data-does="chapter"]')
        assert await chapters.count() == 3
        await chapters.nth(2).click()
        await page.locator("li:last-child > [aria-current='true']").wait_for()
        assert await page.evaluate("document.querySelector('video').duration") == pytest.approx(18, abs=0.2)
        assert visit.trouble == []
    assert not [name for name in site.files() if name.startswith("arriving")]


async def test_film_is_found_again_under_its_picture_and_can_be_deleted(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, story: ScriptedStory
) -> None:
    async with visiting(chromium, 360) as (visit, _):
        page = visit.page
        await paint(visit, site)
        await film_it(page)
        await visit.state("filmed")
        await page.get_by_role("link", name="To its picture").click()
        await visit.state("painted")
        await page.get_by_role("link", name="To its film").click()
        await visit.state("filmed")
        await page.get_by_role("button", name="Delete it").click()
        await visit.state("painted")
        await page.locator('[data-does="film"]:not([disabled])').wait_for()
        assert not [name for name in site.files() if name.endswith(".mp4")]
        assert visit.trouble == []


async def test_cancelled_film_leads_back_to_its_picture(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, story: ScriptedStory
) -> None:
    story.gates["painting"] = asyncio.Event()
    async with visiting(chromium, 1280) as (visit, _):
        await paint(visit, site)
        picture = visit.page.url
        await film_it(visit.page)
        await visit.state("story")
        await visit.page.get_by_role("button", name="Cancel").click()
        await visit.state("painted")
        assert visit.page.url == picture
        await until(lambda: story.ended)
        assert visit.trouble == []


async def test_film_that_fails_is_told_in_a_sentence_with_a_way_back(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, story: ScriptedStory
) -> None:
    story.errors["filming"] = FilmFailed()
    async with visiting(chromium, 360) as (visit, _):
        page = visit.page
        await paint(visit, site)
        before = await visit.stage()
        await film_it(page)
        await visit.state("film-error")
        visit.trouble.clear()  # Chromium says that the answer was 500
        assert await page.locator(".stage").get_by_text("The film could not be made").is_visible()
        assert await visit.stage() == before
        assert await visit.findings() == []
        await page.get_by_role("link", name="Back to the picture").click()
        await visit.state("painted")


async def test_film_that_is_one_too_many_leads_back_too(
    chromium: Chromium, open_site: Callable[..., object], gallery: ScriptedPainter, story: ScriptedStory
) -> None:
    site: Site = await open_site(pictures_per_user_hour=1)  # type: ignore[misc]
    async with visiting(chromium, 360) as (visit, _):
        page = visit.page
        await paint(visit, site)
        await film_it(page)
        await visit.state("film-error")
        assert await page.locator(".stage").get_by_text("You asked for 1 pictures within an hour").is_visible()
        await page.get_by_role("link", name="Back to the picture").click()
        await visit.state("painted")


async def test_without_a_copy_of_the_sound_no_film_is_offered(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, story: ScriptedStory
) -> None:
    async with visiting(chromium, 360) as (visit, _):
        await paint(visit, site)
        await visit.page.evaluate(
            "new Promise(done => { indexedDB.deleteDatabase('imagine-sound').onsuccess = done; })"
        )
        await visit.page.reload()
        await visit.state("painted")
        await visit.page.locator('[data-does="film"]').wait_for(state="hidden")
        assert visit.trouble == []


async def test_without_script_a_form_leads_to_the_film(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, story: ScriptedStory
) -> None:
    story.gates["filming"] = asyncio.Event()
    async with visiting(chromium, 360, java_script_enabled=False) as (visit, _):
        page = visit.page
        await page.goto(str(site.url))
        await page.locator("#plain").set_input_files([SIREN])
        await page.get_by_role("button", name="Paint").first.click()
        await visit.state("painted")
        await page.locator("#film-sound").set_input_files([SIREN])
        await page.get_by_role("button", name="Make a film of it").click()
        await visit.state("story")
        story.gates["filming"].set()
        await visit.state("filmed")  # it reloads itself
        assert await page.locator("video").is_visible()
        assert visit.trouble == []
