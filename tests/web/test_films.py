"""Under a picture a film is asked for with the browser's own copy of the sound; it is that browser's alone."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from core.errors import FilmFailed
from core.hearing.samples import make_wav, siren
from core.prompting.styles import Style
from core.web import followed
from core.web.film_shelf import FilmShelf
from tests.bot.painter import ScriptedPainter
from tests.stories.scripted import ScriptedStory
from tests.web.browser import HTML, Browser, Site
from tests.web.chromium import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIREN = make_wav(siren(2))
DAY_S = 24 * 3600


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> ScriptedStory:
    scripted = ScriptedStory(content=bytes(range(256)) * 100)
    monkeypatch.setattr("core.web.film_jobs.tell", scripted.tell)
    return scripted


@pytest_asyncio.fixture(loop_scope="session")
async def picture(browser: Browser) -> AsyncIterator[str]:
    """A painted picture's request."""
    job = await browser.ask(SIREN, "?seed=7&style=comic")
    await browser.followed(job)
    yield job


async def ask(browser: Browser, of: str = "") -> str:
    """Ask for a film; returns its id."""
    query = f"?of={of}" if of else ""
    answer = await browser.post(f"/api/films{query}", SIREN, headers={"Content-Type": "audio/wav"})
    assert answer.status == 202, await answer.text()
    return str((await answer.json())["id"])


async def test_a_recording_becomes_a_film_with_its_chapters(
    browser: Browser, picture: str, story: ScriptedStory
) -> None:
    film = await ask(browser, picture)
    events = await browser.followed(film)
    page = await (await browser.get(f"/films/{film}")).text()
    told = await browser.get(f"/films/{film}.mp4")
    part = await browser.get(f"/films/{film}.mp4", headers={"Range": "bytes=100-199"})
    poster = await browser.get(f"/films/{film}.jpg")

    assert {event.kind for event in events} == {"cut", "still", "progress", "filmed"}
    assert events[-1].data == {"page": f"/films/{film}", "film": f"/films/{film}.mp4", "poster": f"/films/{film}.jpg"}
    assert (told.content_type, await told.read()) == ("video/mp4", story.content)
    assert (part.status, await part.read()) == (206, story.content[100:200])
    assert (poster.content_type, (await poster.read())[:2]) == ("image/jpeg", b"\xff\xd8")
    assert page.count('data-does="chapter"') == 3
    assert "<span>0:05</span>Siren</button>" in page
    assert "Your recording is longer; the film begins at 1:05 of it." in page
    assert f'href="/jobs/{picture}"' in page


async def test_it_is_painted_as_its_picture_was(browser: Browser, picture: str, story: ScriptedStory) -> None:
    await browser.followed(await ask(browser, picture))

    [(recording, options)] = story.asked
    assert recording == SIREN
    assert (options.imagine.seed, options.imagine.style) == (7, Style.COMIC)


async def test_progress_is_told_in_scenes_and_in_seconds(browser: Browser, picture: str, story: ScriptedStory) -> None:
    story.gates["painting"] = asyncio.Event()
    film = await ask(browser, picture)
    [*_, painting] = [event async for event in browser.events(film, until="progress")]
    assert painting.data["scenes"] == ["now", "to-come", "to-come"]
    assert painting.data["line"] in ("Getting my brushes", "Scene 1 of 3: birdsong")

    story.gates["filming"] = asyncio.Event()
    story.gates["painting"].set()
    await until(lambda: (job := browser.site.page.films.made_of(picture, _visitor(browser))) and job.settled == 3)
    [*_, filming] = [event async for event in browser.events(film, until="progress")]
    assert filming.data == {
        "line": "Making the film",
        "about": "4 of 15 seconds",
        "done": 4.2,
        "all": 15,
        "scenes": ["painted"] * 3,
    }
    story.gates["filming"].set()
    await browser.followed(film)


def _visitor(browser: Browser) -> str:
    [name] = (cookie.value for cookie in browser.session.cookie_jar if "visitor" in cookie.key)
    return name


