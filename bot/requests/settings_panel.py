"""The settings that a server's moderators find under `/imagine-sound settings`: a panel that only they see.

Each control changes one setting at once. The controls know their setting by their custom id, so that a panel works as
long as it is on somebody's screen, also after a restart.
"""

import re
from typing import Any, Self

import discord
from discord import ui

from bot.client import ImagineBot
from bot.discord_api import calls as discord_calls
from bot.storage.records import GuildSettings, Listening
from bot.views.texts import Speaker
from core.prompting.styles import Style

Interaction = discord.Interaction[ImagineBot]

MOST_PICKED = 25
"""Discord's limit for one select."""


def _picked(ids: tuple[int, ...], kind: str) -> list[discord.SelectDefaultValue]:
    """What a select shows as chosen."""
    return [discord.SelectDefaultValue(id=i, type=discord.SelectDefaultValueType[kind]) for i in ids]


async def show_settings(interaction: Interaction) -> None:
    """The panel, for those with Manage Server."""
    say = interaction.client.texts.speaker(interaction.locale)
    if interaction.guild_id is None or interaction.client.get_guild(interaction.guild_id) is None:
        await discord_calls.answer(interaction, say("settings.server_only"))
    elif not interaction.permissions.manage_guild:
        await discord_calls.answer(interaction, say("settings.managers_only"))
    else:
        await discord_calls.answer_with(interaction, await _build_panel(interaction.client, interaction.guild_id, say))


class ListeningSelect(ui.DynamicItem[ui.Select[Any]], template=r"settings:listening"):
    """Where to listen."""

    def __init__(self, current: Listening = Listening.EVERYWHERE, say: Speaker | None = None) -> None:
        options = [
            discord.SelectOption(
                label=say(f"listening.{mode.value}") if say else mode.value, value=mode.value, default=mode is current
            )
            for mode in Listening
        ]
        super().__init__(ui.Select(options=options, custom_id="settings:listening"))

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The select that was used."""
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Change where to listen."""
        await _change(interaction, listening=Listening(self.item.values[0]))


class ChannelsSelect(ui.DynamicItem[ui.ChannelSelect[Any]], template=r"settings:channels"):
    """The chosen channels."""

    def __init__(self, current: tuple[int, ...] = (), say: Speaker | None = None) -> None:
        kinds = [discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.voice]
        kinds += [discord.ChannelType.forum, discord.ChannelType.stage_voice]
        select: ui.ChannelSelect[Any] = ui.ChannelSelect(
            channel_types=kinds,
            min_values=0,
            max_values=MOST_PICKED,
            placeholder=say("settings.channels") if say else None,
            default_values=[
                discord.SelectDefaultValue(id=i, type=discord.SelectDefaultValueType.channel) for i in current
            ],
            custom_id="settings:channels",
        )
        super().__init__(select)

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The select that was used."""
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Choose channels; choosing some means to listen only there."""
        chosen = tuple(channel.id for channel in self.item.values)
        listening = {"listening": Listening.CHOSEN} if chosen else {}
        await _change(interaction, channels=chosen, **listening)


class DefaultStyleSelect(ui.DynamicItem[ui.Select[Any]], template=r"settings:style"):
    """The style of pictures for which nobody chose one."""

    def __init__(self, current: Style | None = None, say: Speaker | None = None) -> None:
        options = [
            discord.SelectOption(
                label=say(f"style.{style.value}") if say else style.value, value=style.value, default=style is current
            )
            for style in Style
        ]
        placeholder = say("settings.style") if say else None
        super().__init__(ui.Select(options=options, placeholder=placeholder, custom_id="settings:style"))

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The select that was used."""
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Change the default style."""
        await _change(interaction, style=Style(self.item.values[0]))


class RolesSelect(ui.DynamicItem[ui.RoleSelect[Any]], template=r"settings:roles"):
    """Who may use the bot."""

    def __init__(self, current: tuple[int, ...] = (), say: Speaker | None = None) -> None:
        select: ui.RoleSelect[Any] = ui.RoleSelect(
            min_values=0,
            max_values=MOST_PICKED,
            placeholder=say("settings.roles") if say else None,
            default_values=[
                discord.SelectDefaultValue(id=i, type=discord.SelectDefaultValueType.role) for i in current
            ],
            custom_id="settings:roles",
        )
        super().__init__(select)

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The select that was used."""
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Change who may use the bot; none chosen means everybody."""
        await _change(interaction, roles=tuple(role.id for role in self.item.values))


class BlockedSelect(ui.DynamicItem[ui.UserSelect[Any]], template=r"settings:blocked"):
    """Whom the bot does not serve here."""

    def __init__(self, current: tuple[int, ...] = (), say: Speaker | None = None) -> None:
        select: ui.UserSelect[Any] = ui.UserSelect(
            min_values=0,
            max_values=MOST_PICKED,
            placeholder=say("settings.blocked") if say else None,
            default_values=[
                discord.SelectDefaultValue(id=i, type=discord.SelectDefaultValueType.user) for i in current
            ],
            custom_id="settings:blocked",
        )
        super().__init__(select)

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The select that was used."""
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Replace the block list."""
        if await _may_change(interaction) and interaction.guild_id is not None:
            await interaction.client.store.set_blocked(interaction.guild_id, [user.id for user in self.item.values])
            await _show_again(interaction)


