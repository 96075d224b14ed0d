"""Every way to ask for a picture leads to the same job."""

import discord
import pytest

from bot.storage.records import Listening
from core.settings import CoreSettings
from tests.bot.sounds import noise
from tests.bot.world import World, names_of, text_of


async def test_voice_note_is_answered_in_a_thread_with_labels_and_a_picture(world: World) -> None:
    note = await world.post_voice_note(world.alice, world.channel)

    assert world.thread_of(world.channel).id == note.id
    message = world.reply(world.channel)
    assert f"**{(await world.heard()).top[0].name}" in text_of(message)
    assert names_of(message) == ["picture.png"]


async def test_audio_attachment_is_answered_in_a_thread(world: World) -> None:
    await world.post(world.alice, world.channel, ("rain.wav", noise()))

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_video_attachment_is_heard_by_its_sound(world: World) -> None:
    video = ("holiday.mp4", noise())
    await world.post(world.alice, world.channel, video, content=f"<@{world.me.id}>")

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_several_attachments_are_one_job_each_in_one_thread(world: World) -> None:
    await world.post(world.alice, world.channel, ("one.wav", noise()), ("two.wav", noise()), ("notes.txt", b"hello"))

    thread = world.thread_of(world.channel)
    assert [names_of(message) for message in world.said(thread)] == [["picture.png"]] * 2
    assert await world.jobs_kept() == 2


async def test_forwarded_voice_note_is_heard(world: World) -> None:
    quiet = world.guild.create_text_channel("quiet")
    store = world.bot.services.store
    await store.servers.change(world.guild.id, listening=Listening.CHOSEN, channels=(world.channel.id,))
    note = await world.post_voice_note(world.alice, quiet)

    await world.bob.forward(note, world.channel)

    assert world.said(quiet) == []
    assert "picture.png" in names_of(world.reply(world.channel))


async def test_words_in_somebody_elses_recording_are_not_recognised(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.MENTIONED)
    recording = await world.post(world.bob, world.channel)
    await world.alice.context_menu(world.channel, "Imagine this sound", recording)
    await world.bob.context_menu(world.channel, "Imagine this sound", recording)
    jobs = [await world.bot.services.store.job(number) for number in (1, 2)]
    assert [job is not None and job.options.spoken_words for job in jobs] == [False, True]


async def test_mention_under_somebodys_recording_means_that_recording(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.MENTIONED)
    recording = await world.post(world.bob, world.channel)
    assert world.channel.threads == []

    await world.alice.send(world.channel, f"<@{world.me.id}> what is this?", reply_to=recording)

    assert world.thread_of(world.channel).id == recording.id
    assert world.alice.mention in text_of(world.reply(world.channel))


async def test_mention_with_a_recording_works_where_the_bot_does_not_listen(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.MENTIONED)

    await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")

    assert "picture.png" in names_of(world.reply(world.channel))


async def test_mention_without_a_recording_says_how_to_ask(world: World) -> None:
    await world.alice.send(world.channel, f"<@{world.me.id}> hello")

    (answer,) = world.said(world.channel)
    assert "voice note" in text_of(answer)


async def test_talking_about_a_picture_in_replies_is_not_a_request(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    thread = world.thread_of(world.channel)

    await world.bob.send(thread, "lovely!", reply_to=world.reply(world.channel))

    assert len(world.said(thread)) == 1


async def test_slash_command_is_answered_with_its_own_message(world: World) -> None:
    result = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))

    assert result.response is not None
    assert not result.ephemeral
    assert names_of(result.response) == ["picture.png"]
    assert world.channel.threads == []


async def test_slash_command_takes_a_style_and_words(world: World) -> None:
    await world.alice.slash(
        world.channel, "imagine-sound file", recording=("rain.wav", noise()), style="comic", prompt="a blue cat"
    )

    (order,) = world.painter.orders
    assert order.request.prompt.text == "a blue cat, comic book panel, bold ink lines, flat colours"
    job = await world.bot.services.store.job(1)
    assert job is not None
    assert job.options.style == "comic"


async def test_adapters_that_were_made_here_are_offered_and_used(world: World, core_settings: CoreSettings) -> None:
    core_settings.adapters_dir.mkdir()
    for name in ("hands", "paws"):
        (core_settings.adapters_dir / f"{name}.safetensors").touch()

    offered = await world.alice.autocomplete(world.channel, "imagine-sound file", "adapter", "HA")
    assert [choice["value"] for choice in offered] == ["hands"]

    await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()), adapter="hands")
    (order,) = world.painter.orders
    assert order.request.adapter == "hands"


