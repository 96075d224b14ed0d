"""What moderators can choose under /imagine-sound settings, and that it holds."""

from functools import partial
from typing import Any

import pytest
from discord import ui
from simcord.actors import MemberActor
from simcord.results import InteractionResult, ResponseMessage

from bot.discord_api.markdown import Markdown
from bot.requests import settings_panel
from bot.requests.services import Interaction
from bot.requests.settings_table import SETTINGS, PanelState, Setting
from bot.storage.records import Films, GuildSettings, Listening
from bot.views.texts import Translation
from core.prompting.styles import Style
from tests.bot.sounds import noise
from tests.bot.world import World, buttons_of, text_of


async def open_panel(world: World, member: MemberActor, *, page: int = 0) -> ResponseMessage:
    result = await member.slash(world.channel, "imagine-sound settings")
    assert result.ephemeral
    if page:
        assert result.response is not None
        result = await member.click(result.response, custom_id=f"settings:page:{page}")
    assert result.response is not None
    return result.response


async def settings(world: World) -> GuildSettings:
    return await world.bot.services.store.servers.settings(world.guild.id)


@pytest.fixture
def manager(world: World) -> MemberActor:
    return world.moderator(manage_guild=True)


async def test_panel_is_for_those_who_may_manage_the_server(world: World) -> None:
    refused = await open_panel(world, world.alice)

    assert "Manage Server" in text_of(refused)
    assert buttons_of(refused) == {}


async def test_there_are_no_settings_in_direct_messages(world: World) -> None:
    result = await world.alice.user.slash("imagine-sound settings")

    assert result.response is not None
    assert "belong to a server" in text_of(result.response)


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
async def test_where_to_listen(world: World, manager: MemberActor, restart: bool) -> None:
    panel = await open_panel(world, manager)
    if restart:
        await world.restart()

    await manager.select(panel, ["nowhere"], custom_id="settings:listening")

    assert (await settings(world)).listening is Listening.NOWHERE
    await world.post_voice_note(world.alice, world.channel)
    assert world.channel.threads == []


async def test_mention_where_only_commands_are_answered_says_so(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening=Listening.NOWHERE)

    await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")

    (answer,) = world.said(world.channel)
    assert "commands only" in text_of(answer)
    assert await world.jobs_kept() == 0


async def test_choosing_channels_means_to_listen_there_only(world: World, manager: MemberActor) -> None:
    other = world.guild.create_text_channel("sounds")
    panel = await open_panel(world, manager)

    await manager.select(panel, [other], custom_id="settings:channels")

    assert (await settings(world)).listening is Listening.CHOSEN
    await world.post_voice_note(world.alice, world.channel)
    await world.post_voice_note(world.alice, other)
    assert world.channel.threads == []
    assert len(other.threads) == 1
    await world.post_voice_note(world.alice, world.thread_of(other))
    assert len(world.said(world.thread_of(other))) == 2


async def test_default_style(world: World, manager: MemberActor) -> None:
    await manager.select(await open_panel(world, manager), [Style.COMIC.value], custom_id="settings:style")

    await world.post_voice_note(world.alice, world.channel)

    assert "comic book panel" in world.painter.orders[0].request.prompt.text


async def test_films_are_switched_off_and_on(world: World, manager: MemberActor) -> None:
    panel = await open_panel(world, manager, page=1)
    await manager.select(panel, ["never"], custom_id="settings:films")
    assert (await settings(world)).films is Films.NEVER
    panel = await open_panel(world, manager, page=1)
    await manager.select(panel, ["made"], custom_id="settings:films")
    assert (await settings(world)).films is Films.MADE


async def test_who_may_use_it(world: World, manager: MemberActor) -> None:
    role = world.guild.create_role("Painters")

    await manager.select(await open_panel(world, manager), [role], custom_id="settings:roles")

    assert (await settings(world)).roles == (role.id,)


async def test_block_list(world: World, manager: MemberActor) -> None:
    for somebody in (world.alice, world.bob):
        await manager.select(await open_panel(world, manager), [somebody], custom_id="settings:block")
    assert await world.bot.services.store.servers.blocked(world.guild.id) == (world.alice.id, world.bob.id)
    assert f"<@{world.alice.id}>, <@{world.bob.id}>" in text_of(await open_panel(world, manager))

    await manager.select(await open_panel(world, manager, page=1), [world.alice], custom_id="settings:unblock")
    assert await world.bot.services.store.servers.blocked(world.guild.id) == (world.bob.id,)


async def test_block_list_has_no_end(world: World, manager: MemberActor) -> None:
    await world.bot.services.store.servers.block(world.guild.id, range(1, 301))
    await manager.select(await open_panel(world, manager), [world.alice], custom_id="settings:block")
    assert len(await world.bot.services.store.servers.blocked(world.guild.id)) == 301
    assert "(+251)" in text_of(await open_panel(world, manager))


