"""Limits hold whatever people do, in any order and at once. More: `python -m tests.bot.requests.test_quotas 10000`.

The real intake and store; what was accepted is counted here by hand.
"""

import asyncio
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.requests.intake import FREE_REFUSALS, Accepted, Asker, Intake
from bot.settings import BotSettings
from bot.storage.records import JobState, NewJob, Place
from bot.storage.store import Store
from core.events import HeardSummary
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from tests.bot.database import empty_database
from tests.tables import some

USER, HERE, GUILD, PROCESS, WAITING = 3, 2, 5, 8, 4
"""The limits: a person's, a person's in the server that allows less, a server's, everybody's; unfinished ones."""
HOUR = timedelta(hours=1)
PEOPLE, SERVERS = range(1, 5), (None, 1, 2, 3)
STRICT = 2
"""The server that allows less."""
HEARD = HeardSummary("Dog", (), (), 1.0, Prompt("a dog", ""), None)

Ask = tuple[int, int | None, int]
"""Who, in which server, and how many pictures of what was heard before; 0: a recording is to be heard."""
asks: st.SearchStrategy[Ask] = st.tuples(st.sampled_from(PEOPLE), st.sampled_from(SERVERS), st.integers(0, 2))
actions = st.one_of(
    st.tuples(st.just("ask"), st.lists(asks, min_size=1, max_size=8)),
    st.tuples(st.just("told again"), st.integers(0, 30)),
    st.tuples(st.just("ends"), st.integers(0, 30)),
    st.tuples(st.just("cannot be had"), st.integers(0, 30)),
    st.tuples(st.just("withdrawn"), st.integers(0, 30)),
    st.tuples(st.just("forget me"), st.sampled_from(PEOPLE)),
    st.tuples(st.just("bot removed"), st.sampled_from(SERVERS[1:])),
    st.tuples(st.just("restart"), st.none()),
    st.tuples(st.just("time passes"), st.integers(1, 40)),
    st.tuples(st.just("clock set back"), st.integers(1, 20)),
)


@dataclass
class Spent:
    """What was accepted, by hand."""

    at: datetime
    user: int
    guild: int | None
    pictures: int = 1
    refused: bool = False
    is_over: bool = False
    """Once an hour old by the bot's clock, whichever way that is set afterwards."""


