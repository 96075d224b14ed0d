"""The settings that a server's moderators find under `/imagine-sound settings`: a panel that only they see.

A table says which settings there are, how each looks and what choosing changes; one control serves them all. It knows
its setting by its custom id, so that a panel works as long as it is on somebody's screen, also after a restart. The
table is cut into pages, since a message holds so many components.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import discord
from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import Markdown, display, formatted, mention
from bot.requests.answering import language_of, telling_faults
from bot.requests.services import Interaction, Services
from bot.storage.records import GuildSettings, Listening, OwnWords
from bot.views.editors import numbers_editor, words_editor
from bot.views.layouts import ACCENT, new_layout
from bot.views.texts import Translation
from core.prompting.styles import Style

MOST_PICKED = 25
"""Discord's limit for one select."""

MOST_NAMED = 50
"""So many blocked people are named."""

SETTINGS_A_PAGE = 10
"""Each takes three of the forty components that Discord allows in a message."""


@dataclass(frozen=True)
class PanelState:
    """What a panel shows: the server's choices, and the bot's own where it made none."""

    chosen: GuildSettings
    blocked: tuple[int, ...]
    seconds: float
    pictures_per_user_hour: int

    @classmethod
    async def of(cls, services: Services, guild_id: int) -> Self:
        """The state of a server."""
        chosen = await services.store.servers.settings(guild_id)
        most = services.settings.pictures_per_user_hour
        return cls(
            chosen,
            await services.store.servers.blocked(guild_id),
            chosen.seconds if chosen.seconds is not None else services.engine.settings.max_seconds,
            min(most, chosen.pictures_per_user_hour or most),
        )


Act = Callable[[Interaction, Any], Awaitable[None]]
"""Takes the interaction and the control that was used."""


@dataclass(frozen=True)
class Setting:
    """One line of the panel. `item` has the custom id `settings:<name>`; `act` is what using it does."""

    name: str
    label: Callable[[PanelState, Translation], Markdown]
    item: Callable[[PanelState, Translation], ui.Item[Any]]
    act: Act


async def show_settings(interaction: Interaction) -> None:
    """The panel, for those with Manage Server."""
    t = language_of(interaction)
    if interaction.guild_id is None or not interaction.client.services.places.is_in(interaction.guild_id):
        await calls.answer(interaction, t("settings.server_only"))
    elif not interaction.permissions.manage_guild:
        await calls.answer(interaction, t("settings.managers_only"))
    else:
        await calls.answer_with(interaction, await _build_panel(interaction, page=0))


class SettingControl(ui.DynamicItem[ui.Item[Any]], template=r"settings:(?P<name>[a-z_]+)"):
    """Whatever control of the panel was used; the table knows what it does."""

    def __init__(self, item: ui.Item[Any], name: str) -> None:
        super().__init__(item)
        self.name = name

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The control that was used."""
        return cls(item, match["name"])

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """Do what the table says, for those who may."""
        setting = next((setting for setting in SETTINGS if setting.name == self.name), None)
        if setting is not None and await _may_change(interaction):
            await setting.act(interaction, self.item)


class PageButton(ui.DynamicItem[ui.Button[Any]], template=r"settings:page:(?P<page>\d+)"):
    """Turns to another page of the panel."""

    def __init__(self, item: ui.Button[Any], page: int) -> None:
        super().__init__(item)
        self.page = page

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The button that was clicked."""
        assert isinstance(item, ui.Button)
        return cls(item, int(match["page"]))

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """Show that page."""
        if await _may_change(interaction):
            await _show_page(interaction, self.page)


async def change_numbers(interaction: Interaction, _: re.Match[str], fields: Mapping[str, str]) -> None:
    """Take over the numbers of the editor, or say what is wrong with them; empty means the bot's own default."""
    t = language_of(interaction)
    services = interaction.client.services
    most, most_pictures = services.engine.settings.max_seconds, services.settings.pictures_per_user_hour
    seconds_text, hour_text = (fields.get(name, "").strip() for name in ("seconds", "hour"))
    try:
        seconds = float(seconds_text.replace(",", ".")) if seconds_text else None
        hour = int(hour_text) if hour_text else None
    except ValueError:
        await calls.answer(interaction, t("settings.no_number"))
        return
    if (seconds is not None and not 1 <= seconds <= most) or (hour is not None and not 1 <= hour <= most_pictures):
        await calls.answer(
            interaction, t("settings.out_of_range", seconds=formatted(most, "g"), pictures=most_pictures)
        )
        return
    if await _may_change(interaction):
        await _change(interaction, "numbers", seconds=seconds, pictures_per_user_hour=hour)


