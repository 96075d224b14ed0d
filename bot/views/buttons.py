"""The buttons and the select under a job's message, and how they are recognised again.

Pure functions from (what, job, language) to an item with its custom id, and the patterns of these ids. What a control
does when it is used is not known here.
"""

from typing import Any

import discord
from discord import ui

from bot.views.texts import Translation
from core.prompting.styles import Style

_LOOKS = {
    "again": ("🎲", discord.ButtonStyle.primary),
    "edit": ("✏️", discord.ButtonStyle.secondary),
    "heard": ("👂", discord.ButtonStyle.secondary),
    "recipe": ("📜", discord.ButtonStyle.secondary),
    "report": ("🚩", discord.ButtonStyle.secondary),
    "delete": ("🗑️", discord.ButtonStyle.secondary),
    "cancel": ("✖️", discord.ButtonStyle.danger),
}

JOB_BUTTON = rf"job:(?P<what>{'|'.join(_LOOKS)}):(?P<job>\d+)"
STYLE_SELECT = r"job:style:(?P<job>\d+)"
PRIVACY_BUTTON = r"privacy:(?P<what>forget|unheard|heard|export)"


def job_button(what: str, job_id: int, t: Translation) -> ui.Button[Any]:
    """One of the buttons in `_LOOKS`."""
    emoji, style = _LOOKS[what]
    return ui.Button(label=t(f"button.{what}"), emoji=emoji, style=style, custom_id=f"job:{what}:{job_id}")


def style_select(job_id: int, t: Translation) -> ui.Select[Any]:
    """A choice of styles to paint what was heard in."""
    options = [discord.SelectOption(label=t(f"style.{style.value}"), value=style.value) for style in Style]
    return ui.Select(placeholder=t("select.style"), options=options, custom_id=f"job:style:{job_id}")


def privacy_button(what: str, t: Translation) -> ui.Button[Any]:
    """What a person can do about what is kept of them: `forget`, `unheard`, `heard` or `export`."""
    style = discord.ButtonStyle.danger if what == "forget" else discord.ButtonStyle.secondary
    return ui.Button(label=t(f"button.{what}" if what != "heard" else "button.heard_again"), style=style,
                     custom_id=f"privacy:{what}")  # fmt: skip
