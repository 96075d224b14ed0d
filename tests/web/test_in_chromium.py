"""In real Chromium: recording, dropping, cancelling, reloading, correcting; without script, and by keyboard alone."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, Route

from core.generation.protocol import Loading, Queued
from core.options import ImagineOptions
from core.speech.spoken import Outcome, SaidScene, Spoken
from tests.bot.painter import ScriptedPainter
from tests.web.browser import Site
from tests.web.chromium import (
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


async def test_microphone_is_recorded_unfiltered_and_painted_by_keyboard_alone(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    async with visiting(chromium, 1280, permissions=["microphone"]) as (visit, _):
        page = visit.page
        await page.add_init_script(
            "const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);"
            "navigator.mediaDevices.getUserMedia = (what) => { window.asked = what; return ask(what); };"
        )
        await page.goto(str(site.url))
        await page.keyboard.press("Space")
        await visit.state("recording")
        assert await page.evaluate("document.activeElement.dataset.does") == "stop"
        await page.locator('[data-shows="clock"]', has_text="0:03").wait_for()
        assert await page.locator('[data-shows="level"] rect:not(.zero)').count() > 10
        await page.keyboard.press("Space")
        await visit.state("painted")

        assert await page.evaluate("window.asked") == {
            "audio": {"echoCancellation": False, "noiseSuppression": False, "autoGainControl": False}
        }
        job = await only_job(site, page)
        assert job.heard is not None
        assert 2 < job.heard.duration_s < 10  # on a busy machine the key takes its time
        assert job.heard.top[0].name in ("Rain", "Thunder", "Raindrop", "Rain on surface", "Thunderstorm")
        assert await page.evaluate("document.activeElement.tagName") == "H1"
        await page.locator('[data-does="play"]').focus()
        await page.keyboard.press("Space")
        await page.locator(".strip.begun").wait_for()
        assert await page.locator(".play").text_content() == "Pause"
        reached = [await _next_focus(page) for _ in range(8)]
        assert "Position in the sound" not in reached  # it stands before the button
        assert reached[:4] == ["Download", "Again", "Its own page", "Make a film of it"]
        assert reached[-1] == "Another sound"
        assert visit.trouble == []


async def _next_focus(page: Page) -> str:
    await page.keyboard.press("Tab")
    name, outlined = await page.evaluate(
        "(e => [e.ariaLabel ?? e.textContent.trim(), getComputedStyle(e).outlineStyle])(document.activeElement)"
    )
    assert outlined == "solid", name
    return str(name)


async def test_recording_stops_by_itself(
    chromium: Chromium, open_site: Callable[..., object], gallery: ScriptedPainter
) -> None:
    site: Site = await open_site(max_seconds=2)  # type: ignore[misc]
    async with visiting(chromium, 360, permissions=["microphone"]) as (visit, _):
        await visit.page.goto(str(site.url))
        await visit.page.locator('[data-does="record"]').click()
        await visit.state("painted")


async def test_escape_discards_what_was_recorded(chromium: Chromium, site: Site, gallery: ScriptedPainter) -> None:
    async with visiting(chromium, 1280, permissions=["microphone"]) as (visit, _):
        await visit.page.goto(str(site.url))
        await visit.page.keyboard.press("Space")
        await visit.state("recording")
        await visit.page.keyboard.press("Escape")
        await visit.state("empty")
        assert gallery.orders == []
        await visit.page.keyboard.press("Space")  # and once more
        await visit.state("recording")


async def test_file_is_dropped_anywhere(chromium: Chromium, site: Site, gallery: ScriptedPainter) -> None:
    async with visiting(chromium, 1280) as (visit, _):
        page = visit.page
        await page.goto(str(site.url))
        transfer = await dragged(page)
        before = await visit.stage()
        await page.dispatch_event("footer", "dragover", {"dataTransfer": transfer})
        await page.locator(".stage.over").wait_for()
        assert await visit.stage() == before
        await page.dispatch_event("footer", "drop", {"dataTransfer": transfer})
        await visit.state("painted")
        assert await page.locator(".label h1").text_content() == "Siren"


async def test_cancelled_request_leads_back_and_leaves_the_queue(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    gallery.held = True
    async with visiting(chromium, 1280) as (visit, _):
        await visit.page.goto(str(site.url))
        await visit.page.locator("#file").set_input_files([SIREN])
        await visit.state("queued")
        await visit.page.get_by_role("button", name="Cancel").click()
        await visit.state("empty")
        await until(lambda: gallery.cancelled)
        assert await visit.page.evaluate("document.activeElement.tagName") == "H1"
        assert visit.page.url == str(site.url)


async def test_who_came_while_the_painter_was_made_ready_is_told_the_place_in_the_queue(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    gallery.held = True
    async with visiting(chromium, 360) as (visit, _):
        page = visit.page
        await page.goto(str(site.url))
        await page.locator("#file").set_input_files([SIREN])
        await until(lambda: gallery.orders)
        gallery.orders[0].listener(Loading())
        await page.get_by_text("Getting my brushes").wait_for()
        await page.reload()
        assert await visit.state("heard", "queued") == "heard"
        gallery.orders[0].listener(Queued(3))
        await visit.state("queued")
        assert "Third in line" in str(await page.locator("#say").text_content())
        assert "Third in line" in await page.title()


async def test_page_that_is_reloaded_in_the_middle_goes_on(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    gallery.held = True
    async with visiting(chromium, 1280) as (visit, context):
        page = visit.page
        await page.goto(str(site.url))
        await page.locator("#file").set_input_files([SIREN])
        await visit.state("queued")
        gallery.step(gallery.orders[0], 1)
        await visit.state("painting")
        await page.reload()
        await page.locator('[data-does="play"]').wait_for()  # its own copy of the sound is still there
        second = Visit(await context.new_page())
        await second.page.goto(page.url)
        gallery.step(gallery.orders[0], 3, preview(gallery))
        for each in (page, second.page):
            await each.locator('[data-shows="preview"]').wait_for()
            await each.get_by_text("3 of 4").wait_for()
        gallery.finish_all()
        assert [await each.state("painted") for each in (visit, second)] == ["painted", "painted"]
        assert visit.trouble + second.trouble == []


async def test_samples_play_and_paint_with_one_click(chromium: Chromium, site: Site, gallery: ScriptedPainter) -> None:
    async with visiting(chromium, 360) as (visit, _):
        await visit.page.goto(str(site.url))
        await visit.page.get_by_role("button", name="Play and paint: Birdsong").click()
        await visit.state("painted")
        await visit.page.locator(".play", has_text="Pause").wait_for()
        assert visit.trouble == []


async def test_without_script_a_form_leads_to_the_picture_and_with_it_to_the_same(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    gallery.held = True
    async with visiting(chromium, 360, java_script_enabled=False) as (visit, context):
        page = visit.page
        await page.goto(str(site.url))
        assert await page.locator(".record").is_hidden()
        await page.locator("#plain").set_input_files([SIREN])
        await page.get_by_role("button", name="Paint").first.click()
        await visit.state("queued")
        gallery.finish_all()
        await visit.state("painted")  # it reloads itself
        assert visit.trouble == []
        address, state = page.url, await context.storage_state()
    async with visiting(chromium, 360, storage_state=state) as (visit, _):
        await visit.page.goto(address)
        assert await visit.state("painted") == "painted"


async def test_words_are_not_taken_from_who_corrects_them(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    gallery.held = True
    async with visiting(chromium, 1280) as (visit, _):
        page = visit.page
        await page.goto(str(site.url))
        await page.locator("#file").set_input_files([SIREN])
        await visit.state("queued")
        job = await only_job(site, page)
        assert job.heard is not None
        scene = SaidScene(("a cat in a tree",))
        job.heard = replace(job.heard, spoken=Spoken("A bat in a tree.", Outcome.SEEN, scene, "en"))
        await page.reload()
        await page.locator("#said").fill("A cat in a tree.")
        gallery.step(gallery.orders[0], 2, preview(gallery))
        await visit.state("painting")
        assert await page.locator("#said").input_value() == "A cat in a tree."
        assert await page.evaluate("document.activeElement.id") == "said"
        await page.get_by_role("button", name="Only the sounds").click()
        await until(lambda: len(gallery.orders) == 2)
        assert gallery.cancelled == [0]
        assert job.options == ImagineOptions()
        gallery.finish_all()
        await visit.state("painted")
        assert await page.locator(".label h1").text_content() == "Siren"


async def test_microphone_that_is_not_allowed_is_told_in_a_sentence(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    async with visiting(chromium, 1280) as (visit, _):
        await visit.page.add_init_script(
            "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); };"
        )
        await visit.page.goto(str(site.url))
        await visit.page.keyboard.press("Space")
        await visit.state("error")
        assert await visit.page.locator(".stage").get_by_text("allow it beside the address").is_visible()
        assert await visit.page.locator("label", has_text="Choose a file").is_visible()


async def test_file_that_is_chosen_before_the_page_is_complete_is_painted(
    chromium: Chromium, site: Site, gallery: ScriptedPainter
) -> None:
    async with visiting(chromium, 1280) as (visit, _):
        page, chosen = visit.page, asyncio.Event()

        async def hold(route: Route) -> None:
            await chosen.wait()
            await route.continue_()

        await page.route("**/main.js", hold)
        await page.goto(str(site.url), wait_until="commit")
        await page.locator("#file").set_input_files([SIREN])
        chosen.set()
        await visit.state("painted")
        assert (await only_job(site, page)).heard is not None


async def test_file_that_is_too_large_is_told_before_it_is_sent(
    chromium: Chromium, open_site: Callable[..., object], gallery: ScriptedPainter, tmp_path: Path
) -> None:
    site: Site = await open_site(max_file_mb=0.05)  # type: ignore[misc]
    async with AsyncExitStack() as stack:
        visit, _ = await stack.enter_async_context(visiting(chromium, 1280))
        await visit.page.goto(str(site.url))
        await visit.page.locator("#file").set_input_files([SIREN])
        await visit.state("error")
        assert await visit.page.locator(".stage").get_by_text("more than the 0.05 MB that I take").is_visible()
        assert visit.trouble == []
