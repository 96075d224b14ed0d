"""What is done with submitted editors: found by their custom id, so that any number of people may have one open, also
across a restart. The library keeps only one of each id, and forgets it when the first person is through.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord
from discord.ext import commands

from bot.requests.answering import tell_fault
from bot.requests.services import Interaction

Act = Callable[[Interaction, re.Match[str], Mapping[str, str]], Awaitable[None]]
"""Takes the interaction, the match of its custom id, and the fields' texts and choices by their custom ids."""


class Editors(commands.Cog):
    """Listens for submitted editors; `acts` says what each pattern of custom ids does."""

    def __init__(self, acts: Mapping[str, Act]) -> None:
        self._acts = {re.compile(pattern): act for pattern, act in acts.items()}

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        """Do what the editor is for. What goes wrong is told to the one who submitted it."""
        if interaction.type is not discord.InteractionType.modal_submit:
            return
        data: Mapping[str, Any] = dict(interaction.data or {})
        for pattern, act in self._acts.items():
            if match := pattern.fullmatch(str(data.get("custom_id"))):
                try:
                    await act(interaction, match, _fields(data.get("components") or ()))
                except Exception as error:
                    await tell_fault(interaction, error)


def _fields(components: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The texts, or what was chosen, by their fields' custom ids."""
    fields = [component.get("component") or component for component in components]
    return {str(field["custom_id"]): _value(field) for field in fields if "custom_id" in field}


def _value(field: Mapping[str, Any]) -> str:
    return str(next(iter(field.get("values") or ()), None) or field.get("value") or "")
