"""The commands `/imagine-sound ...` and the message menu "Imagine this sound": declarations and a few lines each.

What they start is the same job as a posted recording; how it is answered is not known here.
"""

import asyncio
import logging
import re
from functools import partial
from typing import Any, Self

import discord
from discord import app_commands, ui

from bot.client import ImagineBot
from bot.discord_api import calls as discord_calls
from bot.discord_api.attachments import fetch, find_recordings
from bot.discord_api.permissions import names_of, plan_reply
from bot.requests.intake import Asker, Refused
from bot.requests.settings_panel import CONTROLS, show_settings
from bot.storage.records import Job, NewJob
from bot.views.texts import translatable
from core.errors import RecordingError
from core.options import ImagineOptions
from core.prompting.styles import Style

log = logging.getLogger(__name__)

Interaction = discord.Interaction[ImagineBot]

STYLES = [app_commands.Choice(name=translatable(f"style.{style.value}"), value=style.value) for style in Style]
INSTALLS = app_commands.AppInstallationType(guild=True, user=True)
CHOICES = 25
"""Discord shows at most so many."""
CONTEXTS = app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True)


class ImagineSound(app_commands.Group):
    """`/imagine-sound` with its subcommands."""

    @app_commands.command(name=translatable("command.file.name"), description=translatable("command.file.description"))
    @app_commands.describe(
        recording=translatable("command.file.recording"),
        style=translatable("command.file.style"),
        prompt=translatable("command.file.prompt"),
        adapter=translatable("command.file.adapter"),
    )
    @app_commands.choices(style=STYLES)
    async def file(
        self,
        interaction: Interaction,
        recording: discord.Attachment,
        style: app_commands.Choice[str] | None = None,
        prompt: app_commands.Range[str, 1, 1000] | None = None,
        adapter: app_commands.Range[str, 1, 100] | None = None,
    ) -> None:
        """Paint an uploaded recording."""
        options = ImagineOptions(
            style=Style(style.value) if style else None, prompt=(prompt or "").strip() or None, adapter=adapter
        )
        await _answer_recording(interaction, recording, options, source_id=None)

    @file.autocomplete("adapter")
    async def offer_adapters(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """The adapters that lie in ADAPTERS_DIR now, those that match what was typed."""
        names = await asyncio.to_thread(interaction.client.engine.adapters)
        matching = [name for name in names if typed.lower() in name.lower()]
        return [app_commands.Choice(name=name, value=name) for name in matching[:CHOICES]]

    @app_commands.command(
        name=translatable("command.settings.name"), description=translatable("command.settings.description")
    )
    async def settings(self, interaction: Interaction) -> None:
        """A server's settings, for those who may manage it."""
        await show_settings(interaction)

    @app_commands.command(
        name=translatable("command.queue.name"), description=translatable("command.queue.description")
    )
    async def queue(self, interaction: Interaction) -> None:
        """How much is to be done, and what of it is the asker's."""
        bot = interaction.client
        say = bot.texts.speaker(interaction.locale)
        mine = await bot.store.unfinished(user_id=interaction.user.id)
        lines = [say("queue.all", count=bot.engine.queue_length()), say("queue.mine", count=len(mine))]
        lines += [f"- {_link(job)} <t:{job.created.timestamp():.0f}:R>" for job in mine[:10]]
        await discord_calls.answer(interaction, "\n".join(lines))

    @app_commands.command(name=translatable("command.help.name"), description=translatable("command.help.description"))
    async def help(self, interaction: Interaction) -> None:
        """What the bot does and how to ask it."""
        bot = interaction.client
        say = bot.texts.speaker(interaction.locale)
        limits = say(
            "help.limits",
            seconds=f"{bot.engine.settings.max_seconds:g}",
            max_mb=f"{bot.engine.settings.max_file_mb:g}",
            waiting=bot.settings.waiting_per_user,
            hour=(await bot.store.guild(interaction.guild_id)).pictures_per_user_hour
            or bot.settings.pictures_per_user_hour,
        )
        await discord_calls.answer(interaction, f"{say('help')}\n{limits}")

    @app_commands.command(
        name=translatable("command.privacy.name"), description=translatable("command.privacy.description")
    )
    async def privacy(self, interaction: Interaction) -> None:
        """What is kept, how long, and a button to have it deleted."""
        bot = interaction.client
        say = bot.texts.speaker(interaction.locale)
        view = ui.LayoutView(timeout=None)
        view.add_item(ui.TextDisplay(say("privacy", days=f"{bot.settings.keep_days:g}")))
        view.add_item(ui.ActionRow(ForgetButton(say("button.forget"))))
        await discord_calls.answer_with(interaction, view)


class ForgetButton(ui.DynamicItem[ui.Button[Any]], template=r"privacy:forget"):
    """Deletes what is kept about the one who clicks."""

    def __init__(self, label: str | None = None) -> None:
        super().__init__(ui.Button(label=label, style=discord.ButtonStyle.danger, custom_id="privacy:forget"))

    @classmethod
    async def from_custom_id(
        cls, interaction: "discord.Interaction[Any]", item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was clicked."""
        return cls()

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Give up and forget everything that the person asked for."""
        bot = interaction.client
        say = bot.texts.speaker(interaction.locale)
        if await discord_calls.defer(interaction, ephemeral=True, thinking=True):
            count = await bot.jobs.forget_user(interaction.user.id)
            await discord_calls.answer(interaction, say("answer.forgot", count=count))


async def imagine_this_sound(interaction: Interaction, message: discord.Message) -> None:
    """The message menu: paint the recordings of a message."""
    bot = interaction.client
    say = bot.texts.speaker(interaction.locale)
    recordings = find_recordings(message)
    if not recordings:
        await discord_calls.answer(interaction, say("answer.no_recording"))
        return
    guild = bot.get_guild(interaction.guild_id) if interaction.guild_id is not None else None
    if guild is None or message.channel is None:
        await _answer_recording(interaction, recordings[0], ImagineOptions(), source_id=message.id)
        return
    plan = plan_reply(message.channel, interaction.app_permissions)
    if plan.missing:
        await discord_calls.answer(interaction, say("answer.missing", permissions=names_of(plan.missing, say)))
        return
    if not await discord_calls.defer(interaction, ephemeral=True, thinking=True):
        return
    told = []
    for recording in recordings:
        new = _request(interaction, recording, ImagineOptions(), source_id=message.id)
        try:
            job = await bot.intake.accept(new, Asker.of(interaction.user), partial(_fetch, bot, recording))
        except Refused as refused:
            told.append(refused.text(say))
            break
        except RecordingError as error:
            told.append(bot.explain(say.locale, error))
            continue
        await bot.jobs.start(job)
        told.append(say("answer.accepted"))
    await discord_calls.answer(interaction, "\n".join(dict.fromkeys(told)))


async def _answer_recording(
    interaction: Interaction, recording: discord.Attachment, options: ImagineOptions, *, source_id: int | None
) -> None:
    """The command's or menu's own answer becomes the job's message."""
    bot = interaction.client
    new = _request(interaction, recording, options, source_id=source_id)
    await bot.answer_request(interaction, new, partial(_fetch, bot, recording))


def _request(
    interaction: Interaction, recording: discord.Attachment, options: ImagineOptions, *, source_id: int | None
) -> NewJob:
    return NewJob(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or 0,
        locale=str(interaction.locale),
        filename=recording.filename,
        source_id=source_id,
        options=options,
    )


async def _fetch(bot: ImagineBot, recording: discord.Attachment) -> bytes:
    return await fetch(recording, bot.engine.settings.max_file_mb)


def _link(job: Job) -> str:
    """The job's message, for the one who may see it: the asker."""
    if job.reply is None:
        return f"`{job.filename}`"
    return f"https://discord.com/channels/{job.guild_id or '@me'}/{job.reply.channel_id}/{job.reply.message_id}"


def add_to(bot: ImagineBot) -> None:
    """Make the commands, the message menu and their controls known to `bot`."""
    group = ImagineSound(
        name="imagine-sound",
        description=translatable("command.root.description"),
        allowed_installs=INSTALLS,
        allowed_contexts=CONTEXTS,
    )
    menu = app_commands.ContextMenu(
        name=translatable("command.menu.name"),
        callback=imagine_this_sound,
        allowed_installs=INSTALLS,
        allowed_contexts=CONTEXTS,
    )
    bot.tree.add_command(group)
    bot.tree.add_command(menu)
    bot.add_dynamic_items(ForgetButton, *CONTROLS)
