"""Pictures are shared in the server's gallery by whoever asked for them; never where others see them."""

import asyncio
import io
import json
import zipfile
from dataclasses import replace
from typing import Any

import discord
import pytest
from discord import ui
from simcord.actors import MemberActor
from simcord.results import ResponseMessage

from bot.jobs.audience import may_be_shown
from bot.requests import menu
from bot.requests.answering import language_of
from bot.requests.services import Interaction
from bot.storage.records import Job
from bot.views.buttons import gallery_button
from bot.views.gallery import told_in_copy
from bot.views.hiding import is_hidden
from bot.views.layouts import ShownPicture
from core.options import ImagineOptions
from core.speech.spoken import Outcome, SaidScene, Spoken
from tests.bot.gallery import Server
from tests.bot.sounds import noise
from tests.bot.world import World, alt_texts_of, buttons_of, in_menu, menu_of, names_of, text_of


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
async def test_asker_shares_a_picture_and_is_told_where(server: Server, restart: bool) -> None:
    if restart:
        await server.world.restart()

    told = await server.share()

    (copy,) = server.copies
    assert f"/{server.gallery.id}/{copy.id}" in told
    best = (await server.world.heard()).top[0].name
    assert best in text_of(copy)
    assert f"/{server.picture.channel.id}/{server.picture.id}" in text_of(copy)
    assert f"for <@{server.world.alice.id}>" in text_of(copy)
    (posted,) = [one for one in server.world.env.http_requests if one.path == f"/channels/{server.gallery.id}/messages"]
    assert posted.json is not None
    assert posted.json["allowed_mentions"] == {"parse": []}
    assert buttons_of(copy) == {}
    assert alt_texts_of(copy) == alt_texts_of(server.picture)


async def test_copy_is_the_picture_without_the_words_that_it_was_painted_from(server: Server) -> None:
    await server.share()

    (copy,) = server.copies
    assert names_of(copy) == ["picture.png"]
    original, shared = await server.picture.attachments[0].read(), await copy.attachments[0].read()
    prompt = server.world.painter.orders[0].request.prompt.text.encode()
    assert prompt in original
    assert prompt not in shared
    assert b"trainedAlgorithmicMedia" in shared, "that a model made it stays said"
    assert len(original) > len(shared) > 0


@pytest.mark.parametrize("whose", ["somebody else's", "the asker's own"])
async def test_words_that_somebody_else_has_spoken_are_not_told_in_the_copy(server: Server, whose: str) -> None:
    job, t = await server.job(), server.world.bot.services.texts.translation("en-US")
    assert job.heard is not None
    author = server.world.bob.id if whose == "somebody else's" else job.user_id
    said = SaidScene(("a secret plan",), kind="story")
    heard = replace(job.heard, spoken=Spoken("my secret plan", Outcome.SEEN, said))
    changed = replace(job, author_id=author, heard=heard, options=ImagineOptions(prompt="a secret plan in oil"))
    shown = ShownPicture("picture.png", "A picture of these words: a secret plan in oil", is_covered=True)

    told = told_in_copy(shown, changed, t)

    assert ("secret" in str(told.alt_text)) == (whose == "the asker's own")
    assert heard.top[0].name in str(told.alt_text) or whose == "the asker's own"
    assert told.is_covered


async def test_picture_is_shared_once(server: Server) -> None:
    menu = await menu_of(server.world.alice, server.picture)
    first = await server.world.alice.click(menu, label="Share")
    second = await server.world.alice.click(menu, label="Share")

    assert len(server.copies) == 1
    assert first.response is not None
    assert second.response is not None
    assert text_of(first.response) == text_of(second.response)
    assert "Share" not in buttons_of(await menu_of(server.world.alice, server.picture))


async def test_covered_picture_is_covered_in_the_gallery(server: Server) -> None:
    await in_menu(server.world.bob, server.picture, "Report")
    await server.share()
    assert is_hidden(server.copies[0])


async def test_reported_picture_is_covered_in_the_gallery_too(server: Server) -> None:
    await server.share()
    await in_menu(server.world.bob, server.picture, "Report")
    assert is_hidden(server.copies[0])
    assert names_of(server.copies[0]) == ["picture.png"]


async def test_others_do_not_see_the_button(server: Server) -> None:
    assert "Share" not in buttons_of(await menu_of(server.world.bob, server.picture))


async def test_whoever_did_not_ask_for_it_is_told_that_they_may_not_share_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forged(interaction: Interaction, job: Job) -> list[ui.Button[Any]]:
        return [gallery_button("share", language_of(interaction), job.id)]

    monkeypatch.setattr(menu, "gallery_buttons", forged)
    assert "Only the one who asked" in await server.share(server.world.bob)
    assert server.copies == []


async def test_made_up_control_on_another_message_shares_nothing(server: Server) -> None:
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.ActionRow(gallery_button("share", server.world.bot.services.texts.translation("en-US"), 1)))
    channel = server.world.bot.get_partial_messageable(server.picture.channel.id)
    forged = await channel.send(view=view)

    result = await server.world.alice.click(forged, custom_id="gallery:share:1")

    assert result.response is not None
    assert "no longer know" in text_of(result.response)
    assert server.copies == []


async def test_two_at_once_make_one_copy(server: Server) -> None:
    job = await server.job()
    told = await asyncio.gather(*(server.world.bot.services.gallery.share(job) for _ in range(5)))
    await server.world.env.settle()
    assert len(server.copies) == 1
    assert {one.key for one in told} <= {"gallery.shared", "gallery.soon"}


