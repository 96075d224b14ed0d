"""The buttons under a job's message and behind *⋯*, and how they are recognised again.

Pure functions from (what, job, language) to an item with its custom id, and the patterns of these ids. What a control
does when it is used is not known here.
"""

from typing import Any

import discord
from discord import ui

from bot.storage.records import SpeechChoice
from bot.views.texts import Translation

PICKS = ("pick1", "pick2", "pick3", "pick4")
"""They choose one of the pictures above them."""
WHATS = (
    "again", "four", "four_told", "closer", *PICKS, "larger", "change", "more",
    "silence", "understood", "say", "sounds", "film", "film_told", "recipe", "report", "delete", "cancel",
)  # fmt: skip
FORMERLY = {"edit": "change", "heard": "more"}
"""What buttons of older messages mean."""

JOB_BUTTON = rf"job:(?P<what>{'|'.join((*WHATS, *FORMERLY))}):(?P<job>\d+)"
GALLERY_BUTTON = r"gallery:(?P<what>share|star|unstar):(?P<job>\d+)"
MINE_BUTTON = r"mine:delete:(?P<job>\d+)"
SPEECH_SELECT = "privacy:speech"
PRIVACY_BUTTON = r"privacy:(?P<what>forget|unheard|heard|export)"


def job_button(what: str, job_id: int, t: Translation) -> ui.Button[Any]:
    """One of `WHATS`. No colour but the picture's; red is what cannot be taken back."""
    style = discord.ButtonStyle.danger if what == "delete" else discord.ButtonStyle.secondary
    label = what.removeprefix("pick") if what in PICKS else t(f"button.{what}")
    return ui.Button(label=label, style=style, custom_id=f"job:{what}:{job_id}")


def gallery_button(what: str, t: Translation, job_id: int = 0) -> ui.Button[Any]:
    """`share` puts a job's picture into the gallery; `star` and `unstar` say whether others may, whatever the job."""
    return ui.Button(label=t(f"button.{what}"), custom_id=f"gallery:{what}:{job_id}")


def mine_button(job_id: int, t: Translation) -> ui.Button[Any]:
    """Deletes one of one's own pictures, wherever it is."""
    return ui.Button(label=t("button.delete"), style=discord.ButtonStyle.danger, custom_id=f"mine:delete:{job_id}")


def speech_select(chosen: SpeechChoice, t: Translation) -> ui.Select[Any]:
    """What somebody allows with what they say."""
    options = [
        discord.SelectOption(label=t(f"speech_choice.{one.value}"), value=one.value, default=one is chosen)
        for one in SpeechChoice
    ]
    return ui.Select(options=options, placeholder=t("speech_choice"), custom_id=SPEECH_SELECT)


def privacy_button(what: str, t: Translation) -> ui.Button[Any]:
    """What a person can do about what is kept of them: `forget`, `unheard`, `heard` or `export`."""
    style = discord.ButtonStyle.danger if what == "forget" else discord.ButtonStyle.secondary
    return ui.Button(label=t(f"button.{what}" if what != "heard" else "button.heard_again"), style=style,
                     custom_id=f"privacy:{what}")  # fmt: skip
