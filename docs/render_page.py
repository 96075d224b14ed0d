"""Photographs the page in Chromium, as the documents show it: `python -m docs.render_page`; the miniature paints."""

import asyncio
import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, FilePayload, Page, Route, async_playwright

from core.engine import Engine
from core.hearing.samples import in_a_row, make_wav, thunderstorm, write_wav
from core.settings import CoreSettings
from core.web.serving import Address, serving

OUT = Path(__file__).parent
PORT = 8137
DESK, PHONE = {"width": 1280, "height": 825}, {"width": 360, "height": 720}
SEED = 7


async def render() -> None:
    """All five."""
    with tempfile.TemporaryDirectory() as directory:
        sound = write_wav(Path(directory) / "storm.wav", thunderstorm())
        settings = CoreSettings(download_models=False, device="cpu", data_dir=Path(directory), preview_every=3)
        async with (
            Engine(settings) as engine,
            serving(engine, settings, Address("127.0.0.1", PORT)) as site,
            async_playwright() as playwright,
        ):
            await engine.ears()
            await engine.generator()
            chromium = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"),
                args=[
                    "--no-sandbox",
                    "--use-fake-ui-for-media-stream",
                    "--use-fake-device-for-media-stream",
                    f"--use-file-for-fake-audio-capture={sound}",
                ],
            )
            await _painting_and_painted(chromium, site.link)
            await _empty_and_recording(chromium, site.link)
            await _film(chromium, site.link)
            await chromium.close()


async def _painting_and_painted(chromium: Browser, link: str) -> None:
    context = await chromium.new_context(viewport=DESK, color_scheme="dark")  # type: ignore[arg-type]
    page = await context.new_page()
    await page.route("**/api/jobs", _with_seed)
    await page.goto(link)
    await page.get_by_role("button", name="Play and paint: Thunderstorm").click()
    await page.locator('[data-shows="preview"]').wait_for()
    await _keep(page, "page-painting")
    await page.wait_for_selector('[data-state="painted"]')
    await page.emulate_media(color_scheme="light")
    await page.wait_for_timeout(1500)
    await _keep(page, "page-painted")


async def _empty_and_recording(chromium: Browser, link: str) -> None:
    context = await chromium.new_context(
        viewport=PHONE,  # type: ignore[arg-type]
        device_scale_factor=2,
        color_scheme="light",
        permissions=["microphone"],
        has_touch=True,
        is_mobile=True,
    )
    page = await context.new_page()
    await page.goto(link)
    await page.wait_for_timeout(500)
    await _keep(page, "page-phone")
    await page.emulate_media(color_scheme="dark")
    await page.get_by_role("button", name="Record", exact=True).tap()
    await page.wait_for_timeout(4500)
    await _keep(page, "page-phone-recording")


async def _film(chromium: Browser, link: str) -> None:
    walk = FilePayload(name="walk.wav", mimeType="audio/wav", buffer=make_wav(in_a_row()))
    context = await chromium.new_context(viewport=DESK, color_scheme="dark")  # type: ignore[arg-type]
    page = await context.new_page()
    await page.route("**/api/jobs", _with_seed_in_address)
    await page.goto(link)
    await page.locator("#file").set_input_files([walk])
    await page.get_by_role("button", name="Make a film of it").click()
    await page.wait_for_selector('[data-state="filmed"]')
    await page.locator('[data-does="chapter"]').nth(1).click()
    await page.wait_for_timeout(4000)
    await _keep(page, "page-film")


async def _with_seed(route: Route) -> None:
    await route.continue_(post_data=f"{route.request.post_data}&seed={SEED}")


async def _with_seed_in_address(route: Route) -> None:
    await route.continue_(url=f"{route.request.url}?seed={SEED}")


async def _keep(page: Page, name: str) -> None:
    picture = Image.open(io.BytesIO(await page.screenshot()))
    picture.save(OUT / f"{name}.webp", quality=80, method=6)


if __name__ == "__main__":
    asyncio.run(render())
