"""A real Chromium on the page: what people do in it, and what is measured of what they see."""

import asyncio
import base64
import io
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, FilePayload, JSHandle, Page, async_playwright

from core.hearing.samples import make_wav, siren
from core.web.access import VISITOR
from core.web.job import Job
from tests.bot.painter import ScriptedPainter
from tests.web.browser import Site

EXECUTABLE = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    EXECUTABLE is None, reason="there is no Chromium here; apt install chromium, or set CHROMIUM"
)
OTHER_NAME = "pictures.example"
"""A name of the page that is not this machine's own, so that a browser takes it for one without https."""

SIREN = FilePayload(name="siren.wav", mimeType="audio/wav", buffer=make_wav(siren(2)))
PATIENCE_MS = 60_000
SMALLEST_TEXT, SMALLEST_TOUCH = 14, 44

MEASURE = Path(__file__).with_name("measure.js").read_text()


class Visit:
    """One page in one browser, and what went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.trouble: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self.trouble.append(f"error: {error}"))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.trouble.append(f"{kind}: {text}")

    async def state(self, *names: str) -> str:
        """Wait for one of these states; returns which it is."""
        await self.page.wait_for_selector(", ".join(f'[data-state="{name}"]' for name in names))
        return str(await self.page.locator(".piece").get_attribute("data-state"))

    async def stage(self) -> dict[str, float]:
        """Where the stage is, to the pixel."""
        found: dict[str, float] = await self.page.locator(".stage:not([hidden])").evaluate(
            "e => { const { x, y, width, height } = e.getBoundingClientRect();"
            " return { x, y: y + scrollY, width, height }; }"
        )
        return found

    async def findings(self) -> list[str]:
        """What axe finds and what it does not see, in the light and in the dark, once the style sheet is there."""
        await self.page.wait_for_load_state("load")
        found: list[str] = []
        schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
        for scheme in schemes:
            await self.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            measured = await self.page.evaluate(MEASURE, [SMALLEST_TEXT, SMALLEST_TOUCH])
            # what the colours do not change is looked at once
            only = {"runOnly": ["color-contrast"]} if scheme == "dark" else {}
            results = await Axe().run(self.page, options=only)
            assert results.response["passes"], "axe looked at nothing"
            axe = [
                f"axe {one['id']}: {json.dumps([node['html'][:120] for node in one['nodes']])}"
                for one in results.response["violations"]
            ]
            found += [f"{scheme}: {one}" for one in (*measured, *axe)]
        return found + self.trouble


@asynccontextmanager
async def launched(sound: Path) -> AsyncIterator[Chromium]:
    """Chromium with a microphone that hears `sound`, again and again."""
    arguments = [
        "--no-sandbox",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-audio-capture={sound}",
        f"--host-resolver-rules=MAP {OTHER_NAME} 127.0.0.1",
        "--autoplay-policy=no-user-gesture-required",
    ]
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=EXECUTABLE, args=arguments)
        yield chromium
        await chromium.close()


@asynccontextmanager
async def visiting(chromium: Chromium, width: int, **options: Any) -> AsyncIterator[tuple[Visit, BrowserContext]]:
    """A new browser's first visit."""
    height = 800 if width > 600 else 780
    context = await chromium.new_context(viewport={"width": width, "height": height}, **options)
    yield Visit(await context.new_page()), context
    await context.close()


def preview(painter: ScriptedPainter) -> bytes:
    out = io.BytesIO()
    painter.image().resize((32, 32)).resize((256, 256)).save(out, "JPEG")
    return out.getvalue()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


async def only_job(site: Site, page: Page) -> Job:
    """The newest request of this browser."""
    cookies = {cookie["name"]: cookie["value"] for cookie in await page.context.cookies()}
    return site.page.jobs.of(cookies[VISITOR])[0]


async def dragged(page: Page) -> JSHandle:
    """A file that somebody drags over the page."""
    return await page.evaluate_handle(
        """(data) => { const all = new DataTransfer();
           const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
           all.items.add(new File([bytes], "siren.wav", { type: "audio/wav" })); return all; }""",
        base64.b64encode(make_wav(siren(2))).decode(),
    )
