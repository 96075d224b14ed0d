"""Whatever is sent: a sentence, the right status, nothing left behind, and the next request is served."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from core.hearing.samples import make_wav, siren
from core.prompting.words import BLOCKED_WORDS
from tests.bot.painter import ScriptedPainter
from tests.web.browser import HTML, Browser, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIREN = make_wav(siren(1))
PLAYLIST = b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1/secret.mp3\n"


def jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(out, "JPEG")
    return out.getvalue()


@pytest.fixture(scope="module")
def mute_video(ffmpeg: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("video") / "mute.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:size=64x64:duration=1", path)
    return path.read_bytes()


async def serves(browser: Browser) -> bool:
    """Nothing is left behind, and the next request is answered."""
    left = [name for name in browser.site.files() if not name.endswith((".png", ".json"))]
    events = await browser.followed(await browser.ask(SIREN))
    return not left and events[-1].kind == "painted"


@pytest.mark.parametrize(
    ("recording", "kind", "status", "sentence"),
    [
        (b"", "audio/wav", 422, "it is empty"),
        (b"RIFFnothing", "audio/wav", 415, "not a recording"),
        (PLAYLIST, "audio/x-mpegurl", 415, "not a recording"),
        (PLAYLIST, "application/octet-stream", 415, "not a recording"),
        (jpeg(), "application/octet-stream", 415, "read"),
        (jpeg(), "image/jpeg", 415, "not a recording"),
        (b"{}", "application/json", 415, "not a recording"),
    ],
)
async def test_what_is_no_sound_is_told_apart(
    browser: Browser, recording: bytes, kind: str, status: int, sentence: str
) -> None:
    told = await browser.refused(recording, kind)

    assert told[0] == status
    assert sentence in told[1] or "sound" in told[1]
    assert await serves(browser)


async def test_mute_video_is_told_so(browser: Browser, mute_video: bytes) -> None:
    assert await browser.refused(mute_video, "video/mp4") == (
        415,
        "There is no sound track in this file; please send one with sound.",
    )
    assert await serves(browser)


async def test_too_large_a_recording_is_refused_before_it_is_read(open_site: Callable[..., object]) -> None:
    site: Site = await open_site(max_file_mb=0.1)  # type: ignore[misc]
    async with site.browser() as browser:
        status, sentence = await browser.refused(bytes(100_001))
        assert (status, "more than the 0.1 MB" in sentence) == (413, True)
        assert await serves(browser)


async def test_recording_that_grows_too_large_is_cut_off_while_it_arrives(open_site: Callable[..., object]) -> None:
    site: Site = await open_site(max_file_mb=0.1)  # type: ignore[misc]
    sent = 0

    async def endless() -> object:  # without any length
        nonlocal sent
        for _ in range(400):
            sent += 64_000
            yield bytes(64_000)
            await asyncio.sleep(0.005)

    async with site.browser() as browser:
        try:
            response = await browser.post("/api/jobs", endless(), headers={"Content-Type": "audio/wav"})
            assert response.status == 413
        except aiohttp.ClientConnectionError:
            pass  # the server hung up first, which a browser may see as this
        assert sent < 20_000_000
        form = aiohttp.FormData({"file": io.BytesIO(bytes(100_001))})
        assert (await browser.post("/api/jobs", form)).status == 413
        assert await serves(browser)


async def test_body_that_stops_half_way_leaves_nothing_behind(site: Site, browser: Browser) -> None:
    host, port = site.url.host or "", site.url.port or 0
    reader, writer = await asyncio.open_connection(host, port)
    head = f"POST /api/jobs HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {browser.origin}\r\nContent-Type: audio/wav\r\n"
    writer.write(f"{head}Content-Length: 90000\r\n\r\n".encode() + SIREN[:20_000])
    await writer.drain()
    await asyncio.sleep(0.1)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.2)

    assert site.files() == []
    assert await serves(browser)
    del reader


async def test_broken_form_is_told_so(browser: Browser) -> None:
    response = await browser.post(
        "/api/jobs", b"--x\r\nnothing", headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    assert response.status == 400
    assert "part only" in (await response.json())["error"]
    assert await serves(browser)


async def test_names_of_files_are_not_looked_at(browser: Browser, tmp_path: Path) -> None:
    form = aiohttp.FormData()
    form.add_field("file", SIREN, filename="../../../evil.wav", content_type="audio/wav")

    response = await browser.post("/api/jobs", form)

    assert response.status == 202
    assert not [path for path in tmp_path.rglob("*evil*")]  # noqa: ASYNC240, C416 - a test may wait
    for address in (
        "/p/../../etc/passwd",
        "/p/%2e%2e%2fweb-token",
        "/static/../../settings.py",
        "/static/%2e%2e/app.py",
    ):
        assert (await browser.get(address)).status == 404


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("?style=baroque", "no such style"),
        ("?seed=-1", "seed"),
        ("?seed=4294967296", "seed"),
        ("?seed=%D9%A3", "seed"),
        (f"?prompt={'word+' * 100}", "fewer words"),
    ],
)
async def test_wrong_field_is_told_in_a_sentence(browser: Browser, query: str, sentence: str) -> None:
    response = await browser.post(f"/api/jobs{query}", SIREN, headers={"Content-Type": "audio/wav"})
    assert response.status == 422
    assert sentence in (await response.json())["error"]


async def test_blocked_words_are_not_painted(open_site: Callable[..., object], tmp_path: Path) -> None:
    (tmp_path / BLOCKED_WORDS).write_text("swearword\n")
    site: Site = await open_site()  # type: ignore[misc]
    async with site.browser() as browser:
        answer = await browser.post("/api/jobs?prompt=a+5we%C3%A4rword", SIREN, headers={"Content-Type": "audio/wav"})
        assert answer.status == 422
        assert "not painted here" in (await answer.json())["error"]
        job = await browser.ask(SIREN)
        await browser.followed(job)
        assert (await browser.post("/api/jobs", {"of": job, "said": "a swearword"})).status == 422
        assert await serves(browser)


async def test_fifty_uploads_at_once_of_one_browser_are_held_to_its_limit(
    browser: Browser, painter: ScriptedPainter
) -> None:
    await browser.followed(await browser.ask(SIREN))  # it has its cookie now
    painter.held = True

    async def send() -> aiohttp.ClientResponse:
        return await browser.post("/api/jobs", SIREN, headers={"Content-Type": "audio/wav"})

    answers = await asyncio.gather(*(send() for _ in range(50)))

    assert sorted({answer.status for answer in answers}) == [202, 429]
    assert sum(answer.status == 202 for answer in answers) == browser.site.page.settings.waiting_per_user
    refused = next(answer for answer in answers if answer.status == 429)
    assert int(refused.headers["Retry-After"]) > 0
    painter.finish_all()
    jobs = [(await answer.json())["id"] for answer in answers if answer.status == 202]
    assert [(await browser.followed(job))[-1].kind for job in jobs] == ["painted"] * 5
    assert await serves(browser)


async def test_limit_of_an_hour_says_when_to_come_back(open_site: Callable[..., object]) -> None:
    site: Site = await open_site(pictures_per_user_hour=2, pictures_per_server_hour=3)  # type: ignore[misc]
    async with site.browser() as browser, site.browser() as other:
        for _ in range(2):
            await browser.followed(await browser.ask(SIREN))
        status, sentence = await browser.refused(SIREN)
        await other.followed(await other.ask(SIREN))
        of_all = await other.refused(SIREN)

    assert (status, sentence) == (429, "You asked for 2 pictures within an hour; please come back in 60 minutes.")
    assert of_all == (429, "This page has painted all that it may this hour; come back in 60 minutes.")


async def test_fault_is_told_without_a_traceback(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(browser.site.page.jobs, "of", lambda visitor: 1 // 0)

    response = await browser.get("/", headers=HTML)

    assert response.status == 500
    assert "Traceback" not in await response.text()
    assert "ZeroDivisionError" in caplog.text
