"""The editors that open over Discord, filled in, and how they are recognised when they are submitted.

Pure functions, as in `buttons.py`: what is done with what was written is not known here. The editors are stopped at
once, so that the library does not keep them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import discord
from discord import ui

from bot.discord_api.markdown import shortened
from bot.storage.records import GuildSettings
from bot.views.texts import Translation
from core.options import ImagineOptions, Shape
from core.prompting.prompt import Prompt
from core.prompting.styles import Style

CHANGE_EDITOR = r"edit:(?P<job>\d+)"
NUMBERS_EDITOR = "settings:numbers:editor"
WORDS_EDITOR = "settings:words:editor"
LONGEST_PROMPT = 1000
LONGEST_SEED = 10
"""Digits of the largest."""
ADAPTER = "adapter:"
"""Before an adapter's name among the styles."""
LONGEST_CHOICE, MOST_CHOICES = 100, 25
"""Discord's limits for a select."""
LONGEST_WORDS = 4000
"""Discord's limit for a field."""


@dataclass(frozen=True)
class Changeable:
    """What can be changed of a picture. `adapters` are those that may be chosen; `said` are the speaker's words, None
    for others."""

    prompt: Prompt
    options: ImagineOptions
    style: Style | None
    adapters: Sequence[str]
    said: str | None


def change_editor(job_id: int, what: Changeable, t: Translation) -> ui.Modal:
    """Fields `prompt`, `style` (an adapter's name stands behind ADAPTER), `shape`, `seed`, and `said` where there is
    something."""
    prompt, options = what.prompt, what.options
    editor = ui.Modal(title=t("modal.title"), custom_id=f"edit:{job_id}")
    words: ui.TextInput[ui.Modal] = ui.TextInput(
        custom_id="prompt",
        style=discord.TextStyle.paragraph,
        default=prompt.text[:LONGEST_PROMPT],
        max_length=LONGEST_PROMPT,
    )
    chosen = f"{ADAPTER}{options.adapter}" if options.adapter is not None else (what.style or Style.NONE).value
    styles: list[tuple[str, str]] = [(one.value, t(f"style.{one.value}")) for one in Style]
    styles += [
        (f"{ADAPTER}{name}", shortened(t.plain("modal.adapter", name=name), LONGEST_CHOICE))
        for name in what.adapters
        if len(ADAPTER) + len(name) <= LONGEST_CHOICE
    ]
    shape = options.shape or Shape.SQUARE
    shapes = [(one.value, t(f"shape.{one.value}")) for one in Shape]
    seed: ui.TextInput[ui.Modal] = ui.TextInput(
        custom_id="seed", placeholder=t("modal.seed_hint"), required=False, max_length=LONGEST_SEED
    )
    editor.add_item(ui.Label(text=t("modal.prompt"), component=words))
    editor.add_item(ui.Label(text=t("modal.style"), component=_choice("style", styles, chosen)))
    editor.add_item(ui.Label(text=t("modal.shape"), component=_choice("shape", shapes, shape.value)))
    editor.add_item(ui.Label(text=t("modal.seed"), component=seed))
    if what.said is not None:
        said: ui.TextInput[ui.Modal] = ui.TextInput(
            custom_id="said",
            style=discord.TextStyle.paragraph,
            default=what.said[:LONGEST_PROMPT],
            required=False,
            max_length=LONGEST_PROMPT,
        )
        editor.add_item(ui.Label(text=t("modal.said"), description=t("modal.said_hint"), component=said))
    editor.stop()
    return editor


def _choice(name: str, choices: Sequence[tuple[str, str]], chosen: str) -> "ui.Select[ui.Modal]":
    options = [
        discord.SelectOption(label=label, value=value, default=value == chosen)
        for value, label in choices[:MOST_CHOICES]
    ]
    return ui.Select(custom_id=name, options=options)


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
