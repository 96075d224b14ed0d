"""What can be heard in a recording, told to one person: no picture, nothing kept, nobody else notified.

For those who cannot hear a voice note, or cannot play it now.
"""

import logging

import discord

from bot.discord_api import calls
from bot.discord_api.attachments import address_of
from bot.discord_api.markdown import Markdown, display
from bot.requests.answering import language_of, recordings_of
from bot.requests.intake import Asker
from bot.requests.menu import show_heard
from bot.requests.services import Interaction
from bot.views.layouts import new_container, new_layout
from bot.views.texts import Translation
from bot.views.wording import things_line
from core.errors import ImagineSoundError
from core.events import Heard
from core.hearing.strip import Strip
from core.options import ImagineOptions

log = logging.getLogger(__name__)


async def tell_what_is_heard(interaction: Interaction, message: discord.Message) -> None:
    """What is heard in the first recording of `message`, and when."""
    services, t = interaction.client.services, language_of(interaction)
    recordings = await recordings_of(interaction, message)
    if not recordings or not await calls.acknowledge_privately(interaction):
        return
    if declined := await services.intake.admit_hearing(Asker.of(interaction.user), interaction.guild_id):
        await calls.answer(interaction, declined.text(t))
        return
    here = await services.store.servers.settings(interaction.guild_id)
    options = ImagineOptions(max_seconds=here.seconds, spoken_words=message.author == interaction.user)
    try:
        data = await services.recordings.fetch_for(interaction.user.id, address_of(recordings[0]))
        heard = await services.engine.hear(data, options)
    except ImagineSoundError as error:
        await calls.answer(interaction, t.error(error))
        return
    if heard.summary.only_silence:
        await calls.answer(interaction, t("answer.silence"))
        return
    await _show(interaction, heard, await _strip_of(interaction, heard), t)


async def _show(interaction: Interaction, heard: Heard, strip: Strip | None, t: Translation) -> None:
    view, container = new_layout(), new_container()
    view.add_item(container)
    container.add_item(display(Markdown(f"### {things_line(t, heard.summary.top)}")))
    files = await show_heard(container, heard.summary, strip, None, t)
    await calls.answer_with(interaction, view, files)


async def _strip_of(interaction: Interaction, heard: Heard) -> Strip | None:
    """The sound's strip; without it what was heard is told all the same."""
    try:
        return await interaction.client.services.engine.weave(heard)
    except Exception:
        log.exception("no strip of a sound")
        return None
