"""In which language people are spoken to where others read it, too: known from what they chose and what they speak.

Discord tells what somebody speaks with interactions only, so that the last one is remembered. What one person alone
reads is in the language of their client, and not decided here.
"""

import logging
import re
from typing import Any

import discord
from discord.ext import commands

from bot.requests.services import ServiceClient, Services
from bot.storage.writer import CannotWrite
from bot.views.buttons import PRIVACY_BUTTON
from bot.views.texts import Translation

log = logging.getLogger(__name__)

WRITTEN_WITHIN_S = 10.0


async def public_language(
    services: Services, guild: discord.Guild | None, asker: discord.abc.User | None
) -> Translation:
    """What the server chose; or what the asker speaks, if there is one of whom it is known; or the server's own."""
    chosen = (await services.store.servers.settings(guild.id)).language if guild is not None else None
    spoken = await services.store.people.locale(asker.id) if asker is not None and chosen is None else None
    own = guild.preferred_locale if guild is not None else discord.Locale.american_english
    return services.texts.translation(chosen or spoken or own)


class Languages(commands.Cog):
    """Remembers what people speak."""

    def __init__(self, client: ServiceClient) -> None:
        self._people = client.services.store.people

    @commands.Cog.listener()
    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        """Any interaction; but pressing *Forget me* leaves nothing."""
        data: Any = interaction.data or {}
        if re.fullmatch(PRIVACY_BUTTON, data.get("custom_id", "")):
            return
        try:
            await self._people.note_locale(interaction.user.id, str(interaction.locale), within_s=WRITTEN_WITHIN_S)
        except CannotWrite as error:
            log.warning("what somebody speaks could not be noted: %s", error)
