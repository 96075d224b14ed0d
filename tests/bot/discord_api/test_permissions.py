"""Each missing permission is named once, before any work; the invite link asks for exactly what is needed."""

from urllib.parse import parse_qs, urlparse

import discord
import pytest

from bot.discord_api.permissions import NEEDED, invite_link
from bot.storage.records import Listening
from tests.bot.sounds import noise
from tests.bot.world import World, names_of, text_of

NAMES = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads",
    "create_public_threads": "Create Public Threads",
    "attach_files": "Attach Files",
    "read_message_history": "Read Message History",
}


@pytest.mark.parametrize("permission", ["attach_files", "read_message_history"])
async def test_what_no_answer_can_do_without_is_named_once_in_the_channel_before_any_work(
    world: World, permission: str
) -> None:
    channel = world.channel_without(permission)

    await world.post_voice_note(world.alice, channel)
    await world.post_voice_note(world.bob, channel)

    (message,) = world.said(channel)
    assert f"**{NAMES[permission]}**" in text_of(message)
    assert sum(name in text_of(message) for name in NAMES.values()) == 1
    assert await world.jobs_kept() == 0
    assert world.painter.orders == []


@pytest.mark.parametrize("permission", ["send_messages", "view_channel"])
async def test_where_the_bot_may_not_write_the_poster_is_told_once_in_private(world: World, permission: str) -> None:
    channel = world.channel_without(permission)

    await world.post_voice_note(world.alice, channel)
    await world.post_voice_note(world.alice, channel)

    assert world.said(channel) == []
    (message,) = world.said(world.alice.user.dm_channel)
    assert f"{channel.mention}: I need **{NAMES[permission]}** here" in text_of(message)
    assert await world.jobs_kept() == 0


async def test_in_a_thread_the_permission_for_threads_is_named(world: World) -> None:
    channel = world.channel_without("send_messages_in_threads")
    thread_id = world.env.backend.create_thread(channel.id, "talk", world.alice.id).id
    thread = next(thread for thread in channel.threads if thread.id == thread_id)

    await world.post_voice_note(world.alice, thread)

    assert world.said(thread) == []
    (message,) = world.said(world.alice.user.dm_channel)
    assert "**Send Messages in Threads**" in text_of(message)


@pytest.mark.parametrize("permission", ["create_public_threads", "send_messages_in_threads"])
async def test_without_threads_the_answer_is_a_plain_reply_that_names_the_permission_once(
    world: World, permission: str
) -> None:
    channel = world.channel_without(permission)

    first = await world.post_voice_note(world.alice, channel)
    await world.post_voice_note(world.bob, channel)

    assert channel.threads == []
    one, two = world.said(channel)
    assert one.reference is not None
    assert one.reference.message_id == first.id
    assert "picture.png" in names_of(one)
    assert f"**{NAMES[permission]}**" in text_of(one)
    assert NAMES[permission] not in text_of(two)


async def test_permission_that_was_granted_and_lost_again_is_named_again(world: World) -> None:
    channel = world.channel_without("attach_files")
    await world.post_voice_note(world.alice, channel)
    overwrites = channel._channel.overwrites
    world.env.backend.edit_channel(channel.id, {}, overwrites=[])
    await world.post_voice_note(world.alice, channel)
    world.env.backend.edit_channel(channel.id, {}, overwrites=overwrites)

    await world.post_voice_note(world.alice, channel)

    assert ["Attach Files" in text_of(message) for message in world.said(channel)] == [True, True]
    assert len(channel.threads) == 1


async def test_thread_that_cannot_be_made_after_all_is_replaced_by_a_reply(world: World) -> None:
    world.env.inject_error("POST", "/channels/*/messages/*/threads", status=400, code=160004)

    await world.post_voice_note(world.alice, world.channel)

    (message,) = world.said(world.channel)
    assert "picture.png" in names_of(message)


@pytest.mark.parametrize("permission", ["attach_files", "read_message_history"])
async def test_message_menu_names_the_missing_permission_to_the_asker(world: World, permission: str) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.NOWHERE)
    channel = world.channel_without(permission)
    recording = await world.post(world.bob, channel)

    result = await world.alice.context_menu(channel, "Imagine this sound", recording)

    assert result.ephemeral
    assert result.response is not None
    assert f"**{NAMES[permission]}**" in text_of(result.response)
    assert await world.jobs_kept() == 0


async def test_slash_command_without_attach_files_names_it_to_the_asker(world: World) -> None:
    channel = world.channel_without("attach_files")

    result = await world.alice.slash(channel, "imagine-sound file", recording=("rain.wav", noise()))

    assert result.ephemeral
    assert result.response is not None
    assert "**Attach Files**" in text_of(result.response)


async def test_slash_command_needs_no_permission_to_send(world: World) -> None:
    channel = world.channel_without("send_messages", "send_messages_in_threads", "create_public_threads")

    result = await world.alice.slash(channel, "imagine-sound file", recording=("rain.wav", noise()))

    assert result.response is not None
    assert "picture.png" in names_of(result.response)


def test_invite_link_asks_for_exactly_the_permissions_needed() -> None:
    query = parse_qs(urlparse(invite_link(123)).query)

    asked = discord.Permissions(int(query["permissions"][0]))
    assert {name for name, granted in asked if granted} == {*NAMES, "read_messages"} - {"view_channel"}
    assert asked == NEEDED
    assert query["scope"] == ["bot applications.commands"]
    assert query["client_id"] == ["123"]


async def test_bot_with_only_the_permissions_of_its_invite_answers(world: World) -> None:
    member = world.guild.me
    assert member is not None
    role = next(role for role in world.guild._guild.roles.values() if role.managed)
    role.permissions = NEEDED.value
    world.guild._guild.everyone_role.permissions = 0
    world.env.backend.announce_role_updates(world.guild.id, [role, world.guild._guild.everyone_role])

    await world.post_voice_note(world.alice, world.channel)

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_start_names_what_the_bots_roles_lack_in_a_server(world: World, caplog: pytest.LogCaptureFixture) -> None:
    role = next(role for role in world.guild._guild.roles.values() if role.managed)
    role.permissions = NEEDED.value & ~discord.Permissions.attach_files.flag
    world.guild._guild.everyone_role.permissions = 0
    caplog.set_level("INFO", "bot")

    await world.restart()

    assert f"in the server Soundscape ({world.guild.id}) I lack: attach_files" in caplog.text
    assert invite_link(world.bot.application_id or 0) in caplog.text
