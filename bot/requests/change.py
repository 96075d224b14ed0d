"""*Change*: an editor with what a picture is made of, and painting what comes back from it."""

import re
from collections.abc import Mapping
from dataclasses import replace

from bot.discord_api import calls
from bot.requests.again import imagine_again
from bot.requests.answering import language_of
from bot.requests.clicked import job_of
from bot.requests.intake import may_be_chosen
from bot.requests.services import Interaction, choosable_adapters
from bot.storage.records import How, Job
from bot.views.editors import ADAPTER, LONGEST_PROMPT, Changeable, change_editor
from core.generation.protocol import MAX_SEED
from core.options import ImagineOptions, Shape
from core.prompting.prompt import Prompt
from core.prompting.styles import Style


async def show_editor(interaction: Interaction, job: Job) -> None:
    """The editor, filled with what the picture of `job` was made of."""
    services, t = interaction.client.services, language_of(interaction)
    if job.heard is None:
        await calls.answer(interaction, t("answer.forgotten"))
        return
    prompt = await _words_of(interaction, job)
    settings = await services.store.servers.settings(interaction.guild_id)
    adapters = [name for name in await choosable_adapters(services) if may_be_chosen(name, settings)]
    style = job.options.style or services.engine.settings.style
    editor = change_editor(job.id, Changeable(prompt, job.options, style, adapters, _said_by(interaction, job)), t)
    await calls.attempt_quietly(interaction.response.send_modal(editor), "show what can be changed")


async def paint_changed(interaction: Interaction, match: re.Match[str], fields: Mapping[str, str]) -> None:
    """Paint what was changed in the editor; words that were left as they are, or emptied, are nobody's own."""
    job = await job_of(interaction, int(match["job"]))
    if job is None:
        return
    if job.heard is None:
        await calls.answer(interaction, language_of(interaction)("answer.forgotten"))
        return
    try:
        seed = _seed_in(fields.get("seed", ""))
    except ValueError:
        await calls.answer(interaction, language_of(interaction)("answer.no_seed", most=MAX_SEED))
        return
    words, shown = fields.get("prompt", "").strip(), (await _words_of(interaction, job)).text[:LONGEST_PROMPT].strip()
    options = _with_words(job, _said_by(interaction, job), fields.get("said", ""))
    options = _with_style(options, fields.get("style", ""))
    options = replace(
        options,
        prompt=options.prompt if words in ("", shown) else words,
        shape=Shape(fields["shape"]) if fields.get("shape") in set(Shape) else job.options.shape,
        seed=seed,
    )
    await imagine_again(interaction, job, options, How.CHANGE)


async def _words_of(interaction: Interaction, job: Job) -> Prompt:
    """What is in the picture, without its style, which has a field of its own."""
    assert job.heard is not None
    return await interaction.client.services.engine.prompt_for(job.heard, replace(job.options, style=Style.NONE))


def _said_by(interaction: Interaction, job: Job) -> str | None:
    """What the one who clicked has said in the recording; None where nothing is known of that."""
    if job.heard is None or job.heard.spoken is None or interaction.user.id != job.speaker_id:
        return None
    return job.heard.spoken.words


def _with_words(job: Job, known: str | None, said: str) -> ImagineOptions:
    """With the speaker's own correction of what was understood, which is painted from now on."""
    said = said.strip()
    if known is None or said in ("", known[:LONGEST_PROMPT].strip()):
        return job.options
    return replace(job.options, said=said, spoken_words=True, prompt=None)


def _with_style(options: ImagineOptions, chosen: str) -> ImagineOptions:
    """A style or an adapter: there is one field for both."""
    if chosen.startswith(ADAPTER):
        return replace(options, adapter=chosen.removeprefix(ADAPTER))
    if chosen in set(Style):
        return replace(options, style=Style(chosen), adapter=None)
    return options


def _seed_in(text: str) -> int | None:
    """The seed that was typed; None where none was. Raises ValueError where it is no seed."""
    if not text.strip():
        return None
    seed = int(text)
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(text)
    return seed
