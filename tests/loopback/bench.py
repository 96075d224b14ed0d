"""A world for the bench: the stand-in, one bot that is started again whenever it ends, people, and patience.

A `Cell` is one experiment; `run.py` runs them, `table.py` shows them.
"""

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.loopback.people import Person, Request
from tests.loopback.process import BotProcess
from tests.loopback.server import Discord, running
from tests.loopback.state import Lifetimes
from tests.loopback.verdict import GOOD, Verdict, describe, fingerprint, judge, strays

log = logging.getLogger(__name__)

QUIET_S = 3.0
"""A good end counts once nothing has changed for so long."""
PATIENCE_S = 15.0
"""A bad state counts as the end once nothing has changed for so long."""
LIMIT_S = 120.0
WRONG_SETTINGS = 2
"""With this status a bot is not started again."""


@dataclass(frozen=True)
class Outcome:
    """What became of a cell's requests. `struck`: whether the fault happened at all. `notes` tell what stood."""

    verdicts: Sequence[Verdict]
    struck: bool = True
    notes: Sequence[str] = ()
    figure: str = ""
    """What was measured, for the table."""
    worries: Sequence[str] = ()
    """Lines that a bot's log should not hold, where it ran for this cell alone."""

    @property
    def is_good(self) -> bool:
        """Whether nothing bad came of it."""
        return all(verdict in GOOD for verdict in self.verdicts)

    @property
    def word(self) -> str:
        """The worst verdict, which is the cell's."""
        order = list(Verdict)
        return max(self.verdicts, key=order.index, default=Verdict.ANSWERED).value


class World:
    """Where a cell takes place."""

    def __init__(self, discord: Discord, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.discord = discord
        self.state = discord.state
        self.bot = BotProcess(discord, directory / "bot", settings)
        self.directory = directory
        self.exits: list[int] = []
        """The statuses with which the bot has ended, so far."""
        self._keeping: asyncio.Task[None] | None = None
        self._may_run = asyncio.Event()
        self._may_run.set()

    async def start(self) -> None:
        """Start the bot; from now on it is started again whenever it ends."""
        await self.bot.start()
        self._keeping = asyncio.create_task(self._keep_running())

    async def stop(self) -> None:
        """Stop the bot for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
        await self.bot.stop()

    async def kill(self) -> None:
        """`kill -9`; returns once the bot is being started again."""
        starts = self.bot.starts
        self.bot.kill()
        await self.wait_for(lambda: self.bot.starts > starts, 60)

    def hold_down(self) -> None:
        """When the bot ends, it stays down until `let_up`."""
        self._may_run.clear()

    def let_up(self) -> None:
        """The bot may run again."""
        self._may_run.set()

    def person(self, name: str = "somebody") -> Person:
        """A new person in a channel of their own."""
        return Person.new(self.discord, name)

    async def settle(
        self, requests: Iterable[Request], *, patience: float = PATIENCE_S, limit: float = LIMIT_S
    ) -> Outcome:
        """Wait for the end of the requests, and judge it."""
        asked = list(requests)
        clock = asyncio.get_running_loop().time
        began = changed = clock()
        seen: object = None
        while True:
            now = [fingerprint(self.state, request) for request in asked]
            if now != seen or not self.bot.is_ready:
                seen, changed = now, clock()
            verdicts = [judge(self.state, request) for request in asked]
            waited = clock() - changed
            if all(verdict in GOOD for verdict in verdicts) and waited >= QUIET_S:
                break
            if waited >= patience or clock() - began >= limit:
                break
            await asyncio.sleep(0.1)
        bad = [each for each, verdict in zip(asked, verdicts, strict=True) if verdict not in GOOD]
        return Outcome(verdicts, notes=[describe(self.state, each) for each in bad])

    async def wait_for(self, condition: Callable[[], bool], seconds: float = 30) -> bool:
        """Wait until `condition` holds; whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110 - what it waits for comes from another process
                    await asyncio.sleep(0.02)
        return condition()

    def strays_of(self, person: Person) -> list[Verdict]:
        """An ORPHAN for each message in a person's channel that belongs to nothing they asked for."""
        return [Verdict.ORPHAN for _ in strays(self.state, person.channel.id, person.requests)]

    async def _keep_running(self) -> None:
        while True:
            status = await self.bot.wait()
            self.exits.append(status)
            if status == WRONG_SETTINGS:
                return
            await self._may_run.wait()
            try:
                await self.bot.start()
            except RuntimeError as error:  # it ended again before it was connected
                log.info("%s", error)
                await asyncio.sleep(1)


Run = Callable[[World], Awaitable[Outcome]]


@dataclass(frozen=True)
class Cell:
    """One experiment. `group`, `row` and `column` say where in the tables it stands.

    `shares`: it disturbs nobody, so that many may run beside each other in one world. `quick`: it takes less than half
    a minute where all is well, and its outcome does not hang on how fast this computer is.
    """

    group: str
    row: str
    column: str
    run: Run
    shares: bool = False
    quick: bool = True
    settings: Mapping[str, str] | None = None
    lifetimes: Lifetimes | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.group}: {self.row}" + (f", {self.column}" if self.column else "")


@contextlib.asynccontextmanager
async def world(settings: Mapping[str, str] | None = None, lifetimes: Lifetimes | None = None) -> AsyncIterator[World]:
    """A world with a running bot."""
    with tempfile.TemporaryDirectory(prefix="loopback-") as directory:
        async with running(lifetimes=lifetimes) as discord:
            here = World(discord, Path(directory), settings)
            try:
                await here.start()
                yield here
            finally:
                await here.stop()