async def test_message_menu_answers_at_the_recording_and_tells_the_asker(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.NOWHERE)
    recording = await world.post(world.bob, world.channel)

    result = await world.alice.context_menu(world.channel, "Imagine this sound", recording)

    assert result.ephemeral
    assert world.thread_of(world.channel).id == recording.id
    assert "picture.png" in names_of(world.reply(world.channel))


async def test_message_menu_on_a_message_without_sound_says_so(world: World) -> None:
    message = await world.bob.send(world.channel, "hello")

    result = await world.alice.context_menu(world.channel, "Imagine this sound", message)

    assert result.ephemeral
    assert result.response is not None
    assert "no recording" in text_of(result.response)


async def test_direct_message_is_answered_in_place(world: World) -> None:
    await world.post_voice_note(world.alice.user, world.alice.user.dm_channel)

    (message,) = world.said(world.alice.user.dm_channel)
    assert names_of(message) == ["picture.png"]
    assert message.reference is not None


async def test_words_in_a_direct_message_get_a_hint_once_a_day(world: World) -> None:
    await world.alice.send_dm("hello")
    await world.alice.send_dm("anyone?")

    (message,) = world.said(world.alice.user.dm_channel)
    assert "voice note" in text_of(message)


async def test_slash_command_works_in_direct_messages(world: World) -> None:
    result = await world.alice.user.slash("imagine-sound file", recording=("rain.wav", noise()))

    assert result.response is not None
    assert names_of(result.response) == ["picture.png"]


async def test_user_installed_bot_answers_through_the_interaction_where_it_is_no_member(world: World) -> None:
    await world.remove_bot()
    assert world.bot.get_guild(world.guild.id) is None

    result = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))

    assert result.response is not None
    assert names_of(result.response) == ["picture.png"]
    by_token = [r for r in world.env.http_requests if r.method == "PATCH"]
    assert by_token
    assert all("/webhooks/" in request.path for request in by_token)


async def test_user_installed_message_menu_answers_through_the_interaction(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.NOWHERE)
    recording = await world.post(world.bob, world.channel)
    await world.remove_bot()

    result = await world.alice.context_menu(world.channel, "Imagine this sound", recording)

    assert result.response is not None
    assert "picture.png" in names_of(result.response)


async def test_recording_in_a_thread_is_answered_in_that_thread(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    thread = world.thread_of(world.channel)

    await world.post_voice_note(world.bob, thread)

    assert len(world.said(thread)) == 2
    assert len(world.channel.threads) == 1


async def test_recording_in_a_voice_channels_chat_is_answered_in_place(world: World) -> None:
    lounge = world.guild.create_voice_channel("lounge")

    await world.post_voice_note(world.alice, lounge)

    (message,) = world.said(lounge)
    assert "picture.png" in names_of(message)


async def test_other_bots_webhooks_and_other_files_are_ignored(world: World) -> None:
    robot = world.guild.add_member(world.env.create_user("robot", bot=True))
    hook = world.guild.create_webhook(world.channel)

    await world.post(robot, world.channel)
    await hook.send("", attachments=[("rain.wav", noise())])
    await world.post(world.alice, world.channel, ("cat.jpg", b"no sound"))

    assert world.said(world.channel) == []
    assert world.channel.threads == []


async def test_recording_in_a_private_channel_is_answered_only_there(world: World) -> None:
    private = world.guild.create_text_channel(
        "secret",
        overwrites={
            world.guild.default_role: discord.PermissionOverwrite(view_channel=False),
            world.me: discord.PermissionOverwrite(view_channel=True),
        },
    )
    member = world.moderator(administrator=True)

    await world.post_voice_note(member, private)

    assert world.thread_of(private)._channel.parent_id == private.id
    assert "picture.png" in names_of(world.reply(private))
    assert world.said(world.channel) == []
    assert world.channel.threads == []


@pytest.mark.bot(shard_count=2)
async def test_servers_on_different_shards_are_answered(world: World) -> None:
    for shard_id in (0, 1):
        guild = world.env.create_guild(f"Server {shard_id}", shard_id=shard_id)
        channel = guild.create_text_channel("general")
        member = guild.add_member(world.env.create_user(f"member{shard_id}"))

        await world.post_voice_note(member, channel)

        assert "picture.png" in names_of(world.reply(channel))


async def test_blank_words_are_no_words(world: World) -> None:
    await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()), prompt="   ")

    assert world.painter.orders[0].request.prompt.text.strip()