async def enter(world: World, manager: MemberActor, seconds: str, hour: str) -> InteractionResult:
    shown = await manager.click(await open_panel(world, manager, page=1), label="Change the numbers")
    assert shown.modal is not None
    fields = [label["component"]["custom_id"] for label in shown.modal["components"]]
    return await manager.submit_modal(shown, {fields[0]: seconds, fields[1]: hour})


async def test_seconds_and_pictures_an_hour(world: World, manager: MemberActor) -> None:
    await enter(world, manager, "2,5", "1")

    chosen = await settings(world)
    assert (chosen.seconds, chosen.pictures_per_user_hour) == (2.5, 1)
    await world.post_voice_note(world.alice, world.channel, noise(5))
    assert (await world.heard()).duration_s == 2.5
    await world.post_voice_note(world.alice, world.channel)
    assert await world.jobs_kept() == 1


async def test_empty_numbers_mean_the_default(world: World, manager: MemberActor) -> None:
    await enter(world, manager, "2", "1")
    await enter(world, manager, "", "")

    chosen = await settings(world)
    assert (chosen.seconds, chosen.pictures_per_user_hour) == (None, None)


@pytest.mark.parametrize(("seconds", "hour"), [("many", ""), ("", "1.5"), ("0", ""), ("9999", ""), ("", "0")])
async def test_nonsense_numbers_are_explained(world: World, manager: MemberActor, seconds: str, hour: str) -> None:
    result = await enter(world, manager, seconds, hour)

    assert result.ephemeral
    assert result.response is not None
    assert "please" in text_of(result.response)
    assert await settings(world) == GuildSettings()


async def test_log_channel(world: World, manager: MemberActor) -> None:
    await manager.select(await open_panel(world, manager, page=1), [world.channel], custom_id="settings:log_channel")
    assert (await settings(world)).log_channel == world.channel.id
    await manager.select(await open_panel(world, manager, page=1), [], custom_id="settings:log_channel")
    assert (await settings(world)).log_channel is None


@pytest.mark.parametrize(("chosen", "painted"), [(["*"], 2), (["ink"], 1), ([], 0)])
async def test_adapters_that_may_be_chosen(
    world: World, manager: MemberActor, monkeypatch: pytest.MonkeyPatch, chosen: list[str], painted: int
) -> None:
    monkeypatch.setattr(world.bot.services.engine, "adapters", lambda: ("face", "ink", "x" * 101))
    await manager.select(await open_panel(world, manager), chosen, custom_id="settings:adapters")

    results = [
        await world.alice.slash(world.channel, "imagine-sound file", recording=("a.wav", noise()), adapter=name)
        for name in ("face", "ink")
    ]
    offered = await world.alice.autocomplete(world.channel, "imagine-sound file", "adapter", "")

    assert [order.request.adapter for order in world.painter.orders] == (["face", "ink"][2 - painted :])
    assert len(offered) == painted
    if painted < 2:
        refused = results[0].response
        assert refused is not None
        assert "have not allowed that adapter" in text_of(refused)


async def test_rights_that_were_taken_away_end_an_open_panel(world: World, manager: MemberActor) -> None:
    panel = await open_panel(world, manager)
    world.env.backend.get_guild(world.guild.id).members[manager.id].role_ids.clear()

    result = await manager.select(panel, ["nowhere"], custom_id="settings:listening")

    assert result.response is not None
    assert "Manage Server" in text_of(result.response)
    assert await settings(world) == GuildSettings()


async def test_more_settings_than_a_message_holds_are_on_pages(
    world: World, manager: MemberActor, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [*SETTINGS]
    for number in range(15):
        look = partial(button_of_setting, name=f"new_{chr(97 + number)}")
        many.insert(0, Setting(f"new_{chr(97 + number)}", lambda _, t: Markdown("new"), look, done))
    monkeypatch.setattr(settings_panel, "SETTINGS", many)

    first = await open_panel(world, manager)
    assert "settings:page:2" in buttons_of(first).values()
    shown = await manager.click(first, custom_id="settings:page:1")
    assert shown.response is not None
    await manager.select(shown.response, ["nowhere"], custom_id="settings:listening")

    assert (await settings(world)).listening is Listening.NOWHERE


def button_of_setting(_: PanelState, t: Translation, name: str) -> ui.Item[Any]:
    return ui.Button(label=name, custom_id=f"settings:{name}")


async def done(interaction: Interaction, item: ui.Item[Any]) -> None:
    """Nothing is changed."""


async def test_settings_outlive_a_restart(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, style=Style.COMIC)

    await world.restart()

    assert (await settings(world)).style is Style.COMIC
