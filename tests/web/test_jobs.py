"""A recording goes in; what is heard, its previews and its picture come out, to the browser that asked."""

import asyncio
import io
import json
from collections.abc import Callable

import pytest
from PIL import Image

from core.hearing.samples import make_wav, silence, siren
from core.pictures import KEY
from core.recipe import from_json
from core.web import followed
from tests.bot.painter import ScriptedPainter
from tests.web.browser import Browser, Event, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIREN = make_wav(siren(2))


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


async def test_recording_becomes_a_picture_with_its_recipe(browser: Browser) -> None:
    job = await browser.ask(SIREN, "?seed=7")

    events = await browser.followed(job)

    assert kinds(events)[0] == "heard"
    assert kinds(events)[-1] == "painted"
    assert events[0].data["title"] == "Siren"
    png = await (await browser.get(f"/p/{job}.png")).read()
    recipe = from_json(Image.open(io.BytesIO(png)).text[KEY])  # type: ignore[attr-defined]
    assert recipe.seed == 7
    told = await (await browser.get(f"/p/{job}.json")).json()
    assert from_json(json.dumps(told)) == recipe


async def test_recording_is_gone_once_it_was_heard(browser: Browser, painter: ScriptedPainter) -> None:
    painter.held = True

    job = await browser.ask(SIREN)
    await until(lambda: painter.orders)

    assert browser.site.files() == []
    await browser.delete(f"/api/jobs/{job}")


async def test_previews_come_as_addresses_with_the_strip_in_their_colours(
    browser: Browser, painter: ScriptedPainter
) -> None:
    painter.held = True
    job = await browser.ask(SIREN)
    await until(lambda: painter.orders)
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 32), "orange").save(jpeg, "JPEG")

    painter.step(painter.orders[0], 2, jpeg.getvalue())
    [*_, preview] = [event async for event in browser.events(job, until="preview")]

    assert (preview.data["step"], preview.data["steps"]) == (2, 4)
    assert await (await browser.get(preview.data["preview"])).read() == jpeg.getvalue()
    strip = Image.open(io.BytesIO(await (await browser.get(preview.data["strip"])).read()))
    ink = Image.open(io.BytesIO(await (await browser.get(f"/api/jobs/{job}/ink.png")).read()))
    assert strip.size == ink.size == (1280, 108)
    assert "transparency" in ink.info
    painter.finish_all()


async def test_cut_off_browser_goes_on_where_it_was(browser: Browser, painter: ScriptedPainter) -> None:
    painter.held = True
    job = await browser.ask(SIREN)
    await until(lambda: painter.orders)
    first = [event async for event in browser.events(job, until="queued")]

    painter.finish_all()
    rest = await browser.followed(job, after=first[-1].number)
    over = await browser.get(f"/api/jobs/{job}/events", headers={"Last-Event-ID": rest[-1].number})

    assert "heard" not in kinds(rest)
    assert kinds(rest)[-1] == "painted"
    assert over.status == 204


async def test_events_are_not_kept_on_the_way(browser: Browser) -> None:
    job = await browser.ask(SIREN)
    async with browser.session.get(f"/api/jobs/{job}/events") as response:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Accel-Buffering"] == "no"
        await response.read()


async def test_cancelled_request_leaves_the_queue(browser: Browser, painter: ScriptedPainter) -> None:
    painter.held = True
    job = await browser.ask(SIREN)
    await until(lambda: painter.orders)

    response = await browser.delete(f"/api/jobs/{job}")
    events = await browser.followed(job)

    assert response.status == 204
    assert events[-1].kind == "failed"
    assert painter.cancelled == [0]
    assert (await browser.get(f"/jobs/{job}")).headers["Location"] == "/"


