"""The editors that open over Discord, filled in, and how they are recognised when they are submitted.

Pure functions, as in `buttons.py`: what is done with what was written is not known here. The editors are stopped at
once, so that the library does not keep them.
"""

import discord
from discord import ui

from bot.storage.records import GuildSettings
from bot.views.texts import Translation
from core.prompting.prompt import Prompt

PROMPT_EDITOR = r"edit:(?P<job>\d+)"
NUMBERS_EDITOR = "settings:numbers:editor"
WORDS_EDITOR = "settings:words:editor"
LONGEST_PROMPT = 1000
LONGEST_WORDS = 4000
"""Discord's limit for a field."""


def prompt_editor(job_id: int, prompt: Prompt, t: Translation) -> ui.Modal:
    """The prompt of a job, to be changed: fields `prompt` and `negative`."""
    editor = ui.Modal(title=t("modal.title"), custom_id=f"edit:{job_id}")
    for name, text in (("prompt", prompt.text), ("negative", prompt.negative_text)):
        field: ui.TextInput[ui.Modal] = ui.TextInput(
            custom_id=name,
            style=discord.TextStyle.paragraph,
            default=text[:LONGEST_PROMPT],
            max_length=LONGEST_PROMPT,
            required=name == "prompt",
        )
        editor.add_item(ui.Label(text=t(f"modal.{name}"), component=field))
    editor.stop()
    return editor


def numbers_editor(settings: GuildSettings, t: Translation) -> ui.Modal:
    """Seconds listened to and pictures an hour: fields `seconds` and `hour`; empty means the bot's own default."""
    editor = ui.Modal(title=t("settings.numbers"), custom_id=NUMBERS_EDITOR)
    chosen = {
        "seconds": f"{settings.seconds:g}" if settings.seconds is not None else None,
        "hour": str(settings.pictures_per_user_hour or "") or None,
    }
    for name, text in chosen.items():
        field: ui.TextInput[ui.Modal] = ui.TextInput(custom_id=name, default=text, required=False, max_length=5)
        editor.add_item(ui.Label(text=t(f"settings.{name}"), component=field))
    editor.stop()
    return editor


def words_editor(settings: GuildSettings, t: Translation) -> ui.Modal:
    """What is not painted, a word or phrase a line: field `words`."""
    editor = ui.Modal(title=t("settings.edit_words"), custom_id=WORDS_EDITOR)
    field: ui.TextInput[ui.Modal] = ui.TextInput(
        custom_id="words",
        style=discord.TextStyle.paragraph,
        default="\n".join(settings.refused_words)[:LONGEST_WORDS] or None,
        max_length=LONGEST_WORDS,
        required=False,
    )
    editor.add_item(ui.Label(text=t("settings.words_field"), component=field))
    editor.stop()
    return editor