async def change_words(interaction: Interaction, _: re.Match[str], fields: Mapping[str, str]) -> None:
    """Take over the words of the editor, a line each."""
    lines = (line.strip() for line in fields.get("words", "").splitlines())
    if await _may_change(interaction):
        await _change(interaction, "words", refused_words=tuple(dict.fromkeys(line for line in lines if line)))


def _listening(state: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.Select(
        options=_options("listening", Listening, state.chosen.listening, t), custom_id="settings:listening"
    )


async def _choose_listening(interaction: Interaction, item: ui.Select[Any]) -> None:
    await _change(interaction, "listening", listening=Listening(item.values[0]))


def _channels(state: PanelState, t: Translation) -> ui.Item[Any]:
    kinds = [discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.voice]
    kinds += [discord.ChannelType.forum, discord.ChannelType.stage_voice]
    return ui.ChannelSelect(
        channel_types=kinds,
        min_values=0,
        max_values=MOST_PICKED,
        placeholder=t("settings.channels"),
        default_values=_picked(state.chosen.channels, discord.SelectDefaultValueType.channel),
        custom_id="settings:channels",
    )


async def _choose_channels(interaction: Interaction, item: ui.ChannelSelect[Any]) -> None:
    """Choosing some means to listen only there."""
    chosen = tuple(channel.id for channel in item.values)
    listening = {"listening": Listening.CHOSEN} if chosen else {}
    await _change(interaction, "channels", channels=chosen, **listening)


def _style(state: PanelState, t: Translation) -> ui.Item[Any]:
    options = _options("style", Style, state.chosen.style, t)
    return ui.Select(options=options, placeholder=t("settings.style"), custom_id="settings:style")


async def _choose_style(interaction: Interaction, item: ui.Select[Any]) -> None:
    await _change(interaction, "style", style=Style(item.values[0]))


def _roles(state: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.RoleSelect(
        min_values=0,
        max_values=MOST_PICKED,
        placeholder=t("settings.roles"),
        default_values=_picked(state.chosen.roles, discord.SelectDefaultValueType.role),
        custom_id="settings:roles",
    )


async def _choose_roles(interaction: Interaction, item: ui.RoleSelect[Any]) -> None:
    """None chosen means everybody."""
    await _change(interaction, "roles", roles=tuple(role.id for role in item.values))


def _block(_: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.UserSelect(max_values=MOST_PICKED, placeholder=t("settings.block"), custom_id="settings:block")


def _unblock(_: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.UserSelect(max_values=MOST_PICKED, placeholder=t("settings.unblock"), custom_id="settings:unblock")


def _current_blocked(state: PanelState, t: Translation) -> Markdown:
    """Whom the server does not want served; the list may be longer than a message."""
    shown = ", ".join(mention(user_id) for user_id in state.blocked[:MOST_NAMED])
    more = f" … (+{len(state.blocked) - MOST_NAMED})" if len(state.blocked) > MOST_NAMED else ""
    return Markdown(f"{t('settings.blocked')}: {shown or '–'}{more}")


async def _add_blocked(interaction: Interaction, item: ui.UserSelect[Any]) -> None:
    assert interaction.guild_id is not None
    await interaction.client.services.store.servers.block(interaction.guild_id, [user.id for user in item.values])
    await _show_page(interaction, _page_of("block"))


async def _remove_blocked(interaction: Interaction, item: ui.UserSelect[Any]) -> None:
    assert interaction.guild_id is not None
    await interaction.client.services.store.servers.unblock(interaction.guild_id, [user.id for user in item.values])
    await _show_page(interaction, _page_of("unblock"))


def _numbers(_: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.Button(label=t("settings.numbers"), emoji="🔢", custom_id="settings:numbers")


def _current_numbers(state: PanelState, t: Translation) -> Markdown:
    return t("settings.current_numbers", seconds=formatted(state.seconds, "g"), hour=state.pictures_per_user_hour)


def _own_words(state: PanelState, t: Translation) -> ui.Item[Any]:
    options = _options("own_words", OwnWords, state.chosen.own_words, t)
    return ui.Select(options=options, custom_id="settings:own_words")


async def _choose_own_words(interaction: Interaction, item: ui.Select[Any]) -> None:
    await _change(interaction, "own_words", own_words=OwnWords(item.values[0]))


def _words(_: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.Button(label=t("settings.edit_words"), emoji="🚫", custom_id="settings:words")


def _current_words(state: PanelState, t: Translation) -> Markdown:
    """How many, but not which: the panel may be on a screen that others see."""
    return t("settings.words", count=len(state.chosen.refused_words))


def _opens(
    editor_of: Callable[[GuildSettings, Translation], ui.Modal],
) -> Callable[[Interaction, Any], Awaitable[None]]:
    """An act that opens an editor, filled with what is chosen."""

    async def act(interaction: Interaction, _: Any) -> None:
        chosen = await interaction.client.services.store.servers.settings(interaction.guild_id)
        editor = editor_of(chosen, language_of(interaction))
        await calls.attempt_quietly(interaction.response.send_modal(editor), "show an editor")

    return act


def _named(key: str) -> Callable[[PanelState, Translation], Markdown]:
    return lambda _, t: t(key)


SETTINGS: Sequence[Setting] = (
    Setting("listening", _named("settings.listening"), _listening, _choose_listening),
    Setting("channels", _named("settings.channels"), _channels, _choose_channels),
    Setting("style", _named("settings.style"), _style, _choose_style),
    Setting("roles", _named("settings.roles"), _roles, _choose_roles),
    Setting("block", _current_blocked, _block, _add_blocked),
    Setting("unblock", _named("settings.unblock"), _unblock, _remove_blocked),
    Setting("own_words", _named("settings.own_words"), _own_words, _choose_own_words),
    Setting("words", _current_words, _words, _opens(words_editor)),
    Setting("numbers", _current_numbers, _numbers, _opens(numbers_editor)),
)


def _options(
    key: str, members: Iterable[StrEnum], chosen: StrEnum | None, t: Translation
) -> list[discord.SelectOption]:
    """One for each member, called by the text `<key>.<value>`."""
    return [
        discord.SelectOption(label=t(f"{key}.{member.value}"), value=member.value, default=member is chosen)
        for member in members
    ]


def _picked(ids: Sequence[int], kind: discord.SelectDefaultValueType) -> list[discord.SelectDefaultValue]:
    """What a select shows as chosen."""
    return [discord.SelectDefaultValue(id=number, type=kind) for number in ids[:MOST_PICKED]]


def _page_of(name: str) -> int:
    """The page that a setting is on."""
    return [setting.name for setting in SETTINGS].index(name) // SETTINGS_A_PAGE


async def _change(interaction: Interaction, name: str, **changes: object) -> None:
    """Write the changes down and show the page of the setting `name` again."""
    assert interaction.guild_id is not None
    await interaction.client.services.store.servers.change(interaction.guild_id, **changes)
    await _show_page(interaction, _page_of(name))


async def _may_change(interaction: Interaction) -> bool:
    """Rights may have been taken away since the panel was opened."""
    if interaction.guild_id is not None and interaction.permissions.manage_guild:
        return True
    await calls.answer(interaction, language_of(interaction)("settings.managers_only"))
    return False


async def _show_page(interaction: Interaction, page: int) -> None:
    """The panel with what has changed, in place of the old one."""
    panel = await _build_panel(interaction, page=page)
    await calls.attempt_quietly(interaction.response.edit_message(view=panel), "show the settings again")


async def _build_panel(interaction: Interaction, *, page: int) -> ui.LayoutView:
    assert interaction.guild_id is not None
    t = language_of(interaction)
    state = await PanelState.of(interaction.client.services, interaction.guild_id)
    view = new_layout()
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=ACCENT)
    view.add_item(container)
    container.add_item(display(Markdown(f"### {t('settings.title')}")))
    if not interaction.client.services.settings.message_content:
        container.add_item(display(t("settings.no_content")))
    for setting in SETTINGS[page * SETTINGS_A_PAGE : (page + 1) * SETTINGS_A_PAGE]:
        container.add_item(display(setting.label(state, t)))
        container.add_item(ui.ActionRow(setting.item(state, t)))
    pages = range((len(SETTINGS) - 1) // SETTINGS_A_PAGE + 1)
    if len(pages) > 1:
        turning = ui.ActionRow[ui.LayoutView]()
        for other in pages:
            turning.add_item(
                ui.Button(label=str(other + 1), custom_id=f"settings:page:{other}", disabled=other == page)
            )
        container.add_item(turning)
    return view
