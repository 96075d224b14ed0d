"""*Did this page's painter paint it?*: the command line's words, without any script, whatever is sent."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser as Chromium
from playwright.async_api import FilePayload

from core.generation.protocol import Picture
from core.pictures import to_png
from core.prompting.prompt import Prompt
from core.provenance.key_file import KEY_FILE
from core.provenance.watermark import MarkingKey
from core.recipe import Mark, Recipe
from tests.bot.painter import ScriptedPainter
from tests.web.browser import HTML, Browser, Site
from tests.web.chromium import needs_chromium, until, visiting

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEY = MarkingKey(bytes(range(32)))
NO_NOISE = np.zeros((4, 64, 64), np.float32)


def picture(mark: Mark | None = None, kind: str = "", **how: object) -> bytes:
    """One of this program, whose recipe claims `mark`; or of another `kind` without anything."""
    image = Image.new("RGB", (64, 64), "teal")
    if kind:
        out = io.BytesIO()
        image.save(out, kind, **how)
        return out.getvalue()
    recipe = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (64, 64), "some model", "1", None, (), mark=mark)
    return to_png(Picture(image, recipe, 1.0))


@pytest_asyncio.fixture(loop_scope="session")
async def here(site: Site, painter: ScriptedPainter) -> AsyncIterator[ScriptedPainter]:
    """The painter of a page with a key; what noise it finds in pictures, a test says."""
    (site.page.settings.data_dir / KEY_FILE).write_bytes(bytes(range(32)))
    painter.noise = NO_NOISE
    yield painter
    painter.noise, painter.held = None, False
    painter.inspected.clear()


def form(data: bytes, name: str = "picture.png") -> aiohttp.FormData:
    made = aiohttp.FormData()
    made.add_field("file", data, filename=name)
    return made


async def told(browser: Browser, data: bytes) -> tuple[int, str]:
    """The status, and what the page says without any script."""
    answer = await browser.post("/verify", form(data), headers=HTML)
    text = await answer.text()
    return answer.status, text[text.index('<section class="verdict"') : text.index("</section>")]


async def test_what_it_says_is_what_the_command_line_says(browser: Browser, here: ScriptedPainter) -> None:
    pattern = KEY.pattern(3)
    here.noise = pattern.signs((4, 64, 64))
    status, text = await told(browser, picture(pattern.mark))
    assert (status, "Yes." in text) == (200, True)
    assert "Painted here: its noise carries a mark of this key (by chance at most 1 in 1,000,000,000)." in text
    assert here.inspected[-1].prompt == Prompt("a dog", "")
    here.noise = NO_NOISE
    for data, says in (
        (picture(pattern.mark), "its pixels do not match"),
        (picture(Mark("01234567", 3)), "another key"),
        (picture(), "without a mark"),
        (picture(kind="WEBP"), "nothing was found, which proves nothing"),
    ):
        status, text = await told(browser, data)
        assert (status, says.lower() in text.lower()) == (200, True), text
        assert "I can’t say so." in text
    assert browser.site.files() == [], "nothing is kept"


async def test_program_is_answered_in_json(browser: Browser, here: ScriptedPainter) -> None:
    answer = await browser.post("/verify", picture(kind="JPEG"), headers={"Content-Type": "image/jpeg"})
    found = await answer.json()
    assert (answer.status, found["verdict"]) == (200, "nothing")
    assert "proves nothing" in found["sentence"]
    answer = await browser.post("/verify", b"no picture", headers={"Content-Type": "image/png"})
    assert (answer.status, list(await answer.json())) == (415, ["error"])


async def test_whatever_is_no_picture_is_one_sentence(browser: Browser, here: ScriptedPainter) -> None:
    wide = io.BytesIO()
    Image.new("1", (40_000, 4000)).save(wide, "PNG")
    moving = io.BytesIO()
    Image.new("RGB", (64, 64)).save(moving, "GIF", save_all=True, append_images=[Image.new("RGB", (64, 64), "red")])
    for data, status, says in (
        (b"", 415, "not a picture"),
        (b"RIFFnothing", 415, "not a picture"),
        (b"\0\0\0\x18ftypmp42", 415, "not a picture"),
        (picture()[:200], 415, "not a picture"),
        (wide.getvalue(), 413, "40000x4000 pixels"),
        (moving.getvalue(), 200, "nothing was found"),
    ):
        found, text = await told(browser, data)
        assert (found, says.lower() in text.lower()) == (status, True), text
    for kind in ("audio/wav", "video/mp4", "application/json"):
        assert (await browser.post("/verify", b"x", headers={"Content-Type": kind})).status == 415
    answer = await browser.post(
        "/verify", b"--x\r\nnothing", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert answer.status == 400
    assert browser.site.files() == []


async def test_too_large_a_file_is_refused_before_it_is_read(
    open_site: Callable[..., object], here: ScriptedPainter
) -> None:
    site: Site = await open_site(max_file_mb=0.1)  # type: ignore[misc]
    async with site.browser() as browser:
        status, text = await told(browser, bytes(100_001))
        assert (status, "more than the 0.1 MB" in text) == (413, True)


async def test_waiting_has_a_limit_and_is_given_up_with_the_connection(
    browser: Browser, here: ScriptedPainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.held = True
    monkeypatch.setattr("core.web.inspections.LONGEST_S", 0.1)
    status, text = await told(browser, picture(kind="PNG"))
    assert (status, "within 0.1 seconds" in text) == (503, True)
    monkeypatch.setattr("core.web.inspections.LONGEST_S", 60.0)
    asked = len(here.inspected)
    waiting = asyncio.create_task(told(browser, picture(kind="PNG")))
    await until(lambda: len(here.inspected) > asked)
    waiting.cancel()
    await asyncio.wait({waiting})
    await until(lambda: not browser.site.files())


async def test_damaged_key_is_told_without_its_path(browser: Browser, here: ScriptedPainter) -> None:
    (browser.site.page.settings.data_dir / KEY_FILE).write_bytes(b"cut off")
    status, text = await told(browser, picture())
    assert status == 503
    assert "finds the reason in the log" in text
    assert str(browser.site.page.settings.data_dir) not in text


async def test_private_page_asks_for_the_password_and_other_sites_send_nothing(
    open_site: Callable[..., object], painter: ScriptedPainter
) -> None:
    site: Site = await open_site(token="correct horse")  # type: ignore[misc]
    async with site.browser() as browser:
        answer = await browser.get("/verify")
        assert (answer.status, answer.headers["Location"]) == (303, "/log-in?to=/verify")
        assert (await browser.post("/verify", picture())).status == 401
        await browser.get("/log-in?token=correct+horse")
        elsewhere = {"Origin": "http://evil.example", **HTML}
        assert (await browser.post("/verify", form(picture()), headers=elsewhere)).status == 403
    assert painter.inspected == []


@needs_chromium
@pytest.mark.parametrize("width", [1280, 360])
async def test_it_can_be_seen_and_used_by_keyboard_without_script(
    chromium: Chromium, site: Site, here: ScriptedPainter, width: int
) -> None:
    pattern = KEY.pattern(3)
    here.noise = pattern.signs((4, 64, 64))
    async with visiting(chromium, width) as (visit, _):
        page = visit.page
        await page.goto(str(site.url))
        await page.get_by_role("link", name="Painted here?").press("Enter")
        await page.locator("#picture").focus()
        await page.locator("#picture").set_input_files(
            [FilePayload(name="p.png", mimeType="image/png", buffer=picture(pattern.mark))]
        )
        await page.keyboard.press("Tab")
        assert await page.evaluate("document.activeElement.textContent") == "Look at it"
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="Yes.").wait_for()
        assert await visit.findings() == []
        await page.locator("#picture").set_input_files(
            [FilePayload(name="a-very-long-name-" * 9 + ".txt", mimeType="text/plain", buffer=b"no picture")]
        )
        assert await visit.findings() == []
        await page.get_by_role("button", name="Look at another").click()
        await page.get_by_role("alert").wait_for()
        visit.trouble.clear()  # Chromium says that the answer was 415
        assert await visit.findings() == []
    async with visiting(chromium, width, java_script_enabled=False) as (visit, _):
        await visit.page.goto(f"{site.url}verify")
        await visit.page.locator("#picture").set_input_files(
            [FilePayload(name="p.png", mimeType="image/png", buffer=picture(pattern.mark))]
        )
        await visit.page.get_by_role("button", name="Look at it").click()
        await visit.page.get_by_text("Painted here: its noise").wait_for()
