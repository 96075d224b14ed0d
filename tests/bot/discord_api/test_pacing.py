"""Edits of one channel are kept apart; channels do not wait for each other."""

import asyncio
import time

from bot.discord_api.pacing import EditLimiter


async def moments(edit_limiter: EditLimiter, *channels: int) -> list[tuple[int, float]]:
    begin = time.monotonic()
    turns: list[tuple[int, float]] = []

    async def edit(channel: int) -> None:
        await edit_limiter.wait(channel)
        turns.append((channel, time.monotonic() - begin))

    await asyncio.gather(*(edit(channel) for channel in channels))
    return turns


async def test_turns_in_one_channel_are_at_least_the_interval_apart() -> None:
    turns = await moments(EditLimiter(0.05), 1, 1, 1)

    # counted from the beginning: on a busy computer one may come late, and the next in time
    assert all(moment >= 0.05 * before - 0.005 for before, (_, moment) in enumerate(turns))


async def test_other_channels_have_their_turn_at_once() -> None:
    turns = await moments(EditLimiter(60), 1, 2, 3)

    assert [channel for channel, _ in turns] == [1, 2, 3]


async def test_past_turns_are_forgotten() -> None:
    edit_limiter = EditLimiter(0)
    for channel in range(1500):
        await edit_limiter.wait(channel)

    assert len(edit_limiter._free_at) <= 1001
