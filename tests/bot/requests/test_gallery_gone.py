"""A copy goes with its original, whatever happens; and does not come back when it is removed."""

import datetime
from typing import Any

import discord
import pytest

from bot.discord_api import calls
from bot.storage.records import GalleryCopy
from tests.bot.gallery import Server
from tests.bot.world import buttons_of, in_menu, menu_of, names_of, text_of


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
@pytest.mark.parametrize(
    "what", ["Delete", "the picture", "the recording", "the thread", "the channel", "Forget me", "in bulk"]
)
async def test_copy_goes_with_the_original(server: Server, what: str, restart: bool) -> None:
    world = server.world
    await server.share()
    assert len(server.copies) == 1
    if restart:
        await world.restart()
    moderator = world.moderator(manage_messages=True)
    match what:
        case "Delete":
            await in_menu(world.alice, server.picture, "Delete")
        case "the picture":
            await moderator.delete(server.picture)
        case "the recording":
            await moderator.delete(world.channel.history()[0])
        case "the thread":
            world.env.backend.delete_channel(server.picture.channel.id)
        case "the channel":
            world.env.backend.delete_channel(world.channel.id)
        case "in bulk":
            world.env.backend.bulk_delete_messages(server.picture.channel.id, [server.picture.id])
        case _:
            panel = await world.alice.slash(world.channel, "imagine-sound privacy")
            assert panel.response is not None
            await world.alice.click(panel.response, custom_id="privacy:forget")
    await world.pass_time(2)

    assert server.copies == []
    assert await server.rows() == 0
    assert await world.bot.services.store.erasures.waiting() == []


@pytest.mark.parametrize("by_age", [False, True], ids=["while its request is known", "after that"])
@pytest.mark.parametrize("who", ["the asker", "whoever sent the recording"])
async def test_copy_goes_when_the_asker_or_whoever_sent_the_recording_is_forgotten(
    server: Server, who: str, by_age: bool
) -> None:
    world, note = server.world, server.world.channel.history()[0]
    await world.bob.context_menu(world.channel, "Imagine this sound", note)
    (job,) = await world.bot.services.store.pictures_of(world.bob.id, 1)
    await world.bot.services.gallery.share(job)
    assert len(server.copies) == 1
    if by_age:
        await world.bot.services.store.purge(world.env.now() + datetime.timedelta(days=1), world.env.now())

    forgotten = world.bob if who == "the asker" else world.alice
    await world.bot.services.jobs.forget_user(forgotten.id)
    await world.pass_time(2)

    assert server.copies == []
    assert await server.rows() == 0


@pytest.mark.parametrize("way", ["the picture is deleted", "its asker is forgotten"])
async def test_copy_goes_also_when_its_request_was_forgotten_by_age(server: Server, way: str) -> None:
    world, now = server.world, server.world.env.now()
    await server.share()
    await world.bot.services.store.purge(now + datetime.timedelta(days=1), now)
    assert await world.jobs_kept() == 0
    assert len(server.copies) == 1, "as the picture does, it stays until then"

    if way == "the picture is deleted":
        await world.moderator(manage_messages=True).delete(server.picture)
    else:
        await world.bot.services.jobs.forget_user(world.alice.id)
    await world.pass_time(2)

    assert server.copies == []
    assert await server.rows() == 0


async def test_copy_goes_although_discord_errs_and_the_process_ends(server: Server) -> None:
    await server.share()
    (copy,) = server.copies
    server.world.env.inject_error("DELETE", f"/channels/*/messages/{copy.id}", status=403, code=50013, times=1)
    await in_menu(server.world.alice, server.picture, "Delete")
    assert len(server.copies) == 1

    await server.world.restart()
    await server.world.pass_time(2)

    assert server.copies == []


async def test_copy_goes_also_where_the_original_cannot_be_removed(server: Server) -> None:
    await server.share()
    server.world.env.inject_error("DELETE", f"/channels/*/messages/{server.picture.id}", status=403, code=50013)
    await in_menu(server.world.alice, server.picture, "Delete")
    assert names_of(server.picture) == ["picture.png"]
    assert server.copies == []


async def test_picture_that_was_withdrawn_just_before_is_not_shared(server: Server) -> None:
    job = await server.job()
    server.world.env.inject_error("DELETE", f"/channels/*/messages/{server.picture.id}", status=403, code=50013)
    await server.world.bot.services.jobs.withdraw(job)
    assert names_of(server.picture) == ["picture.png"]
    assert (await server.world.bot.services.gallery.share(job)).key == "answer.forgotten"
    assert server.copies == []
    assert await server.rows() == 0


async def test_copy_goes_when_the_original_was_deleted_while_the_bot_was_away(server: Server) -> None:
    await server.share()
    world = server.world
    world.env.backend.messages[server.picture.channel.id].clear()
    await world.restart()
    await world.pass_time(2)
    assert server.copies == []


async def test_original_that_is_deleted_while_it_is_shared_leaves_no_copy(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    galleries, job = server.world.bot.services.store.galleries, await server.job()
    claim = galleries.claim

    async def claim_and_lose(copy: GalleryCopy) -> bool:
        claimed = await claim(copy)
        monkeypatch.setattr(calls, "send", lose_and_send)
        return claimed

    send = calls.send

    async def lose_and_send(*args: Any, **options: Any) -> discord.Message:
        monkeypatch.setattr(calls, "send", send)
        sent = await send(*args, **options)
        await server.world.bot.services.jobs.withdraw(job)
        return sent

    monkeypatch.setattr(galleries, "claim", claim_and_lose)
    await server.world.bot.services.gallery.share(job)
    await server.world.pass_time(4)

    assert server.copies == []
    assert await server.world.bot.services.store.erasures.waiting() == []


async def test_server_that_removes_the_bot_is_forgotten_with_its_gallery(server: Server) -> None:
    await server.share()
    await server.world.remove_bot()
    assert await server.rows() == 0
    assert await server.world.bot.services.store.erasures.waiting() == []


async def test_copy_that_a_moderator_deletes_does_not_come_back_and_the_original_stays(server: Server) -> None:
    await server.let_star()
    menu = await menu_of(server.world.alice, server.picture)
    await server.share()
    await server.world.moderator(manage_messages=True).delete(server.copies[0])

    result = await server.world.alice.click(menu, label="Share")
    await server.star(*server.passers_by(3))
    await server.world.restart()
    await server.world.pass_time(2)

    assert result.response is not None
    assert "does not come back" in text_of(result.response)
    assert server.copies == []
    assert names_of(server.picture) == ["picture.png"]
    assert "Share" not in buttons_of(await menu_of(server.world.alice, server.picture))


async def test_another_gallery_begins_when_the_channel_of_the_first_is_deleted(server: Server) -> None:
    await server.share()
    server.world.env.backend.delete_channel(server.gallery.id)
    await server.world.env.settle()
    assert "channel is gone" in await server.share()
    assert (await server.world.bot.services.store.servers.settings(server.world.guild.id)).gallery == server.gallery.id

    server.gallery = server.world.guild.create_text_channel("another")
    await server.choose(gallery=server.gallery.id)
    await server.share()
    assert len(server.copies) == 1
