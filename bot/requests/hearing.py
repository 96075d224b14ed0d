"""What can be heard in a recording, told to one person: no picture, nothing kept, nobody else notified.

For those who cannot hear a voice note, or cannot play it now.
"""

import logging

import discord

from bot.discord_api import calls
from bot.discord_api.attachments import address_of, is_forwarded
from bot.discord_api.markdown import Markdown, display
from bot.requests.answering import language_of, recordings_of
from bot.requests.intake import Asker
from bot.requests.menu import show_heard
from bot.requests.services import Interaction
from bot.requests.speech import words_text
from bot.storage.records import SpeechChoice, SpeechUse
from bot.views.layouts import new_container, new_layout
from bot.views.texts import Translation
from bot.views.wording import things_line
from core.errors import ImagineSoundError
from core.events import Heard, Understood
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
    is_own = message.author == interaction.user and not is_forwarded(message, recordings[0])
    choice = await services.store.people.speech(message.author.id)
    allows = choice is SpeechChoice.ANYONE or (is_own and choice is SpeechChoice.MINE)
    options = ImagineOptions(
        max_seconds=here.seconds,
        spoken_words=allows and here.speech is not SpeechUse.NEVER,
        speech_language=here.speech_language,
    )
    try:
        data = await services.recordings.fetch_for(interaction.user.id, address_of(recordings[0]))
        heard = await services.engine.hear(data, options)
        understood = await services.engine.understand(heard, options, user=str(interaction.user.id))
    except ImagineSoundError as error:
        await calls.answer(interaction, t.error(error))
        return
    if heard.summary.only_silence:
        await calls.answer(interaction, t("answer.silence"))
        return
    await _show(interaction, heard, understood, await _strip_of(interaction, heard), t)


async def _show(
    interaction: Interaction, heard: Heard, understood: Understood | None, strip: Strip | None, t: Translation
) -> None:
    view, container = new_layout(), new_container()
    view.add_item(container)
    container.add_item(display(Markdown(f"### {things_line(t, heard.summary.top)}")))
    if understood is not None and understood.spoken.words:
        container.add_item(display(words_text(t, understood.spoken)))
    files = await show_heard(container, heard.summary, strip, None, t)
    await calls.answer_with(interaction, view, files)


async def _strip_of(interaction: Interaction, heard: Heard) -> Strip | None:
    """The sound's strip; without it what was heard is told all the same."""
    try:
        return await interaction.client.services.engine.weave(heard)
    except Exception:
        log.exception("no strip of a sound")
        return None
