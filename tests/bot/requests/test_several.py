"""Four more pictures of what was heard, closer ones, and choosing one of them."""

import io

import discord
import numpy as np
import pytest
from PIL import Image

from bot.storage.ledger import Spent, Usage
from bot.storage.records import JobState
from core.errors import OutOfMemory
from tests.bot.world import World, alt_texts_of, buttons_of, in_menu, names_of, text_of

FOUR = [f"picture-{number}.png" for number in (1, 2, 3, 4)]


@pytest.fixture
async def painted(world: World) -> World:
    """Alice's voice note has been painted."""
    await world.post_voice_note(world.alice, world.channel)
    return world


async def four_more(world: World) -> discord.Message:
    """Bob asks for four more of the picture, knowing what they cost."""
    first = world.said(world.thread_of(world.channel))[0]
    told = await world.bob.click(first, label="4 more")
    if told.ephemeral:
        assert told.response is not None
        await world.bob.click(told.response, label="Paint four")
    return world.said(world.thread_of(world.channel))[-1]


async def counted(world: World) -> int:
    """How many pictures Bob has asked for, as limits count it."""
    seen: list[Usage] = []
    await world.bot.services.store.spend_hearing(world.bob.id, None, world.env.now(), seen.append)
    return sum(spending.kind is Spent.PICTURE for spending in seen[0].user)


async def test_what_four_pictures_cost_is_said_once_before_they_are_painted(painted: World) -> None:
    first = painted.reply(painted.channel)
    told = await painted.bob.click(first, label="4 more")
    assert told.ephemeral
    assert told.response is not None
    assert "Four pictures count as four of the" in text_of(told.response)
    assert len(painted.painter.orders) == 1

    await painted.bob.click(told.response, label="Paint four")
    assert len(painted.painter.orders) == 5
    await painted.pass_time(1)
    await painted.bob.click(first, label="4 more")
    assert len(painted.painter.orders) == 9, "Bob knows"


async def test_four_more_come_in_one_message_of_the_one_who_asked(painted: World) -> None:
    before = await counted(painted)
    new = await four_more(painted)

    assert names_of(new) == FOUR
    assert list(buttons_of(new)) == ["1", "2", "3", "4", "Closer"]
    assert painted.bob.mention in text_of(new)
    assert "four more of [↗](" in text_of(new)
    assert [text and text[:2] for text in alt_texts_of(new)] == ["1.", "2.", "3.", "4."]
    first, *four = painted.painter.orders
    assert {order.request.prompt for order in four} == {first.request.prompt}
    assert len({order.request.seed for order in painted.painter.orders}) == 5
    assert await counted(painted) == before + 4


async def test_previews_of_all_four_are_shown_while_they_are_painted(painted: World) -> None:
    painted.painter.held = True
    new = await four_more(painted)
    preview = io.BytesIO()
    Image.new("RGB", (8, 8)).save(preview, "JPEG")
    for order in list(painted.painter.open.values()):
        painted.painter.step(order, 2, preview.getvalue())
    await painted.env.settle()
    now = painted.said(painted.thread_of(painted.channel))[-1]
    assert now.id == new.id
    assert names_of(now) == [f"preview-{number}-2.jpg" for number in (1, 2, 3, 4)]

    painted.painter.finish_all()
    await painted.env.settle()
    assert names_of(painted.said(painted.thread_of(painted.channel))[-1]) == FOUR


async def test_one_of_the_four_becomes_a_message_of_its_own_and_is_not_painted_anew(painted: World) -> None:
    new = await four_more(painted)
    before = await counted(painted)
    await painted.bob.click(new, label="3")

    picked = painted.said(painted.thread_of(painted.channel))[-1]
    assert names_of(picked) == ["picture.png"]
    assert await picked.attachments[0].read() == await new.attachments[2].read()
    assert "chosen from [↗](" in text_of(picked)
    assert {"Again", "4 more", "Change", "⋯"} <= set(buttons_of(picked))
    assert len(painted.painter.orders) == 5
    assert await counted(painted) == before, "it costs nothing"
    recipe = await in_menu(painted.bob, picked, "Recipe")
    assert recipe.response is not None
    assert str(painted.painter.orders[3].request.seed) in text_of(recipe.response)


async def test_limit_of_recordings_is_none_for_a_picture_that_is_taken_over(painted: World) -> None:
    """In these tests a recording may have a megabyte."""
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)
    painted.painter.image = lambda: Image.fromarray(noise)
    new = await four_more(painted)
    assert new.attachments[0].size > 1_000_000
    await painted.bob.click(new, label="1")
    assert names_of(painted.said(painted.thread_of(painted.channel))[-1]) == ["picture.png"]


