"""What is kept about a person, told to them, with buttons to have it sent or deleted, or not to be listened to."""

import asyncio
import io
import json
import math
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Self

from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import display, formatted
from bot.requests.answering import language_of, telling_faults
from bot.requests.services import Interaction
from bot.storage.copies import BACKUPS_LIVE
from bot.storage.records import Job, SpeechChoice
from bot.views.buttons import PRIVACY_BUTTON, SPEECH_SELECT, privacy_button, speech_select
from bot.views.layouts import new_layout
from core.hearing.strip import Strip, strip_png
from core.speech.served import is_local

EXPORT_EVERY = timedelta(days=1)
MOST_BYTES = 8_000_000


async def show_privacy(interaction: Interaction) -> None:
    """What is kept, how long, and the buttons."""
    t, services = language_of(interaction), interaction.client.services
    view = new_layout()
    days = services.settings.keep_days
    kept_days = math.ceil(max(days, BACKUPS_LIVE.days))
    view.add_item(display(t("privacy", days=formatted(days, "g"), kept_days=kept_days)))
    url = services.engine.settings.scene_url
    if url is not None and not is_local(url):
        view.add_item(display(t("privacy.words_leave")))
    view.add_item(display(t("speech_choice")))
    view.add_item(ui.ActionRow(speech_select(await services.store.people.speech(interaction.user.id), t)))
    listening = "heard" if await services.store.people.is_unheard(interaction.user.id) else "unheard"
    view.add_item(ui.ActionRow(*(privacy_button(what, t) for what in ("forget", listening, "export"))))
    await calls.answer_with(interaction, view)


class PrivacyButton(ui.DynamicItem[ui.Button[Any]], template=PRIVACY_BUTTON):
    """Acts on what is kept about the one who clicks."""

    def __init__(self, item: ui.Button[Any], what: str) -> None:
        super().__init__(item)
        self.what = what

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The button that was clicked."""
        assert isinstance(item, ui.Button)
        return cls(item, match["what"])

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """Do what the button says."""
        if not await calls.acknowledge_privately(interaction):
            return
        t, services, user_id = language_of(interaction), interaction.client.services, interaction.user.id
        match self.what:
            case "forget":
                count = await services.jobs.forget_user(user_id)
                await calls.answer(interaction, t("answer.forgot", count=count))
            case "export":
                await _send_export(interaction)
            case _:
                unheard = self.what == "unheard"
                await services.store.people.set_unheard(user_id, unheard=unheard)
                await calls.answer(interaction, t("answer.unheard" if unheard else "answer.heard"))


class SpeechSelect(ui.DynamicItem[ui.Select[Any]], template=SPEECH_SELECT):
    """What the one who chooses allows with what they say, everywhere and at once."""

    @classmethod
    async def from_custom_id(cls, interaction: Any, item: ui.Item[Any], match: re.Match[str], /) -> Self:
        """The select that was used."""
        assert isinstance(item, ui.Select)
        return cls(item)

    @telling_faults
    async def callback(self, interaction: Interaction) -> None:
        """What is under way is asked first: after that, nothing writes the words down any more."""
        if not await calls.acknowledge_privately(interaction):
            return
        t, services, user_id = language_of(interaction), interaction.client.services, interaction.user.id
        choice = SpeechChoice(self.item.values[0])
        if choice is SpeechChoice.NEVER:
            services.speakers.silence(user_id)
        else:
            services.speakers.unsilence(user_id)
        await services.store.people.set_speech(user_id, choice, services.now())
        await calls.answer(interaction, t(f"speech_chosen.{choice.value}"))


async def _send_export(interaction: Interaction) -> None:
    """All that is kept, by direct message."""
    t, services, user = language_of(interaction), interaction.client.services, interaction.user
    if not await services.store.people.claim_export(user.id, services.now(), EXPORT_EVERY):
        await calls.answer(interaction, t("answer.export_daily"))
        return
    kept = await services.store.people.kept_of(user.id)
    person = {
        "speech": await services.store.people.speech(user.id),
        "language": await services.store.people.locale(user.id),
        "others_may_share": await services.store.galleries.may_be_starred(user.id),
        "galleries": [asdict(copy) for copy in await services.store.galleries.kept_of(user.id)],
    }
    try:
        archive = await asyncio.to_thread(export, kept, person)
        await calls.send(user, calls.plain(t("answer.export")), {"imagine-sound.zip": archive})
    except calls.CallFailed:
        await services.store.people.unclaim_export(user.id)
        await calls.answer(interaction, t("answer.export_failed"))
    else:
        await calls.answer(interaction, t("answer.exported", count=len(kept)))


def export(kept: Sequence[tuple[Job, Strip | None]], person: Mapping[str, object]) -> bytes:
    """A zip: what is known of the person and of each request as JSON, and the sounds' strips, as many as Discord takes.
    Blocks."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        requests = [asdict(job) for job, _ in kept]
        archive.writestr("requests.json", json.dumps(requests, indent=2, ensure_ascii=False, default=str))
        archive.writestr("person.json", json.dumps(person))
        for job, strip in reversed(kept):  # the newest first: Discord takes no files of more than 10 MB
            if strip is None:
                continue
            png = strip_png(strip, job.outcome.palette if job.outcome else None)
            if out.tell() + len(png) < MOST_BYTES:
                archive.writestr(f"strip-{job.id}.png", png)
    return out.getvalue()
