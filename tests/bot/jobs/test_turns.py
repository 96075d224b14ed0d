"""A job over which the process may have ended is worked on when nobody else's is."""

import asyncio

import pytest

from bot.jobs import turns as turns_module
from bot.jobs.turns import Turns


async def test_many_share_and_one_is_alone() -> None:
    turns, now, seen = Turns(), list[str](), list[tuple[str, ...]]()

    async def work(name: str, *, alone: bool) -> None:
        async with turns.alone() if alone else turns.beside_others():
            now.append(name)
            await asyncio.sleep(0.01)
            seen.append(tuple(sorted(now)))
            now.remove(name)

    await asyncio.gather(
        work("one", alone=False), work("suspect", alone=True), work("two", alone=False), work("another", alone=True)
    )

    assert ("one", "two") in seen, "the innocent share"
    assert [names for names in seen if "suspect" in names or "another" in names] == [("suspect",), ("another",)]


async def test_turn_ends_with_whoever_is_cancelled() -> None:
    turns = Turns()

    async def hold() -> None:
        async with turns.alone():
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0.01)
    holding.cancel()
    await asyncio.wait({holding}, timeout=5)
    assert holding.cancelled()
    async with asyncio.timeout(1), turns.alone():
        pass
    async with asyncio.timeout(1), turns.beside_others():
        pass


async def test_whoever_has_waited_long_to_be_alone_goes_before_newcomers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "OVERDUE_S", 0.05)
    turns, order = Turns(), list[str]()

    async def newcomer(name: str) -> None:
        async with turns.beside_others():
            order.append(name)
            await asyncio.sleep(0.2)

    async def suspect() -> None:
        async with turns.alone():
            order.append("suspect")

    async with asyncio.TaskGroup() as working:
        working.create_task(newcomer("first"))
        await asyncio.sleep(0)
        working.create_task(suspect())
        await asyncio.sleep(0.1)
        working.create_task(newcomer("late"))
    assert order == ["first", "suspect", "late"]
