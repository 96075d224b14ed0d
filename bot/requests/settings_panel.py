"""The panel that a server's moderators find under `/imagine-sound settings`; only they see it.

`settings_table.py` says which settings there are; one control serves them all. It knows its setting by its custom id,
so that a panel works as long as it is on somebody's screen, also after a restart. The table is cut into pages, since a
message holds so many components.
"""

import re
from collections.abc import Mapping
from typing import Any, Self

from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import Markdown, display, formatted
from bot.requests.answering import language_of, telling_faults
from bot.requests.services import Interaction
from bot.requests.settings_table import SETTINGS, PanelState
from bot.views.layouts import new_container, new_layout

SETTINGS_A_PAGE = 10
"""Each takes three of the forty components that Discord allows in a message."""


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
            changes = await setting.act(interaction, self.item)
            if changes is not None:
                await _change(interaction, setting.name, **changes)


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


def _page_of(name: str) -> int:
    """The page that a setting is on."""
    return [setting.name for setting in SETTINGS].index(name) // SETTINGS_A_PAGE


async def _change(interaction: Interaction, name: str, **changes: object) -> None:
    """Write the changes down and show the page of the setting `name` again."""
    assert interaction.guild_id is not None
    if changes:
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
    container = new_container()
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
