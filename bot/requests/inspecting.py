"""*Did this bot paint it?*: what can be said of a message's pictures, told to one person; nothing is kept.

What is said is `core/attribution.py`'s business, which knows the words in English only; here they are translated.
"""

import discord

from bot.discord_api import calls
from bot.discord_api.attachments import address_of, find_pictures
from bot.discord_api.markdown import Markdown, inert, joined
from bot.requests.answering import language_of
from bot.requests.intake import Asker
from bot.requests.services import Interaction, Services
from bot.views.texts import Translation
from core.attribution import Attribution, Verdict
from core.errors import ImagineSoundError, PictureFileTooLarge
from core.provenance.manifest import Manifest

MOST_PICTURES = 4
LONGEST_S = 60.0
"""For each picture: others are painted for meanwhile."""
_TEXTS = {
    Verdict.PAINTED_HERE: "verify.painted_here",
    Verdict.SIGNED_HERE: "verify.signed_here",
    Verdict.PIXELS_DIFFER: "verify.pixels_differ",
    Verdict.NOT_MARKED: "verify.not_marked",
    Verdict.OTHER_KEY: "verify.other_key",
    Verdict.A_MODEL: "verify.a_model",
    Verdict.NOTHING: "verify.nothing",
}


async def tell_who_painted(interaction: Interaction, message: discord.Message) -> None:
    """Of each picture in `message`, up to MOST_PICTURES, whether it was painted here."""
    services, t = interaction.client.services, language_of(interaction)
    pictures = find_pictures(message)
    if not pictures:
        await calls.answer(interaction, t("answer.no_picture"))
        return
    if not await calls.acknowledge_privately(interaction):
        return
    if declined := await services.intake.admit_hearing(Asker.of(interaction.user), interaction.guild_id):
        await calls.answer(interaction, declined.text(t))
        return
    told = [await _told(services, t, picture, interaction.user.id) for picture in pictures[:MOST_PICTURES]]
    if len(told) > 1:
        told = [Markdown(f"{number}. {text}") for number, text in enumerate(told, 1)]
    if len(pictures) > MOST_PICTURES:
        told.append(t("verify.only_first", most=MOST_PICTURES))
    await calls.answer(interaction, joined("\n", *told))


async def _told(services: Services, t: Translation, picture: discord.Attachment, user_id: int) -> Markdown:
    try:
        most = services.engine.settings.audio_limits.max_bytes
        if picture.size > most:
            raise PictureFileTooLarge(picture.size, most)
        data = await services.recordings.fetch_picture_for(user_id, address_of(picture))
        found = await services.inspector.inspect(data, user=str(user_id), within_s=LONGEST_S)
    except ImagineSoundError as error:
        return t.error(error)
    return _sentence(t, found)


def _sentence(t: Translation, found: Attribution) -> Markdown:
    odds = {"odds": Markdown(found.odds)} if found.verdict is Verdict.PAINTED_HERE else {}
    verdict = t(_TEXTS[found.verdict], **odds)
    return verdict if found.manifest is None else joined(" ", verdict, _told_of(t, found.manifest))


def _told_of(t: Translation, manifest: Manifest) -> Markdown:
    if not manifest.is_readable:
        return t("verify.manifest_unreadable")
    if not manifest.is_intact:
        return t("verify.manifest_broken")
    return t("verify.manifest_own") if manifest.is_own else t("verify.manifest", signer=inert(manifest.signer))
