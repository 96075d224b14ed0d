"""Closed by default: this host's name, this page's origin, and the password where there is one."""

import asyncio
import re
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from core.address import Address
from core.engine import Engine
from core.errors import WrongSetting
from core.hearing.samples import make_wav, siren
from core.web.access import POLICY, SESSION
from core.web.serving import serving
from tests.web.browser import Browser, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SIREN = make_wav(siren(1))
TOKEN = "correct horse"


@pytest_asyncio.fixture(loop_scope="session")
async def private(open_site: Callable[..., object]) -> Site:
    return await open_site(token=TOKEN)  # type: ignore[misc,no-any-return]


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "http://127.0.0.1:1"])
async def test_change_from_elsewhere_is_refused(browser: Browser, origin: str) -> None:
    headers = {"Origin": origin, "Content-Type": "audio/wav"} if origin else {"Content-Type": "audio/wav"}
    response = await browser.session.post("/api/jobs", data=SIREN, headers=headers)
    assert response.status == 403
    assert "this page itself" in (await response.json())["error"]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("evil.example:8080", 421),
        ("localhost", 200),
        ("localhost:8080", 200),
        ("192.168.1.20:8080", 200),
        ("[::1]:8080", 200),
        ("Pictures.Example.org", 200),
        ("pictures.example.org.evil.example", 421),
    ],
)
async def test_only_names_of_this_page_are_answered(open_site: Callable[..., object], host: str, status: int) -> None:
    site: Site = await open_site(web_hosts=("pictures.example.org",))  # type: ignore[misc]
    async with site.browser() as browser:
        assert (await browser.get("/", headers={"Host": host})).status == status


async def test_each_answer_tells_the_browser_what_it_may_do(browser: Browser) -> None:
    for path in ("/", "/static/style.css", "/nothing", "/metrics"):
        headers = (await browser.get(path)).headers
        assert headers["Content-Security-Policy"] == POLICY
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Permissions-Policy"] == "microphone=(self)"


async def test_nothing_is_inline_and_nothing_from_elsewhere(browser: Browser) -> None:
    job = await browser.ask(SIREN)
    await browser.followed(job)
    for path in ("/", f"/jobs/{job}", f"/p/{job}", "/status", "/log-in"):
        html = await (await browser.get(path)).text()
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]+src=\"/static/)", html), path
        addresses = re.findall(r'(?:src|href|action)="([^"]+)"', html)
        assert all(address.startswith(("/", "#")) for address in addresses), path


async def test_private_page_asks_for_the_password(private: Site) -> None:
    async with private.browser() as browser:
        away = await browser.get("/status")
        assert (away.status, away.headers["Location"]) == (303, "/log-in?to=/status")
        assert (await browser.get("/metrics", page=False)).status == 401
        assert (await browser.refused(SIREN))[0] == 401
        for open_to_all in ("/healthz", "/readyz", "/static/style.css", "/log-in"):
            assert (await browser.get(open_to_all)).status == 200
        ready = await (await browser.get("/readyz")).json()
        assert all(set(part) == {"ready"} for part in ready["parts"].values())


async def test_right_password_lets_in_by_a_cookie_that_does_not_hold_it(private: Site) -> None:
    async with private.browser() as browser:
        answer = await browser.post("/log-in", {"token": TOKEN, "to": "/status"})
        assert (answer.status, answer.headers["Location"]) == (303, "/status")
        cookie = answer.headers["Set-Cookie"]
        assert cookie.startswith(f"{SESSION}=")
        assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in cookie.split(";")}
        assert TOKEN not in cookie
        assert (await browser.get("/status")).status == 200
        assert (await browser.followed(await browser.ask(SIREN)))[-1].kind == "painted"


async def test_wrong_passwords_are_counted_and_then_refused(private: Site) -> None:
    async with private.browser() as browser:
        first = await browser.post("/log-in", {"token": "wrong"}, headers={"Accept": "text/html"})
        assert first.status == 401
        assert "You have 9 more tries this minute." in await first.text()
        for _ in range(9):
            await browser.post("/log-in", {"token": "wrong"})
        refused = await browser.post("/log-in", {"token": TOKEN})
        assert refused.status == 429
        assert "Retry-After" in refused.headers


async def test_forged_cookie_does_not_let_in(private: Site) -> None:
    async with private.browser() as browser:
        answer = await browser.get("/status", headers={"Cookie": f"{SESSION}={TOKEN}"})
        assert answer.status == 303


async def test_door_leads_nowhere_else(private: Site) -> None:
    async with private.browser() as browser:
        for to in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
            answer = await browser.post("/log-in", {"token": TOKEN, "to": to})
            assert answer.headers["Location"] == "/"


async def test_program_with_the_password_needs_no_cookie_and_no_origin(private: Site) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "audio/wav"}
    async with aiohttp.ClientSession(private.url) as session:
        async with session.post("/api/jobs", data=SIREN, headers=headers) as answer:
            assert answer.status == 202
        async with session.get("/metrics", headers=headers) as answer:
            assert "imagine_sound_jobs_total" in await answer.text()


async def test_elsewhere_than_on_this_machine_a_password_is_made_and_told_once(engine: Engine, tmp_path: Path) -> None:
    settings = engine.settings.model_copy(update={"data_dir": tmp_path})
    address = Address.of("0.0.0.0:0")

    async with serving(engine, settings, address) as first:
        pass
    async with serving(engine, settings, address) as second:
        pass

    file = tmp_path / "web-token"
    token = file.read_text().strip()
    assert len(token) >= 22
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert first.link.endswith(f"/log-in?token={token}")
    assert token not in second.link + second.says


async def test_link_with_the_password_opens_the_page(private: Site) -> None:
    async with private.browser() as browser:
        answer = await browser.get(f"/log-in?token={TOKEN.replace(' ', '+')}")
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        assert (await browser.get("/")).status == 200


@pytest.mark.parametrize(
    "sent",
    [b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 9000 + b"\r\n\r\n", b"nonsense\r\n\r\n"],
    ids=["TLS", "a long header", "nonsense"],
)
async def test_what_is_no_http_is_told_so_and_leaves_no_traceback_in_the_log(
    sent: bytes, engine: Engine, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    settings = engine.settings.model_copy(update={"data_dir": tmp_path})
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with serving(engine, settings, Address("127.0.0.1", port)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        assert b" 400 " in await reader.readline()
        writer.close()
        await writer.wait_closed()

    assert [record for record in caplog.records if record.exc_info or record.levelname == "ERROR"] == []


async def test_address_that_is_taken_is_told_in_a_sentence(engine: Engine, tmp_path: Path, site: Site) -> None:
    settings = engine.settings.model_copy(update={"data_dir": tmp_path})
    with pytest.raises(WrongSetting, match="cannot listen on"):
        async with serving(engine, settings, Address("127.0.0.1", site.url.port or 0)):
            pass
