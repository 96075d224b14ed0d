"""What is kept about a person, told to them, with a button to have it deleted."""

import re
from typing import Any, Self

from discord import ui

from bot.discord_api import calls
from bot.requests.answering import language_of, telling_faults
from bot.requests.services import Interaction
from bot.views.buttons import FORGET_BUTTON, forget_button
from bot.views.layouts import new_layout


async def show_privacy(interaction: Interaction) -> None:
    """What is kept, how long, and the button."""
    t = language_of(interaction)
    view = new_layout()
    view.add_item(ui.TextDisplay(t("privacy", days=f"{interaction.client.services.settings.keep_days:g}")))
    view.add_item(ui.ActionRow(forget_button(t)))
    await calls.answer_with(interaction, view)


class ForgetButton(ui.DynamicItem[ui.Button[Any]], template=FORGET_BUTTON):
    """Deletes what is kept about the one who clicks."""

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The button that was clicked."""
        assert isinstance(item, ui.Button)
        return cls(item)

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """Give up and forget everything that the person asked for."""
        if await calls.acknowledge_privately(interaction):
            count = await interaction.client.services.jobs.forget_user(interaction.user.id)
            await calls.answer(interaction, language_of(interaction)("answer.forgot", count=count))