async def test_a_scene_that_could_not_be_painted_is_told(browser: Browser, story: ScriptedStory) -> None:
    story.lost = 1
    film = await ask(browser)
    await browser.followed(film)
    page = await (await browser.get(f"/films/{film}")).text()
    assert "One scene could not be painted; what is beside it is seen longer." in page


async def test_recording_is_there_while_its_film_is_made_and_then_gone(browser: Browser, story: ScriptedStory) -> None:
    story.gates["filming"] = asyncio.Event()
    film = await ask(browser)
    await until(lambda: story.asked)
    assert len(browser.site.files()) == 1
    story.gates["filming"].set()
    await browser.followed(film)
    assert browser.site.files() == [f"{film}.film.json", f"{film}.mp4", f"{film}.poster.jpg"]


async def test_other_browser_sees_nothing_of_it(
    site: Site, browser: Browser, picture: str, story: ScriptedStory
) -> None:
    film = await ask(browser, picture)
    await browser.followed(film)
    async with site.browser() as other:
        await other.get("/")
        paths = [f"/films/{film}", f"/films/{film}.mp4", f"/films/{film}.jpg", f"/api/jobs/{film}/events"]
        answers = [(await other.get(path, page=False)).status for path in paths]
        answers.append((await other.delete(f"/api/films/{film}")).status)
        answers.append((await other.post(f"/api/films?of={picture}", SIREN)).status)
    assert set(answers) == {404}
    assert (await browser.get(f"/films/{film}.mp4")).status == 200


async def test_it_is_gone_after_a_day_as_pictures_are(site: Site, browser: Browser, story: ScriptedStory) -> None:
    film = await ask(browser)
    await browser.followed(film)
    site.clock.ahead_s = DAY_S + 1
    assert (await browser.get(f"/films/{film}")).status == 404
    assert (await browser.get(f"/films/{film}.mp4")).status == 404
    site.page.shelf.sweep()
    assert site.files() == []


async def test_it_is_found_again_by_its_browser_after_a_restart(
    open_site: Callable[..., object], story: ScriptedStory
) -> None:
    site: Site = await open_site()  # type: ignore[misc]
    async with site.browser() as browser:
        film = await ask(browser)
        await browser.followed(film)
        visitor = _visitor(browser)
    again: Site = await open_site()  # type: ignore[misc]
    async with again.browser() as browser:
        cookie = {"Cookie": f"imagine_sound_visitor={visitor}"}
        assert (await browser.get(f"/films/{film}", headers=cookie)).status == 200
        assert (await browser.get(f"/films/{film}")).status == 404


async def test_it_can_be_deleted(browser: Browser, picture: str, story: ScriptedStory) -> None:
    film = await ask(browser, picture)
    await browser.followed(film)
    form = {**HTML, "Content-Type": "application/x-www-form-urlencoded"}
    answer = await browser.post(f"/api/films/{film}/remove", b"", headers=form)
    assert (answer.status, answer.headers["Location"]) == (303, f"/jobs/{picture}")
    assert (await browser.get(f"/films/{film}")).status == 404
    assert not [name for name in browser.site.files() if film in name]
    assert "Make a film of it" in await (await browser.get(f"/jobs/{picture}")).text()


@pytest.mark.parametrize("stage", ["cut", "painting", "filming", "filmed"])
async def test_cancelled_at_any_stage_nothing_is_left_behind(
    stage: str, browser: Browser, picture: str, story: ScriptedStory
) -> None:
    before = browser.site.files()
    story.gates[stage] = asyncio.Event()
    film = await ask(browser, picture)
    await until(lambda: story.asked)
    assert (await browser.delete(f"/api/jobs/{film}")).status == 204
    events = await browser.followed(film)
    assert events[-1].kind == "failed"
    assert (await browser.get(f"/films/{film}")).headers["Location"] == f"/jobs/{picture}"
    assert story.ended == 1
    assert browser.site.files() == before
    assert story.directory is not None
    assert not story.directory.exists()