async def test_request_whose_browser_went_away_is_cancelled_after_a_while(
    browser: Browser, painter: ScriptedPainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter.held = True
    job = await browser.ask(SIREN)
    monkeypatch.setattr(followed, "GRACE_S", 0.2)

    _ = [event async for event in browser.events(job, until="queued")]

    await until(lambda: painter.cancelled)


async def test_request_that_somebody_follows_is_kept(
    browser: Browser, painter: ScriptedPainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    painter.held = True
    job = await browser.ask(SIREN)
    monkeypatch.setattr(followed, "GRACE_S", 0.2)

    following = asyncio.create_task(browser.followed(job))
    await asyncio.sleep(0.6)
    painter.finish_all()

    assert kinds(await following)[-1] == "painted"


async def test_other_browser_sees_the_picture_and_nothing_of_the_request(
    site: Site, browser: Browser, painter: ScriptedPainter
) -> None:
    job = await browser.ask(SIREN)
    await browser.followed(job)

    async with site.browser() as other:
        elsewhere = await other.get(f"/jobs/{job}")
        answers = [
            (await other.get(f"/api/jobs/{job}/events", page=False)).status,
            (await other.get(f"/api/jobs/{job}/ink.png", page=False)).status,
            (await other.delete(f"/api/jobs/{job}")).status,
            (await other.post("/api/jobs", {"of": job})).status,
        ]
        picture = await other.get(f"/p/{job}")

    assert (elsewhere.status, elsewhere.headers["Location"]) == (303, f"/p/{job}")
    assert answers == [404, 404, 404, 404]
    assert picture.status == 200


async def test_again_paints_what_was_heard_without_the_recording(browser: Browser, painter: ScriptedPainter) -> None:
    job = await browser.ask(SIREN, "?seed=1")
    await browser.followed(job)

    answer = await browser.post("/api/jobs", {"of": job})
    again = (await answer.json())["id"]
    await browser.followed(again)

    first, second = (order.request for order in painter.orders)
    assert second.prompt == first.prompt
    assert second.seed != first.seed
    assert again != job


async def test_other_words_and_other_style_are_painted(browser: Browser, painter: ScriptedPainter) -> None:
    job = await browser.ask(SIREN)
    await browser.followed(job)

    answer = await browser.post("/api/jobs", {"of": job, "prompt": " a red\tlamp\u202e ", "style": "comic"})
    await browser.followed((await answer.json())["id"])

    assert painter.orders[-1].request.prompt.text == "a red lamp, comic book panel, bold ink lines, flat colours"


async def test_words_that_were_left_as_they_were_follow_the_new_style(
    browser: Browser, painter: ScriptedPainter
) -> None:
    job = await browser.ask(SIREN, "?style=comic")
    await browser.followed(job)
    words = painter.orders[0].request.prompt.text.removesuffix(", comic book panel, bold ink lines, flat colours")

    answer = await browser.post("/api/jobs", {"of": job, "prompt": words, "style": "watercolour"})
    await browser.followed((await answer.json())["id"])

    assert painter.orders[-1].request.prompt.text == f"{words}, watercolour, soft washes on white paper"


async def test_what_somebody_says_can_be_corrected_while_it_is_painted(
    browser: Browser, painter: ScriptedPainter
) -> None:
    painter.held = True
    job = await browser.ask(SIREN)
    await until(lambda: painter.orders)

    answer = await browser.post("/api/jobs", {"of": job, "sounds": "1"})
    assert answer.status == 202
    painter.finish_all()

    assert painter.cancelled == [0]
    assert kinds(await browser.followed(job))[-1] == "failed"
    assert kinds(await browser.followed((await answer.json())["id"]))[-1] == "painted"


async def test_silence_is_painted_for_who_meant_it(browser: Browser, painter: ScriptedPainter) -> None:
    answer = await browser.post("/api/jobs", make_wav(silence(1)), headers={"Content-Type": "audio/wav"})
    told = await answer.json()

    again = await browser.post("/api/jobs", {"of": told["id"], "silence": "1"})

    assert answer.status == 422
    assert "silence" in told["error"]
    assert kinds(await browser.followed((await again.json())["id"]))[-1] == "painted"


async def test_samples_are_heard_and_painted(browser: Browser) -> None:
    answer = await browser.post("/api/jobs", {"sample": "birdsong"})
    events = await browser.followed((await answer.json())["id"])
    wav = await (await browser.get("/samples/birdsong.wav")).read()
    strip = await browser.get("/samples/birdsong.strip.png")

    assert kinds(events)[-1] == "painted"
    assert wav[:4] == b"RIFF"
    assert Image.open(io.BytesIO(await strip.read())).size == (1280, 108)


async def test_a_browser_is_one_asker_in_the_queue(site: Site, browser: Browser, painter: ScriptedPainter) -> None:
    painter.held = True
    async with site.browser() as other:
        for asker in (browser, browser, other):
            await asker.ask(SIREN)
        await until(lambda: len(painter.orders) == 3)
        users = [order.request.user for order in painter.orders]

    assert users[0] == users[1] != users[2]
    painter.finish_all()


async def test_picture_is_found_after_a_restart_and_gone_after_a_day(browser: Browser, open_site: object) -> None:
    job = await browser.ask(SIREN)
    await browser.followed(job)

    site = await open_site()  # type: ignore[operator]
    async with site.browser() as later:
        there = await later.get(f"/p/{job}")
        site.clock.ahead_s = 24 * 3600 + 1
        gone = await later.get(f"/p/{job}")
        site.page.shelf.sweep()

    assert (there.status, gone.status) == (200, 404)
    assert "gone after a day" in await gone.text()
    assert site.files() == []


async def test_painter_that_fails_is_told_in_its_sentence(browser: Browser, painter: ScriptedPainter) -> None:
    from core.errors import OutOfMemory

    painter.error = OutOfMemory()
    job = await browser.ask(SIREN)
    events = await browser.followed(job)
    page = await browser.get(f"/jobs/{job}")

    assert events[-1].data["error"] == str(OutOfMemory())
    assert page.status == 500
    assert str(OutOfMemory())[:40] in (await page.text()).replace("&#39;", "'")
