"""What a picture's copy in a gallery looks like, and what is said of galleries: pure functions.

The copy holds the picture, what was heard, a link to the original and whom it is from: nothing else that is known.
"""

from dataclasses import replace

import discord
from discord import ui

from bot.discord_api.markdown import Markdown, display, joined, mention
from bot.storage.records import Job
from bot.views.hiding import shown_in
from bot.views.layouts import PICTURE, ShownPicture, gallery, new_container, new_layout
from bot.views.naming import BETWEEN
from bot.views.texts import Translation
from bot.views.wording import heard_line, picture_alt_text
from core.events import HeardSummary
from core.hearing.palette import Palette


def picture_of(message: discord.Message) -> tuple[ShownPicture, discord.Attachment] | None:
    """The picture that a job's message shows, and its file; None where it shows none."""
    file = next((file for file in message.attachments if file.filename.startswith(f"{PICTURE}.")), None)
    shown = next(shown_in(message.components), None)
    if file is None or shown is None:
        return None
    return ShownPicture(file.filename, shown.description, shown.spoiler), file


def told_in_copy(picture: ShownPicture, job: Job, t: Translation) -> ShownPicture:
    """The picture of `job` with what may be told of it elsewhere: words that somebody else has spoken stay where they
    are, also where the asker has written on from them."""
    heard = heard_in_copy(job)
    if heard is None or heard == job.shown:
        return picture
    return replace(picture, alt_text=picture_alt_text(t, heard, replace(job.options, prompt=None)))


def heard_in_copy(job: Job) -> HeardSummary | None:
    """What was heard, without the scene of what somebody else has said."""
    if job.shown is None or job.speaker_id == job.user_id:
        return job.shown
    return replace(job.shown, spoken=None)


def build_copy(
    picture: ShownPicture,
    heard: HeardSummary,
    palette: Palette | None,
    marker: int,
    t: Translation,
    *,
    link: Markdown,
    user_id: int,
) -> ui.LayoutView:
    """The copy of the picture at `link`, painted for somebody; found again by its `marker`."""
    view, container = new_layout(), new_container(palette, marker)
    view.add_item(container)
    container.add_item(gallery([picture]))
    origin = joined(BETWEEN, t("gallery.original", link=link), t("status.painted", user=mention(user_id)))
    container.add_item(display(joined("\n", heard_line(t, heard), Markdown(f"-# {origin}"))))
    return view