async def test_cancelled_while_it_is_put_away_nothing_is_left_behind(
    browser: Browser, picture: str, story: ScriptedStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, begun, may_go_on = browser.site.files(), threading.Event(), threading.Event()
    keep = FilmShelf.keep

    def slowly(shelf: FilmShelf, *kept: Any) -> Any:
        begun.set()
        assert may_go_on.wait(60)
        return keep(shelf, *kept)

    monkeypatch.setattr(FilmShelf, "keep", slowly)
    film = await ask(browser, picture)
    await until(begun.is_set)
    cancelling = asyncio.create_task(browser.delete(f"/api/jobs/{film}"))
    await asyncio.sleep(0.1)
    may_go_on.set()
    assert (await cancelling).status == 204
    await until(lambda: browser.site.files() == before)


@pytest.mark.parametrize("stage", ["cut", "painting", "filming", "filmed"])
async def test_what_fails_is_told_in_a_sentence_and_leaves_nothing(
    stage: str, browser: Browser, picture: str, story: ScriptedStory
) -> None:
    before = browser.site.files()
    story.errors[stage] = FilmFailed()
    answer = await browser.post(f"/api/films?of={picture}", SIREN)
    film = (await answer.json())["id"]
    await browser.followed(film)
    page = await browser.get(f"/films/{film}")
    text = await page.text()
    assert page.status == 500
    assert "The film could not be made of these pictures and this sound; please try again." in text
    assert f'href="/jobs/{picture}" data-shows="back">Back to the picture' in text
    assert browser.site.files() == before


async def test_disk_that_is_full_leaves_nothing(
    browser: Browser, story: ScriptedStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.files.shutil.copyfile", full)
    film = await ask(browser)
    events = await browser.followed(film)
    assert "cannot be kept" in events[-1].data["error"]
    assert browser.site.files() == []


async def test_film_that_waits_and_that_nobody_follows_is_given_up(
    browser: Browser, story: ScriptedStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.gates["cut"] = asyncio.Event()
    monkeypatch.setattr(followed, "GRACE_S", 0.2)
    await browser.post("/api/films", SIREN)
    await until(lambda: story.ended)


async def test_each_scene_counts_as_a_picture(open_site: Callable[..., object], story: ScriptedStory) -> None:
    site: Site = await open_site(pictures_per_user_hour=5)  # type: ignore[misc]
    async with site.browser() as browser:
        await browser.followed(await ask(browser))
        refused = await browser.post("/api/films", SIREN)
        assert refused.status == 429
        assert (await refused.json())["error"].startswith(
            "This takes 2 pictures more, and you may ask for 5 within an hour; please come back in 60 minutes"
        )
        await browser.ask(SIREN)  # for which two are left
        await browser.ask(SIREN)
        assert (await browser.post("/api/jobs", SIREN)).status == 429


@pytest.mark.parametrize(
    ("body", "kind", "status"), [(b"", "audio/wav", 422), (b"hello", "text/plain", 415), (b"of=x", "", 415)]
)
async def test_what_is_no_recording_is_refused(body: bytes, kind: str, status: int, browser: Browser) -> None:
    answer = await browser.post("/api/films", body, headers={"Content-Type": kind or "application/json"})
    assert answer.status == status
    assert set(json.loads(await answer.text())) == {"error"}
    assert browser.site.files() == []


async def test_plain_form_leads_to_the_film(
    browser: Browser, picture: str, story: ScriptedStory, painter: ScriptedPainter
) -> None:
    page = await (await browser.get(f"/jobs/{picture}")).text()
    assert '<form class="film words" action="/api/films"' in page
    story.gates["filming"] = asyncio.Event()
    form = aiohttp.FormData({"of": picture})
    form.add_field("file", SIREN, filename="siren.wav")
    address = (await browser.post("/api/films", form, headers=HTML)).headers["Location"]
    assert 'http-equiv="refresh"' in await (await browser.get(address)).text()
    assert f'href="{address}"' in await (await browser.get(f"/jobs/{picture}")).text()
    story.gates["filming"].set()
    await browser.followed(address.rpartition("/")[2])
    assert "<video controls playsinline" in await (await browser.get(address)).text()
