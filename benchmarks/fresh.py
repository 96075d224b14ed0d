"""How long a newcomer waits from a clean clone to the first picture on the page: `python -m benchmarks.fresh`.

What is committed is cloned into a new directory, `make serve` is run there, and as soon as the page answers it is sent
a sound. Packages come from where pip is configured to look; `--without-cache` hides from pip what it fetched before.
The processor time is that of the whole installation: on a busy machine it is what to compare.
"""

import argparse
import asyncio
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import aiohttp

from benchmarks.page import events
from core.hearing.samples import make_wav, siren

ROOT = Path(__file__).parents[1]
LONGEST_S = 3600.0


async def first_picture(url: str, made: subprocess.Popen[bytes]) -> tuple[float, float]:
    """When the page that is `made` answered first and when it had painted, on the monotonic clock."""
    async with (
        asyncio.timeout(LONGEST_S),
        aiohttp.ClientSession(url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
    ):
        while not await _answers(session):
            assert made.poll() is None, "make has failed"
            await asyncio.sleep(0.2)
        answered = time.monotonic()
        headers = {"Origin": url, "Content-Type": "audio/wav"}
        async with session.post("/api/jobs", data=make_wav(siren(5)), headers=headers) as response:
            told = await response.json()
            assert response.status == 202, told
        seen = [kind async for kind, _ in events(session, told["id"])]
        assert seen[-1] == "painted", seen
        return answered, time.monotonic()


async def _answers(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("/healthz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Clone, make, ask, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fresh", description=__doc__)
    parser.add_argument("--without-cache", action="store_true")
    chosen = parser.parse_args(arguments)
    with socket.create_server(("127.0.0.1", 0)) as free:
        bind = f"127.0.0.1:{free.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as place:
        clone = Path(place) / "imagine-sound"
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        kept["PATH"] = os.pathsep.join(
            part for part in kept["PATH"].split(os.pathsep) if part != str(Path(sys.executable).parent)
        )
        cache = {"PIP_NO_CACHE_DIR": "1"} if chosen.without_cache else {}
        load, began = os.getloadavg()[0], time.monotonic()
        made = subprocess.Popen(
            ["make", "serve"], cwd=clone, env=kept | cache | {"WEB_BIND": bind}, start_new_session=True
        )
        try:
            answered, painted = asyncio.run(first_picture(f"http://{bind}", made))
        finally:
            os.killpg(made.pid, signal.SIGTERM)
            made.wait()
        size = subprocess.run(
            ["du", "-sb", clone / ".venv"], capture_output=True, text=True, check=True
        ).stdout.split()[0]
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of processor time; ", end="")
    print(f"on {os.cpu_count()} cores, load before {load:.1f}: the page after {answered - began:.0f} s, ", end="")
    print(f"the first picture after {painted - began:.0f} s; .venv takes {int(size) / 1e9:.2f} GB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
