"""The commands `/imagine-sound ...` and the message menus: declarations and a few lines each.

What they start is the same job as a posted recording; how it is answered is not known here.
"""

import discord
from discord import app_commands

from bot.discord_api import calls
from bot.discord_api.markdown import Markdown, formatted, inert, joined, link_to
from bot.requests.answering import answer_request, language_of, recordings_of, request_for
from bot.requests.film import film_of_file
from bot.requests.gallery import show_gallery
from bot.requests.hearing import tell_what_is_heard
from bot.requests.inspecting import tell_who_painted
from bot.requests.intake import Accepted, Asker, Declined, may_be_chosen
from bot.requests.mine import show_mine
from bot.requests.privacy import show_privacy
from bot.requests.services import Interaction, choosable_adapters
from bot.requests.settings_panel import show_settings
from bot.storage.records import Job
from bot.views.texts import translatable
from bot.views.wording import names_of
from core.options import ImagineOptions
from core.prompting.styles import Style

STYLES = [app_commands.Choice(name=translatable(f"style.{style.value}"), value=style.value) for style in Style]
INSTALLS = app_commands.AppInstallationType(guild=True, user=True)
OPEN_TO_ALL = frozenset({"imagine-sound privacy"})
"""What the blocked may use as well: to have deleted what is kept of them."""
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
        new = request_for(interaction, recording, options, source=None)
        await answer_request(interaction, new)

    @file.autocomplete("adapter")
    async def offer_adapters(self, interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        """The adapters that lie in ADAPTERS_DIR now and are allowed here, those that match what was typed."""
        services = interaction.client.services
        names = await choosable_adapters(services)
        settings = await services.store.servers.settings(interaction.guild_id)
        matching = [name for name in names if typed.lower() in name.lower() and may_be_chosen(name, settings)]
        return [app_commands.Choice(name=name, value=name) for name in matching[:CHOICES]]

    @app_commands.command(
        name=translatable("command.story.name"), description=translatable("command.story.description")
    )
    @app_commands.describe(recording=translatable("command.file.recording"), style=translatable("command.file.style"))
    @app_commands.choices(style=STYLES)
    async def story(
        self,
        interaction: Interaction,
        recording: discord.Attachment,
        style: app_commands.Choice[str] | None = None,
    ) -> None:
        """Make a film of an uploaded recording."""
        await film_of_file(interaction, recording, Style(style.value) if style else None)

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
        services, t = interaction.client.services, language_of(interaction)
        mine = await services.store.unfinished(user_id=interaction.user.id)
        lines = [t("queue.all", count=services.engine.queue_length()), t("queue.mine", count=len(mine))]
        lines += [Markdown(f"- {_link(job)} <t:{job.created.timestamp():.0f}:R>") for job in mine[:10]]
        await calls.answer(interaction, joined("\n", *lines))

    @app_commands.command(name=translatable("command.mine.name"), description=translatable("command.mine.description"))
    async def mine(self, interaction: Interaction) -> None:
        """The asker's last pictures."""
        await show_mine(interaction)

    @app_commands.command(
        name=translatable("command.gallery.name"), description=translatable("command.gallery.description")
    )
    async def gallery(self, interaction: Interaction) -> None:
        """Where the server's gallery is, and how to share a picture there."""
        await show_gallery(interaction)

    @app_commands.command(name=translatable("command.help.name"), description=translatable("command.help.description"))
    async def help(self, interaction: Interaction) -> None:
        """What the bot does and how to ask it."""
        services, t = interaction.client.services, language_of(interaction)
        guild = await services.store.servers.settings(interaction.guild_id)
        limits = t(
            "help.limits",
            seconds=formatted(services.engine.settings.max_seconds, "g"),
            max_mb=formatted(services.engine.settings.max_file_mb, "g"),
            waiting=services.settings.waiting_per_user,
            hour=guild.pictures_per_user_hour or services.settings.pictures_per_user_hour,
        )
        painter = services.engine.loaded_info()
        about = [t("note.miniature")] if painter is not None and painter.is_miniature else []
        await calls.answer(interaction, joined("\n", t("help"), limits, *about))

    @app_commands.command(
        name=translatable("command.privacy.name"), description=translatable("command.privacy.description")
    )
    async def privacy(self, interaction: Interaction) -> None:
        """What is kept, how long, and a button to have it deleted."""
        await show_privacy(interaction)


async def imagine_this_sound(interaction: Interaction, message: discord.Message) -> None:
    """The message menu: paint the recordings of a message."""
    services, t = interaction.client.services, language_of(interaction)
    recordings, asker = await recordings_of(interaction, message), Asker.of(interaction.user)
    if not recordings:
        return
    if not services.places.is_in(interaction.guild_id) or message.channel is None:
        new = request_for(interaction, recordings[0], ImagineOptions(), source=message)
        await answer_request(interaction, new)
        return
    if missing := services.places.missing_to_answer(message.channel):
        await calls.answer(interaction, t("answer.missing", permissions=names_of(missing, t)))
        return
    if not await calls.acknowledge_privately(interaction):
        return
    told: list[Markdown] = []
    for recording in recordings:
        new = request_for(interaction, recording, ImagineOptions(), source=message)
        match await services.intake.accept(new, asker):
            case Accepted(job):
                services.tokens.keep(interaction.user.id, job.id, interaction.token, interaction.created_at)
                await services.jobs.start(job)
                told.append(t("answer.accepted"))
            case Declined() as declined:
                told.append(declined.text(t))
                if not declined.only_this:
                    break
    await calls.answer(interaction, joined("\n", *dict.fromkeys(told)))


async def what_is_this_sound(interaction: Interaction, message: discord.Message) -> None:
    """The message menu: what can be heard in a recording, for the one who cannot hear it, or not now."""
    await tell_what_is_heard(interaction, message)


async def did_this_bot_paint_it(interaction: Interaction, message: discord.Message) -> None:
    """The message menu: whether this bot painted the pictures of a message."""
    await tell_who_painted(interaction, message)


def _link(job: Job) -> Markdown:
    """The job's message, for the one who may see it: the asker."""
    if job.reply is None:
        return inert(job.filename, 100)
    return link_to(job.guild_id, job.reply.channel_id, job.reply.message_id)


def new_commands() -> tuple[app_commands.Group | app_commands.ContextMenu, ...]:
    """The slash commands and the message menus, of which Discord takes five."""
    group = ImagineSound(
        name="imagine-sound",
        description=translatable("command.root.description"),
        allowed_installs=INSTALLS,
        allowed_contexts=CONTEXTS,
    )
    menus = (
        app_commands.ContextMenu(
            name=translatable(name), callback=callback, allowed_installs=INSTALLS, allowed_contexts=CONTEXTS
        )
        for name, callback in (
            ("command.menu.name", imagine_this_sound),
            ("command.sound.name", what_is_this_sound),
            ("command.painted.name", did_this_bot_paint_it),
        )
    )
    return group, *menus
