"""The bot as a process of its own, with its own data directory: started, stopped, killed, its log read."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from core.log_lines import CONTINUED
from tests.loopback.server import TOKEN, Discord

ROOT = Path(__file__).resolve().parents[2]
READY = "connected as"
START_TIMEOUT_S = 60.0
WORRYING = (TOKEN, "Traceback (most recent call last)", "was never awaited", "was never retrieved")

SETTINGS = {
    "DISCORD_TOKEN": TOKEN,
    "DOWNLOAD_MODELS": "off",
    "DEVICE": "cpu",
    "EDIT_INTERVAL_S": "1",
    "DRAIN_SECONDS": "5",
    "PICTURES_PER_USER_HOUR": "10000",
    "PICTURES_PER_SERVER_HOUR": "100000",
    "WAITING_PER_USER": "100",
    "WAITING_PER_SERVER": "10000",
    "MAX_BATCH": "32",
    "MAX_WAITING": "1000",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
}


class BotProcess:
    """One bot. `start` again after it has ended goes on with the same data."""

    def __init__(self, discord: Discord, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self._discord = discord
        self._directory = directory
        self._settings = dict(settings or {})
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self.clock = directory / "clock"
        self.log: list[str] = []
        self.starts = 0
        directory.mkdir(parents=True, exist_ok=True)
        self.clock.write_text("0")

    @property
    def data(self) -> Path:
        """Its DATA_DIR."""
        return self._directory / "data"

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.data / "imagine-sound.sqlite3"

    @property
    def pid(self) -> int:
        """Its process's number."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.returncode is None

    @property
    def is_ready(self) -> bool:
        """Whether it is running and connected."""
        return self.is_running and self._ready.is_set()

    async def start(self, *, wait: bool = True) -> None:
        """Start it and, with `wait`, wait until it is connected."""
        usual = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH") if name in os.environ}
        environment = usual | SETTINGS | {"DATA_DIR": str(self.data), "MODEL_CACHE": str(self._directory / "cache")}
        self._ready.clear()
        self.starts += 1
        command = ["-m", "tests.loopback.launch", "--api", self._discord.state.address, "--clock", str(self.clock)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *command,
            cwd=self._directory,
            env=environment | self._settings | {"PYTHONPATH": str(ROOT)},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        self._discord.kill = self.kill
        self._reading = asyncio.create_task(self._read(self._process))
        if wait:
            await self.ready()

    async def ready(self) -> None:
        """Wait until it is connected. Raises RuntimeError where it ends instead."""
        ready = asyncio.create_task(self._ready.wait())
        ended = asyncio.create_task(self.wait())
        await asyncio.wait({ready, ended}, timeout=START_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        came = ready.done()
        ready.cancel()
        ended.cancel()
        if not came:
            raise RuntimeError("the bot did not connect:\n" + "\n".join(self.log[-30:]))

    def kill(self) -> None:
        """`kill -9`, now."""
        if self.is_running:
            os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        if self.is_running:
            os.kill(self.pid, signal.SIGTERM)

    async def wait(self) -> int:
        """Its exit status, once it has ended."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self, seconds: float = 20) -> int | None:
        """Stop it in order; one that does not stop in time is killed, and None returned."""
        if self._process is None:
            return None
        self.terminate()
        try:
            return await asyncio.wait_for(self.wait(), seconds)
        except TimeoutError:
            self.kill()
            await self.wait()
            return None
        finally:
            if self._reading is not None:
                await self._reading

    def worries(self) -> list[str]:
        """What of WORRYING the log holds, each with what a traceback ends with or whose result was lost."""
        found = []
        for index, line in enumerate(self.log):
            for word in WORRYING:
                if word in line:
                    following = self.log[index + 1 : index + 200]
                    found.append("the token" if word == TOKEN else f"{word}: {_what(following)}")
        return found

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            text = re.sub(r"\x1b\[[0-9;]*m", "", line.decode(errors="replace")).rstrip()
            self.log.append(text)
            if READY in text:
                self._ready.set()


def _what(lines: Sequence[str]) -> str:
    """The error in the lines after a worrying one, without what differs from run to run."""
    texts = (line.removeprefix(CONTINUED) for line in lines)
    end = next((text for text in texts if re.match(r"\S", text)), "")
    task = re.search(r"name='([^'\d]*)", end)
    return task[1].strip() if task else end[:120]
