"""A job over which the process may have ended is worked on when nobody else's is."""

import asyncio

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
            await asyncio.sleep(60)

    holding = asyncio.create_task(hold())
    await asyncio.sleep(0)
    holding.cancel()
    await asyncio.wait({holding})
    async with asyncio.timeout(1), turns.alone():
        pass
    async with asyncio.timeout(1), turns.beside_others():
        pass
