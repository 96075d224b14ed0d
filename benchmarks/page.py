"""How soon the page tells what it heard, and how soon that is on a screen: `python -m benchmarks.page`.

The page runs as a process of its own with the bundled models. One browser sends ten seconds of sound; Chromium, where
it is installed, follows the same request, and what it shows is compared with when the event was told; then forty
browsers send at once. Printed: seconds, how late the event loop came round in the last minute, all of it while
painting, and the page's processor time until the last of the forty was told: on a busy machine that is what to compare.
"""

import argparse
import asyncio
import json
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from core.hearing.samples import make_wav, thunderstorm

COUNT, SECONDS = 40, 10.0
STARTED_WITHIN_S = 120.0
TICKS = os.sysconf("SC_CLK_TCK")
WATCH = """
window.seen = [];
new MutationObserver(() => {
  const steps = document.querySelector('[data-shows="steps"]')?.textContent;
  if (steps && window.seen.at(-1)?.[0] !== steps) window.seen.push([steps, Date.now()]);
}).observe(document, { childList: true, subtree: true, characterData: true });
"""


@dataclass(frozen=True)
class Running:
    """A page at `url`, in the process `pid`."""

    url: str
    pid: int

    def cpu_s(self) -> float:
        """Seconds of processor time so far, with those of the decoders that have ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS


@asynccontextmanager
async def page() -> AsyncIterator[Running]:
    """The page, once both models are loaded and the loading is a minute ago."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, "DATA_DIR": directory, "DOWNLOAD_MODELS": "off", "WAITING_PER_USER": "1000"}
        command = (sys.executable, "-m", "core", "serve", "--port", str(port))
        process = await asyncio.create_subprocess_exec(*command, env=environment)
        try:
            await _until_loaded(f"http://127.0.0.1:{port}")
            await asyncio.sleep(61)
            yield Running(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
            await process.wait()


async def _until_loaded(url: str) -> None:
    async with asyncio.timeout(STARTED_WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/readyz") as answer:
                    if "ready." in str(await answer.json()) and "loaded when" not in await answer.text():
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.5)


async def ask(session: aiohttp.ClientSession, recording: bytes) -> tuple[str, float]:
    """Send a recording; returns the request's id and how long it took from then until it was told what was heard."""
    began = time.monotonic()
    headers = {"Origin": str(session._base_url).rstrip("/"), "Content-Type": "audio/wav"}
    async with session.post("/api/jobs", data=recording, headers=headers) as answer:
        told = await answer.json()
        assert answer.status == 202, told
    async for kind, _ in events(session, told["id"]):
        if kind == "heard":
            break
    return told["id"], time.monotonic() - began


async def events(session: aiohttp.ClientSession, job: str) -> AsyncIterator[tuple[str, dict[str, object]]]:
    """What is told of a request."""
    async with session.get(f"/api/jobs/{job}/events") as response:
        kind = ""
        async for line in response.content:
            name, _, value = line.decode().strip().partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)


async def until_seen_ms(url: str, recording: bytes) -> list[float]:
    """From each step's being told until Chromium shows it, in milliseconds; empty where there is no Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        return []
    from playwright.async_api import async_playwright

    async with (
        aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        async_playwright() as playwright,
    ):
        chromium = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        tab = await (await chromium.new_context()).new_page()
        await tab.add_init_script(WATCH)
        job, _ = await ask(session, recording)
        cookies = [{"name": cookie.key, "value": cookie.value, "url": url} for cookie in session.cookie_jar]
        await tab.context.add_cookies(cookies)
        await tab.goto(f"{url}/jobs/{job}")
        told = {}
        async for kind, data in events(session, job):
            if kind == "painting":
                told[f"{data['step']} of {data['steps']}"] = time.time() * 1000
        await tab.wait_for_selector('[data-state="painted"]')
        seen = dict(await tab.evaluate("window.seen"))
        await chromium.close()
    return [seen[step] - at for step, at in told.items() if step in seen]


async def measure(count: int) -> None:
    """All of it, printed."""
    recording = make_wav(thunderstorm(SECONDS))
    async with page() as running:
        url = running.url
        async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            alone = [(await ask(session, recording))[1] for _ in range(3)]
        print(f"first label of {SECONDS:g} s of sound: {statistics.median(alone):.2f} s")
        if shown := await until_seen_ms(url, recording):
            print(f"from event to screen: median {statistics.median(shown):.0f} ms, worst {max(shown):.0f} ms")

        async def one() -> float:
            async with aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
                return (await ask(session, recording))[1]

        before, load = running.cpu_s(), os.getloadavg()[0]
        words = sorted(await asyncio.gather(*(one() for _ in range(count))))
        cpu_s = running.cpu_s() - before
        async with aiohttp.ClientSession(url) as session, session.get("/healthz") as answer:
            lag = await answer.json()
        print(f"{count} browsers at once: median {statistics.median(words):.2f} s, last {words[-1]:.2f} s")
        print(f"  {cpu_s:.2f} s CPU with painting, on {os.cpu_count()} cores; load before {load:.1f}")
        print(f"event loop: worst {1000 * lag['lag_s']:.0f} ms, {1000 * lag['waited_s']:.0f} ms of it for a processor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    asyncio.run(measure(parser.parse_args(arguments).count))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