@dataclass
class Crowd:
    """People who ask, and what they got."""

    path: Path
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    spent: dict[int, Spent] = field(default_factory=dict)
    waiting: set[int] = field(default_factory=set)
    keys: dict[int, NewJob] = field(default_factory=dict)
    count: int = 0

    def __post_init__(self) -> None:
        self.settings = BotSettings(
            _env_file=None, data_dir=self.path, pictures_per_user_hour=USER, pictures_per_server_hour=GUILD,
            pictures_per_hour=PROCESS, waiting_per_user=WAITING, waiting_per_server=WAITING,
        )  # fmt: skip

    async def begin(self) -> None:
        self.store = Store(self.settings.database)
        await self.store.open()
        self.intake = Intake(self.settings, self.store, lambda: self.now, max_bytes=1000)

    async def ask(self, new: NewJob) -> None:
        outcome = await self.intake.accept(new, Asker(new.user_id))
        if isinstance(outcome, Accepted):
            self.spent[outcome.job.id] = Spent(self.now, new.user_id, new.guild_id, new.options.count)
            self.waiting.add(outcome.job.id)
            self.keys[outcome.job.id] = new

    def new(self, ask: Ask) -> NewJob:
        self.count += 1
        user, guild, pictures = ask
        options, heard = ImagineOptions(count=pictures or 1), HEARD if pictures else None
        return NewJob(user, guild, 1, "en-US", "x", options=options, heard=heard, request_key=f"k:{self.count}")

    def one_of(self, number: int) -> int | None:
        jobs = sorted(self.spent)
        return jobs[number % len(jobs)] if jobs else None

    async def act(self, what: str, value: object) -> None:
        job_id = self.one_of(value) if isinstance(value, int) else None
        match what:
            case "ask":
                assert isinstance(value, list)
                await asyncio.gather(*(self.ask(self.new(ask)) for ask in value))
            case "told again" if job_id is not None:
                before = len(self.spent)
                await self.ask(self.keys[job_id])
                is_known = len(self.spent) == before
                # what was forgotten an hour ago is known no more, not even by its key
                assert is_known or self.spent[job_id].is_over, "one request, however often it is told"
            case "ends" if job_id is not None:
                await self.store.finish(job_id, JobState.DONE)
                self.waiting.discard(job_id)
            case "cannot be had" if job_id in self.waiting and self.keys[job_id].heard is None:
                await self.store.note_refused(job_id)
                await self.store.finish(job_id, JobState.FAILED)
                self.spent[job_id].refused = True
                self.waiting.discard(job_id)
            case "withdrawn" if job_id is not None:
                await self.store.withdraw(job_id, Place(1, None, None, 1), None, self.now)
                self.waiting.discard(job_id)
            case "forget me":
                assert isinstance(value, int)
                await self.store.forget_user(value, self.now)
                self.waiting -= {job for job, spent in self.spent.items() if spent.user == value}
            case "bot removed":
                assert isinstance(value, int)
                await self.store.forget_guild(value, self.now)
                self.waiting -= {job for job, spent in self.spent.items() if spent.guild == value}
            case "restart":
                await self.store.close()
                await self.begin()
            case "time passes":
                assert isinstance(value, int)
                self.now += timedelta(minutes=value)
                for spent in self.spent.values():
                    spent.is_over = spent.is_over or spent.at <= self.now - HOUR
                await self.store.purge(self.now - timedelta(days=90), self.now)
            case "clock set back":
                assert isinstance(value, int)
                self.now -= timedelta(minutes=value)

    def assert_within_limits(self) -> None:
        recent = [spent for spent in self.spent.values() if not spent.is_over]
        for user in PEOPLE:
            mine = [spent for spent in recent if spent.user == user]
            free = min(FREE_REFUSALS, sum(spent.refused for spent in mine))
            assert pictures(mine) - free <= USER, f"{user}: {mine}"
            here = [spent for spent in mine if spent.guild == STRICT]
            assert pictures(here) - min(free, sum(spent.refused for spent in here)) <= HERE
            assert sum(self.spent[job].user == user for job in self.waiting) <= WAITING
        for guild in SERVERS[1:]:
            assert pictures(spent for spent in recent if spent.guild == guild and not spent.refused) <= GUILD
            assert sum(self.spent[job].guild == guild for job in self.waiting) <= WAITING
        assert pictures(spent for spent in recent if not spent.refused) <= PROCESS


def pictures(spendings: Iterable[Spent]) -> int:
    return sum(spent.pictures for spent in spendings)


async def try_out(sequence: Sequence[tuple[str, object]], database: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        crowd = Crowd(Path(directory))
        crowd.settings.database.write_bytes(database)
        await crowd.begin()
        await crowd.store.servers.change(STRICT, pictures_per_user_hour=HERE)
        try:
            for what, value in sequence:
                if what == "bot removed" and value == STRICT:
                    continue  # its settings go with it, and so does its own limit
                await crowd.act(what, value)
                crowd.assert_within_limits()
        finally:
            await crowd.store.close()


CLOCK_SET_BACK = [
    ("ask", [(1, None, 0), (2, None, 0)]), ("ask", [(1, None, 0), (3, 3, 0)]), ("clock set back", 13),
    ("withdrawn", 27), ("time passes", 14), ("ask", [(1, None, 0)]), ("ask", [(1, None, 0)]),
    ("time passes", 20), ("time passes", 34), ("told again", 28),
]  # fmt: skip
"""A request was forgotten while the clock was behind, and taken for a new one within the hour."""


@example(CLOCK_SET_BACK)
@given(st.lists(actions, min_size=10, max_size=40))
def limits_hold(sequence: list[tuple[str, object]]) -> None:
    asyncio.run(try_out(sequence, empty_database()))


@pytest.mark.table
def test_limits_hold_whatever_people_do() -> None:
    settings(max_examples=some(30, of=300), deadline=None, derandomize=True)(limits_hold)()


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    settings(max_examples=number, deadline=None, database=None)(limits_hold)()
    print(f"{number} sequences: no limit was exceeded.")