async def test_nobody_gets_the_same_one_twice(painted: World) -> None:
    new = await four_more(painted)
    await painted.bob.click(new, label="3")
    again = await painted.bob.click(new, label="3")
    assert again.ephemeral
    assert again.response is not None
    assert "already" in text_of(again.response)
    await painted.alice.click(new, label="3")
    assert len(painted.said(painted.thread_of(painted.channel))) == 4


async def test_closer_ones_keep_the_composition_of_the_first_picture(painted: World) -> None:
    new = await four_more(painted)
    await painted.bob.click(new, label="Closer")

    closer = painted.said(painted.thread_of(painted.channel))[-1]
    assert names_of(closer) == FOUR
    assert "close to [↗](" in text_of(closer)
    origin, four = painted.painter.orders[0].request.seed, painted.painter.orders[5:]
    assert [order.request.near for order in four] == [origin] * 4
    assert len({order.request.seed for order in four}) == 4


async def test_closer_to_one_that_was_close_stays_with_the_composition_that_it_kept(painted: World) -> None:
    await painted.bob.click(await four_more(painted), label="Closer")
    closer = painted.said(painted.thread_of(painted.channel))[-1]
    await painted.bob.click(closer, label="2")
    picked = painted.said(painted.thread_of(painted.channel))[-1]
    await painted.bob.click(picked, label="4 more")
    assert [order.request.near for order in painted.painter.orders[9:]] == [None] * 4
    await painted.bob.click(painted.said(painted.thread_of(painted.channel))[-1], label="Closer")
    origin = painted.painter.orders[0].request.seed
    assert [order.request.near for order in painted.painter.orders[13:]] == [origin] * 4


@pytest.mark.bot(pictures_per_user_hour=4)
async def test_four_are_refused_where_fewer_are_left(painted: World) -> None:
    first = painted.reply(painted.channel)
    told = await painted.alice.click(first, label="4 more")
    assert told.response is not None
    refused = await painted.alice.click(told.response, label="Paint four")
    assert refused.ephemeral
    assert refused.response is not None
    assert "4 more would be over the limit" in text_of(refused.response)
    assert "<t:" in text_of(refused.response)
    await four_more(painted)  # Bob has four left
    assert len(painted.painter.orders) == 5


@pytest.mark.bot(pictures_per_user_hour=3)
async def test_four_are_refused_where_so_many_are_never_possible(painted: World) -> None:
    told = await painted.bob.click(painted.reply(painted.channel), label="4 more")
    assert told.response is not None
    refused = await painted.bob.click(told.response, label="Paint four")
    assert refused.response is not None
    assert "4 pictures at once are more than the 3" in text_of(refused.response)
    assert len(painted.painter.orders) == 1


async def test_four_that_were_painted_before_a_crash_are_shown_after_it(painted: World) -> None:
    painted.env.inject_error("PATCH", "/*", status=503, times=None)
    await four_more(painted)
    seeds = [order.request.seed for order in painted.painter.orders]
    painted.env.backend.faults.clear()
    await painted.restart()
    await painted.pass_time(2)

    new = painted.said(painted.thread_of(painted.channel))[-1]
    assert names_of(new) == FOUR
    assert [order.request.seed for order in painted.painter.orders] == seeds, "none was painted twice"


async def test_one_failing_fails_all_four_and_they_can_be_asked_for_again(painted: World) -> None:
    painted.painter.held = True
    await four_more(painted)
    orders = list(painted.painter.open.values())
    painted.painter.finish(orders[0])
    painted.painter.error = OutOfMemory()
    painted.painter.finish(orders[1])
    await painted.env.settle()
    assert painted.painter.cancelled == [order.number for order in orders[2:]]
    painted.painter.error, painted.painter.held = None, False
    failed = painted.said(painted.thread_of(painted.channel))[-1]
    assert list(buttons_of(failed)) == ["Again"]
    await painted.bob.click(failed, label="Again")
    assert names_of(painted.said(painted.thread_of(painted.channel))[-1]) == FOUR


async def test_picture_that_was_reported_is_not_shown_again_uncovered(painted: World) -> None:
    new = await four_more(painted)
    job = await painted.bot.services.store.job(2)
    assert job is not None
    assert job.state is JobState.DONE
    data = painted.env.backend.get_message(new.channel.id, new.id)
    for component in data.components[0]["components"][0]["items"]:
        component["spoiler"] = True
    covered = painted.said(painted.thread_of(painted.channel))[-1]
    refused = await painted.bob.click(covered, label="1")
    assert refused.response is not None
    assert "was reported" in text_of(refused.response)


async def test_picture_whose_file_is_gone_says_what_to_do(painted: World) -> None:
    new = await four_more(painted)
    painted.env.backend.cdn._blobs.clear()
    await painted.bob.click(new, label="2")
    last = painted.said(painted.thread_of(painted.channel))[-1]
    assert "could not fetch this picture" in text_of(last)
