"""What was understood of what somebody says, told to those who may know, and what the speaker can do about it.

The words are the speaker's: others are told them only if the speaker allows it, while the scene of them stands in
public. Whether anything is recognised at all is the intake's business.
"""

from dataclasses import replace

from discord import ui

from bot.discord_api import calls
from bot.discord_api.attachments import CouldNotFetch, address_of
from bot.discord_api.markdown import Markdown, display, inert, joined
from bot.requests.again import imagine_again
from bot.requests.answering import answer_request, language_of
from bot.requests.services import Interaction
from bot.storage.records import How, Job, NewJob, Origin, SpeechChoice, SpeechUse
from bot.views.buttons import job_button
from bot.views.layouts import new_container, new_layout
from bot.views.texts import Translation
from bot.views.wording import how_sure
from core.options import ImagineOptions
from core.speech.spoken import Outcome, Spoken
from core.speech.voice import voice_in

LONGEST_SHOWN = 1500
"""Of somebody's words, in a message."""


def of_the_speaker(interaction: Interaction, job: Job) -> bool:
    """Whether the one who clicked is the one who is taken to speak."""
    return interaction.user.id == job.speaker_id


async def may_read(interaction: Interaction, job: Job) -> bool:
    """Whether the one who clicked may know the words of `job`, which are known."""
    if job.heard is None or job.heard.spoken is None or not job.heard.spoken.words:
        return False
    people = interaction.client.services.store.people
    return of_the_speaker(interaction, job) or await people.speech(job.speaker_id) is SpeechChoice.ANYONE


async def speech_buttons(interaction: Interaction, job: Job) -> list["ui.Button[ui.LayoutView]"]:
    """What the one who clicked can do about what is said in the recording of `job`."""
    t, heard = language_of(interaction), job.heard
    if heard is None:
        return []
    names = []
    if await may_read(interaction, job) or (heard.spoken is not None and of_the_speaker(interaction, job)):
        names.append("understood")
    if of_the_speaker(interaction, job) and await _may_ask(interaction, job):
        names.append("say")
    return [job_button(name, job.id, t) for name in names]


async def _may_ask(interaction: Interaction, job: Job) -> bool:
    """Whether the speaker can have painted what he says, which was not recognised since nobody had asked for it."""
    is_first = job.origin is None and job.source_id is not None  # of the others, the recording is elsewhere
    if not is_first or job.heard is None or job.heard.spoken is not None or voice_in(job.heard.windows) is None:
        return False
    store = interaction.client.services.store
    settings = await store.servers.settings(interaction.guild_id)
    allows = await store.people.speech(interaction.user.id) is not SpeechChoice.NEVER
    return allows and settings.speech is SpeechUse.ASKED


async def show_understood(interaction: Interaction, job: Job) -> None:
    """*What I understood*: the words, their language, how sure that is, and who wrote the scene."""
    t = language_of(interaction)
    spoken = job.heard.spoken if job.heard is not None else None
    if spoken is None or not (of_the_speaker(interaction, job) or await may_read(interaction, job)):
        await calls.answer(interaction, t("speech.not_yours" if spoken is not None else "answer.forgotten"))
        return
    view, container = new_layout(), new_container(job.outcome.palette if job.outcome is not None else None)
    view.add_item(container)
    container.add_item(display(understood_text(t, spoken)))
    if of_the_speaker(interaction, job) and job.outcome is not None:
        names = ["change", *(["sounds"] if spoken.outcome is Outcome.SEEN and job.options.spoken_words else [])]
        container.add_item(ui.ActionRow(*(job_button(name, job.id, t) for name in names)))
    await calls.answer_with(interaction, view, {})


def words_text(t: Translation, spoken: Spoken) -> Markdown:
    """The words, their language, and how sure that is."""
    lines = [Markdown(f"> {inert(' '.join(spoken.words.split()), LONGEST_SHOWN)}")] if spoken.words else []
    if spoken.language:
        sure = how_sure(t, spoken.language_probability)
        lines.append(Markdown(f"-# {t('speech.language', language=inert(spoken.language), sure=sure)}"))
    return joined("\n", *lines)


def understood_text(t: Translation, spoken: Spoken) -> Markdown:
    """What was said and what became of it, for somebody who may know."""
    lines = [Markdown(f"### {t('button.understood')}"), *filter(None, (words_text(t, spoken),))]
    if spoken.said is not None and spoken.said.subjects:
        lines.append(t("speech.scene", scene=inert(", ".join(spoken.said.phrases))))
        lines.append(Markdown(f"-# {t(f'speech.by_{spoken.said.by}')}"))
    if spoken.outcome is not Outcome.SEEN:
        lines.append(t(f"speech.{spoken.outcome.name.lower()}"))
    elif not spoken.complete:
        lines.append(t("speech.incomplete"))
    return joined("\n", *lines)


async def paint_what_is_said(interaction: Interaction, job: Job) -> None:
    """The speaker asks for it: the recording is fetched and heard anew, from where it was posted."""
    t = language_of(interaction)
    if not of_the_speaker(interaction, job):
        await calls.answer(interaction, t("speech.not_yours"))
        return
    try:
        message, recording = await interaction.client.services.recordings.posted_again(job)
    except (CouldNotFetch, calls.NotNow):
        await calls.answer(interaction, t("speech.gone"))
        return
    new = NewJob(
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id or job.channel_id,
        locale=str(interaction.locale),
        filename=recording.filename,
        source_id=message.id,
        author_id=message.author.id,
        attachment=address_of(recording),
        options=replace(job.options.anew(), prompt=None, spoken_words=True),
        request_key=f"i:{interaction.id}",
        origin=Origin(job.id, How.SAID) if job.outcome is not None else None,
    )
    await answer_request(interaction, new, before=ImagineOptions())


async def paint_the_sounds(interaction: Interaction, job: Job) -> None:
    """*Paint the sounds instead*: the speaker does not want the scene of what was said."""
    if not of_the_speaker(interaction, job):
        await calls.answer(interaction, language_of(interaction)("speech.not_yours"))
        return
    options = replace(job.options.anew(), prompt=None, said=None, spoken_words=False)
    await imagine_again(interaction, job, options, How.SOUNDS)