@pytest.mark.parametrize("where", ["a server without a gallery", "direct messages"])
async def test_where_there_is_no_gallery_there_is_no_button(server: Server, where: str) -> None:
    await server.choose(gallery=None)
    assert "Share" not in buttons_of(await menu_of(server.world.alice, server.picture))
    await server.choose(gallery=server.gallery.id)
    await server.world.alice.user.slash("imagine-sound file", recording=("rain.wav", noise()))
    (direct,) = server.world.said(server.world.alice.user.dm_channel)
    assert "Share" not in buttons_of(await menu_of(server.world.alice.user, direct))


async def test_command_tells_where_the_gallery_is_and_what_was_shared_last(server: Server) -> None:
    shown = await server.world.alice.slash(server.world.channel, "imagine-sound gallery")
    assert shown.ephemeral
    assert shown.response is not None
    assert f"<#{server.gallery.id}>" in text_of(shown.response)
    assert "Shared last" not in text_of(shown.response)
    assert "settings" not in text_of(shown.response)

    await server.share()
    manager = server.world.moderator(manage_guild=True)
    again = await manager.slash(server.world.channel, "imagine-sound gallery")

    assert again.response is not None
    assert f"/{server.copies[0].id}" in text_of(again.response)
    assert "/imagine-sound settings" in text_of(again.response)


async def test_command_says_where_there_is_none(world: World) -> None:
    shown = await world.alice.slash(world.channel, "imagine-sound gallery")
    assert shown.response is not None
    assert "no gallery here" in text_of(shown.response)


async def test_age_restricted_picture_goes_to_no_gallery_that_is_not(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    menu = await menu_of(server.world.alice, server.picture)
    restricted = {"general"}
    monkeypatch.setattr(discord.TextChannel, "is_nsfw", lambda channel: channel.name in restricted)

    result = await server.world.alice.click(menu, label="Share")

    assert result.response is not None
    assert "stays here" in text_of(result.response)
    assert server.copies == []
    assert "Share" not in buttons_of(await menu_of(server.world.alice, server.picture))
    restricted.add("gallery")
    await server.share()
    assert len(server.copies) == 1


async def test_picture_of_a_time_when_its_place_was_age_restricted_stays_there(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    restricted = {"general"}
    monkeypatch.setattr(discord.TextChannel, "is_nsfw", lambda channel: channel.name in restricted)
    await server.world.alice.slash(server.world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    restricted.clear()
    (job,) = await server.world.bot.services.store.pictures_of(server.world.alice.id, 1)
    assert (await server.world.bot.services.gallery.share(job)).key == "gallery.confined"


@pytest.mark.parametrize("gallery_is_hidden", [False, True])
async def test_picture_from_a_hidden_channel_goes_only_where_as_few_see_it(
    server: Server, gallery_is_hidden: bool
) -> None:
    server.hide(server.world.channel)
    if gallery_is_hidden:
        server.hide(server.gallery)

    told = await server.world.bot.services.gallery.share(await server.job())

    assert told.key == ("gallery.shared" if gallery_is_hidden else "gallery.confined")
    assert len(server.copies) == gallery_is_hidden


async def test_picture_from_a_hidden_channel_goes_to_no_gallery_that_somebody_else_was_let_into(server: Server) -> None:
    server.hide(server.world.channel)
    server.hide(server.gallery, but=[server.world.bob.id])
    assert (await server.world.bot.services.gallery.share(await server.job())).key == "gallery.confined"


async def test_picture_in_a_private_thread_stays_there(server: Server) -> None:
    thread = server.world.bot.get_channel(server.picture.channel.id)
    gallery = server.world.bot.get_channel(server.gallery.id)
    assert isinstance(thread, discord.Thread)
    assert isinstance(gallery, discord.TextChannel)
    assert may_be_shown(thread, gallery)
    thread._type = discord.ChannelType.private_thread
    assert not may_be_shown(thread, gallery)


async def test_moderators_choose_a_channel_and_how_many_stars(world: World) -> None:
    manager = world.moderator(manage_guild=True)
    panel = await world_panel(manager, world)
    await manager.select(panel, [world.channel], custom_id="settings:gallery")
    await manager.select(panel, ["5"], custom_id="settings:gallery_stars")
    chosen = await world.bot.services.store.servers.settings(world.guild.id)
    assert (chosen.gallery, chosen.gallery_stars) == (world.channel.id, 5)

    await manager.select(await world_panel(manager, world), [], custom_id="settings:gallery")
    assert (await world.bot.services.store.servers.settings(world.guild.id)).gallery is None


async def test_channel_that_the_bot_may_not_post_in_is_not_chosen(server: Server) -> None:
    manager, mute = server.world.moderator(manage_guild=True), server.world.channel_without("attach_files")
    panel = await world_panel(manager, server.world)

    result = await manager.select(panel, [mute], custom_id="settings:gallery")

    assert result.response is not None
    assert "Attach Files" in text_of(result.response)
    assert (await server.world.bot.services.store.servers.settings(server.world.guild.id)).gallery == server.gallery.id


async def world_panel(manager: MemberActor, world: World) -> ResponseMessage:
    """The second page of the settings."""
    first = await manager.slash(world.channel, "imagine-sound settings")
    assert first.response is not None
    shown = await manager.click(first.response, custom_id="settings:page:1")
    assert shown.response is not None
    return shown.response


async def test_export_tells_of_copies_and_of_what_was_allowed(server: Server) -> None:
    await server.let_star()
    await server.share()
    panel = await server.world.alice.slash(server.world.channel, "imagine-sound privacy")
    assert panel.response is not None
    await server.world.alice.click(panel.response, custom_id="privacy:export")
    (sent,) = server.world.said(server.world.alice.user.dm_channel)
    person = json.loads(zipfile.ZipFile(io.BytesIO(await sent.attachments[0].read())).read("person.json"))
    assert person["others_may_share"] is True
    assert [copy["copy_id"] for copy in person["galleries"]] == [server.copies[0].id]
