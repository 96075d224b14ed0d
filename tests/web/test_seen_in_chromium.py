"""In real Chromium: each state of the page, and the demo's page, in light and dark, on a phone and a desk: measured."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser as Chromium
from playwright.async_api import FilePayload, Route

from core.cli.demo import Chapter, Label, Shown, ShownFilm, ShownWords, render
from core.generation.protocol import Loading
from core.hearing.samples import birdsong, make_wav, silence, write_wav
from core.speech.spoken import Outcome, SaidScene, Spoken
from tests.bot.painter import ScriptedPainter
from tests.stories.scripted import real_film
from tests.web.browser import Site
from tests.web.chromium import (
    OTHER_NAME,
    SIREN,
    Visit,
    dragged,
    needs_chromium,
    only_job,
    preview,
    until,
    visiting,
)

pytestmark = [pytest.mark.asyncio(loop_scope="session"), needs_chromium]

JUNK = FilePayload(name="junk.wav", mimeType="audio/wav", buffer=b"nothing")
SILENCE = FilePayload(name="silence.wav", mimeType="audio/wav", buffer=make_wav(silence(2)))
TOKEN = "correct horse"
PLAYS = (
    "video => new Promise(done => { const known = () => done(video.duration);"
    " if (video.readyState) known(); else video.addEventListener('loadedmetadata', known); })"
)
"""How long a film is, once the browser has found that it can play it."""


async def check(visit: Visit, state: str, found: dict[str, list[str]]) -> None:
    if wrong := await visit.findings():
        found[state] = wrong


@pytest.mark.parametrize("width", [1280, 360])
async def test_each_state_can_be_seen_read_and_pressed_and_the_stage_stays_where_it_is(
    chromium: Chromium, site: Site, gallery: ScriptedPainter, width: int
) -> None:
    gallery.held = True
    found: dict[str, list[str]] = {}
    stages: dict[str, dict[str, float]] = {}
    async with visiting(chromium, width, permissions=["microphone"]) as (visit, _):
        page = visit.page

        async def look(state: str) -> None:
            stages[state] = await visit.stage()
            await check(visit, state, found)

        await page.goto(str(site.url))
        await look("empty")
        transfer = await dragged(page)
        await page.dispatch_event("footer", "dragover", {"dataTransfer": transfer})
        await page.locator(".stage.over").wait_for()
        await look("dragging")
        await page.dispatch_event("footer", "dragleave")
        await page.locator('[data-does="record"]').click()
        await visit.state("recording")
        await look("recording")
        await page.locator('[data-does="discard"]').click()
        await visit.state("empty")
        may_arrive = asyncio.Event()

        async def hold(route: Route) -> None:
            await may_arrive.wait()
            await route.continue_()

        await page.route("**/api/jobs", hold)
        await page.locator("#file").set_input_files([SIREN])
        await visit.state("hearing")
        await look("sending")
        may_arrive.set()
        await until(lambda: gallery.orders)
        await visit.state("queued")
        await look("queued")
        gallery.orders[-1].listener(Loading())
        await page.get_by_text("Getting my brushes").wait_for()
        await look("loading")
        gallery.step(gallery.orders[-1], 2, preview(gallery))
        await page.locator('[data-shows="preview"]').wait_for()
        await look("painting")
        spoken = Spoken("My dog ran into the sea.", Outcome.SEEN, SaidScene(("a dog running into the sea",)), "en")
        job = await only_job(site, page)
        assert job.heard is not None
        heard, job.heard = job.heard, replace(job.heard, spoken=spoken)
        await page.reload()
        await look("spoken")
        job.heard = heard
        gallery.finish_all()
        await visit.state("painted")
        await look("painted")
        await page.locator('[data-does="play"]').click()
        await page.locator(".strip.begun").wait_for()
        await look("playing")
        for fold in await page.locator("summary").all():
            await fold.click()
        await look("details")
        gallery.held = True
        await page.locator("form.actions button").click()
        await visit.state("queued")
        await look("several")
        gallery.finish_all()
        await visit.state("painted")
        await page.goto(f"{site.url}p/{job.id}")
        await look("picture")
        await page.goto(f"{site.url}status")
        await check(visit, "status", found)
        await page.goto(f"{site.url}verify")
        await check(visit, "painted here?", found)

    assert found == {}
    assert {tuple(stage.values()) for stage in stages.values()} == {tuple(stages["empty"].values())}


@pytest.mark.parametrize("width", [1280, 360])
async def test_what_goes_wrong_and_the_door_can_be_read_too(
    chromium: Chromium, open_site: Callable[..., object], gallery: ScriptedPainter, width: int
) -> None:
    found: dict[str, list[str]] = {}
    site: Site = await open_site(token=TOKEN, web_hosts=(OTHER_NAME,))  # type: ignore[misc]
    async with visiting(chromium, width) as (visit, _):
        page = visit.page
        await page.goto(str(site.url))
        await check(visit, "door", found)
        await page.locator("#word").fill("wrong")
        await page.get_by_role("button", name="Come in").click()
        await page.locator("#why").wait_for()
        visit.trouble.clear()  # Chromium says that the answer was 401
        await check(visit, "door, wrong word", found)
        await page.locator("#word").fill(TOKEN)
        await page.get_by_role("button", name="Come in").click()
        await visit.state("empty")
        await page.locator("#file").set_input_files([SILENCE])
        await visit.state("nothing")
        visit.trouble.clear()  # and 422 here
        await check(visit, "nothing", found)
        assert await page.locator("#say").text_content() == "I heard nothing."
        await page.get_by_role("button", name="Paint the silence").click()
        await visit.state("painted")
        await page.goto(str(site.url))
        await page.locator("#file").set_input_files([JUNK])
        await visit.state("error")
        visit.trouble.clear()
        await check(visit, "error", found)
        await page.goto(f"{site.url}p/{'0' * 32}")
        visit.trouble.clear()
        await check(visit, "nothing here", found)
        insecure = str(site.url).replace("127.0.0.1", OTHER_NAME)
        await page.goto(f"{insecure}log-in?token={TOKEN}")
        await check(visit, "no microphone", found)
        assert await page.locator('[data-does="record"]').is_hidden()
        assert await page.get_by_text("came without https").is_visible()

    assert found == {}


@pytest.mark.parametrize("width", [320, 390, 1280])
async def test_page_of_the_demo_can_be_seen_and_read_at_any_width(
    chromium: Chromium, tmp_path: Path, width: int
) -> None:
    """It is a file on a disk, without any script."""
    for name, size in (("dog.png", (512, 512)), ("dog-strip.png", (128, 12))):
        Image.new("RGB", size, "teal").save(tmp_path / name)
    write_wav(tmp_path / "dog.wav", birdsong())
    labels = (Label("Bird vocalization, bird call, bird song", "0:00", 0.82), Label("Dog", "1:02", 0.01))
    dog = Shown("dog", "dog.wav", "dog-strip.png", "dog.png", labels, "a barking dog", "playground-mini", 0.6)
    said = ShownWords("My dog ran.", "a running dog", "the sea", "dog.png", "a dog")
    chapters = (Chapter("0:00", 0.0, "Bird vocalization, bird call, bird song"), Chapter("0:05", 5.1, "Dog"))
    (tmp_path / "story.mp4").write_bytes(real_film((96, 64), 2))
    film = ShownFilm("story.mp4", "dog.png", (96, 64), "0:02", chapters)
    (tmp_path / "index.html").write_text(render([dog], said, film), encoding="utf-8")
    async with visiting(chromium, width) as (visit, _):
        await visit.page.goto((tmp_path / "index.html").as_uri())
        await visit.page.locator("summary").click()
        assert await visit.page.get_by_label("A film of the three sounds in a row").evaluate(PLAYS) > 1.9
        assert await visit.findings() == []
        for bar in await visit.page.locator(".bar").all():
            box = await bar.bounding_box()
            assert box is not None
            assert box["width"] > 40