class NumbersButton(ui.DynamicItem[ui.Button[Any]], template=r"settings:numbers"):
    """Opens the editor for what is a number."""

    def __init__(self, say: Speaker | None = None) -> None:
        label = say("settings.numbers") if say else None
        super().__init__(ui.Button(label=label, emoji="🔢", custom_id="settings:numbers"))

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The button that was clicked."""
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Show the editor, filled in."""
        if not await _may_change(interaction):
            return
        bot = interaction.client
        editor = NumbersEditor(await bot.store.guild(interaction.guild_id), bot.texts.speaker(interaction.locale))
        await discord_calls.attempt_quietly(interaction.response.send_modal(editor), "show an editor")


class NumbersEditor(ui.Modal):
    """Seconds listened to and pictures an hour; empty means the bot's own default."""

    def __init__(self, settings: GuildSettings, say: Speaker) -> None:
        super().__init__(title=say("settings.numbers"), custom_id="settings:numbers:editor")
        self.seconds: ui.TextInput[Any] = ui.TextInput(
            default=f"{settings.seconds:g}" if settings.seconds is not None else None, required=False, max_length=5
        )
        self.hour: ui.TextInput[Any] = ui.TextInput(
            default=str(settings.pictures_per_user_hour or "") or None, required=False, max_length=5
        )
        self.add_item(ui.Label(text=say("settings.seconds"), component=self.seconds))
        self.add_item(ui.Label(text=say("settings.hour"), component=self.hour))

    async def on_submit(self, interaction: Interaction, /) -> None:  # type: ignore[override]
        """Take over the numbers, or say what is wrong with them."""
        bot = interaction.client
        say = bot.texts.speaker(interaction.locale)
        most = bot.engine.settings.max_seconds
        try:
            seconds = float(self.seconds.value.replace(",", ".")) if self.seconds.value.strip() else None
            hour = int(self.hour.value) if self.hour.value.strip() else None
        except ValueError:
            await discord_calls.answer(interaction, say("settings.no_number"))
            return
        if (seconds is not None and not 1 <= seconds <= most) or (hour is not None and not 1 <= hour <= 10_000):
            await discord_calls.answer(interaction, say("settings.out_of_range", seconds=f"{most:g}"))
            return
        await _change(interaction, seconds=seconds, pictures_per_user_hour=hour)


async def _change(interaction: Interaction, **changes: object) -> None:
    if await _may_change(interaction) and interaction.guild_id is not None:
        await interaction.client.store.change_guild(interaction.guild_id, **changes)
        await _show_again(interaction)


async def _may_change(interaction: Interaction) -> bool:
    """Rights may have been taken away since the panel was opened."""
    if interaction.permissions.manage_guild:
        return True
    say = interaction.client.texts.speaker(interaction.locale)
    await discord_calls.answer(interaction, say("settings.managers_only"))
    return False


async def _show_again(interaction: Interaction) -> None:
    """The panel with what has changed, in place of the old one."""
    assert interaction.guild_id is not None
    say = interaction.client.texts.speaker(interaction.locale)
    panel = await _build_panel(interaction.client, interaction.guild_id, say)
    await discord_calls.attempt_quietly(interaction.response.edit_message(view=panel), "show the settings again")


async def _build_panel(bot: ImagineBot, guild_id: int, say: Speaker) -> ui.LayoutView:
    settings = await bot.store.guild(guild_id)
    blocked = await bot.store.blocked(guild_id)
    view = ui.LayoutView(timeout=None)
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=discord.Colour(0x5865F2))
    view.add_item(container)
    seconds = settings.seconds if settings.seconds is not None else bot.engine.settings.max_seconds
    hour = settings.pictures_per_user_hour or bot.settings.pictures_per_user_hour
    parts: list[tuple[str, ui.Item[Any]]] = [
        (say("settings.listening"), ListeningSelect(settings.listening, say)),
        (say("settings.channels"), ChannelsSelect(settings.channels, say)),
        (say("settings.style"), DefaultStyleSelect(settings.style, say)),
        (say("settings.roles"), RolesSelect(settings.roles, say)),
        (say("settings.blocked"), BlockedSelect(blocked, say)),
        (say("settings.current_numbers", seconds=f"{seconds:g}", hour=hour), NumbersButton(say)),
    ]
    container.add_item(ui.TextDisplay(f"### {say('settings.title')}"))
    if not bot.intents.message_content:
        container.add_item(ui.TextDisplay(say("settings.no_content")))
    for text, item in parts:
        container.add_item(ui.TextDisplay(text)).add_item(ui.ActionRow(item))
    return view


CONTROLS = (ListeningSelect, ChannelsSelect, DefaultStyleSelect, RolesSelect, BlockedSelect, NumbersButton)
"""What the bot must know to answer a panel that was opened before a restart."""
