"""/imagine-sound queue, help and privacy; the command tree; hello and goodbye."""

import discord

from bot.requests.listener import Listener
from tests.bot.sounds import noise
from tests.bot.world import World, buttons_of, components, text_of


async def t(world: World, command: str) -> str:
    result = await world.alice.slash(world.channel, f"imagine-sound {command}")
    assert result.ephemeral
    assert result.response is not None
    return text_of(result.response)


async def test_queue_tells_how_much_waits_and_shows_only_ones_own(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    secret = world.guild.create_text_channel("secret")
    await world.post_voice_note(world.bob, secret)

    text = await t(world, "queue")

    assert "being painted: 2" in text
    assert "Yours among them: 1" in text
    thread = world.thread_of(world.channel)
    assert f"https://discord.com/channels/{world.guild.id}/{thread.id}/{world.reply(world.channel).id}" in text
    assert str(world.thread_of(secret).id) not in text


async def test_mine_lists_ones_own_pictures_wherever_they_are_and_deletes_them(world: World) -> None:
    await world.post_voice_note(world.bob, world.channel)
    await world.post_voice_note(world.alice.user, world.alice.user.dm_channel)
    await world.post_voice_note(world.alice, world.guild.create_text_channel("other"))

    shown = await world.alice.slash(world.channel, "imagine-sound mine")
    assert shown.response is not None
    assert text_of(shown.response).count("https://discord.com/channels/") == 2
    assert "channels/@me/" in text_of(shown.response)
    await world.alice.click(shown.response, custom_id="mine:delete:2")

    assert world.said(world.alice.user.dm_channel) == []
    again = await world.alice.slash(world.channel, "imagine-sound mine")
    assert again.response is not None
    assert text_of(again.response).count("https://discord.com/channels/") == 1


async def test_mine_shows_ten_at_most_and_says_where_there_is_none(world: World) -> None:
    assert "no picture of yours" in await t(world, "mine")
    for _ in range(12):
        await world.bob.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    shown = await world.bob.slash(world.channel, "imagine-sound mine")
    assert shown.response is not None
    ids = [item["custom_id"] for item in components(shown.response) if item["type"] == 2]
    assert ids == [f"mine:delete:{number}" for number in range(12, 2, -1)]


async def test_nobody_deletes_anothers_picture_with_a_made_up_control(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.bob, world.channel)
    shown = await world.bob.slash(world.channel, "imagine-sound mine")
    assert shown.response is not None
    stored = world.env.backend.get_message(world.channel.id, shown.response.id)
    section = stored.components[0]["components"][0]
    section["accessory"]["custom_id"] = "mine:delete:1"

    await world.bob.click(shown.response, custom_id="mine:delete:1")

    assert (await world.heard(1)).top


async def test_help_tells_the_ways_in_and_the_limits(world: World) -> None:
    text = await t(world, "help")

    assert "Imagine this sound" in text
    assert "Up to 10 seconds and 1 MB" in text
    assert "20 an hour" in text


async def test_privacy_tells_what_is_kept_and_forgets_on_request(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.bob, world.channel)
    shown = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert shown.response is not None
    assert "for 90 days" in text_of(shown.response)

    done = await world.alice.click(shown.response, label="Forget me")

    assert done.response is not None
    assert "forgotten your 2 requests" in text_of(done.response)
    assert world.painter.cancelled == [1]
    for job_id in (1, 2):
        job = await world.bot.services.store.job(job_id)
        assert job is None or (job.heard, job.outcome, job.source_id) == (None, None, None)
    assert (await world.heard(3)).title


async def test_forget_button_works_after_a_restart(world: World) -> None:
    shown = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert shown.response is not None
    assert list(buttons_of(shown.response)) == ["Forget me", "Never listen to me", "Send me what you keep"]
    await world.restart()

    done = await world.alice.click(shown.response, label="Forget me")

    assert done.response is not None
    assert "Done" in text_of(done.response)


async def test_commands_can_be_installed_by_servers_and_by_people_and_used_everywhere(world: World) -> None:
    commands = {command.name: command.to_dict(world.bot.tree) for command in world.bot.tree.get_commands()}

    assert set(commands) == {"imagine-sound", "Imagine this sound", "What is this sound?", "Did this bot paint it?"}
    for command in commands.values():
        assert set(command["integration_types"]) == {0, 1}
        assert set(command["contexts"]) == {0, 1, 2}


async def test_command_names_are_translated(world: World) -> None:
    translator = world.bot.tree.translator
    assert translator is not None
    payloads = {
        command.name: await command.get_translated_payload(world.bot.tree, translator)
        for command in world.bot.tree.get_commands()
    }

    assert payloads["Imagine this sound"]["name_localizations"]["de"] == "Diesen Klang malen"
    options = {option["name"]: option for option in payloads["imagine-sound"]["options"]}
    assert set(options) == {"file", "story", "mine", "gallery", "settings", "queue", "help", "privacy"}
    assert options["help"]["name_localizations"] == {
        "de": "hilfe", "fr": "aide", "es-ES": "ayuda", "es-419": "ayuda", "pt-BR": "ajuda", "ja": "ヘルプ",
    }  # fmt: skip


async def test_welcome_is_said_once_and_tells_how_to_change_where_to_listen(world: World) -> None:
    guild = world.env.bot.get_guild(world.guild.id)
    assert guild is not None
    guild._system_channel_id = world.channel.id
    listener = world.bot.get_cog("Listener")
    assert isinstance(listener, Listener)

    for _ in range(2):
        await listener.on_guild_join(guild)

    (welcome,) = world.said(world.channel)
    assert "/imagine-sound settings" in text_of(welcome)


async def test_nothing_is_kept_of_a_server_that_removed_the_bot(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.bot.services.store.servers.block(world.guild.id, [world.bob.id])

    world.env.backend.remove_guild(world.guild.id)
    await world.env.settle()

    assert await world.jobs_remembered() == 0
    assert await world.bot.services.store.servers.blocked(world.guild.id) == (world.bob.id,), "they may invite it again"


async def test_fault_in_a_command_is_told_to_the_asker(world: World) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("the disk is gone")

    world.bot.services.store.unfinished = fail  # type: ignore[method-assign, assignment]

    text = await t(world, "queue")

    assert "Something went wrong on my side" in text
    assert isinstance(world.env.errors[0], discord.app_commands.CommandInvokeError)
