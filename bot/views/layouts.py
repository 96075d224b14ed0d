"""What a job's message looks like at each stage: a pure function from a Screen to a discord.ui.LayoutView.

A container with the picture, one text and one row of buttons; all else is behind *⋯*. It decides looks only: what
happens to a job and what its buttons do is not known here. The layouts are stopped at once, so that the library does
not keep them to act: that the dynamic controls do.
"""

from dataclasses import dataclass
from enum import Enum, auto

import discord
from discord import ui

from bot.discord_api.markdown import Markdown, display, joined
from bot.views.buttons import job_button
from bot.views.texts import Translation
from bot.views.wording import note_text, things_line
from core.events import HeardSummary
from core.generation.protocol import Note
from core.hearing.palette import Palette

PICTURE = "picture"
"""The name of the file with the picture, without its ending."""


class Controls(Enum):
    """Which buttons a message bears."""

    NONE = auto()
    CANCEL = auto()
    PICTURE = auto()
    AGAIN = auto()
    """No picture came of it, but one may."""
    SILENCE = auto()
    """Nothing was heard, which may be painted, too."""


BUTTONS = {
    Controls.NONE: (),
    Controls.CANCEL: ("cancel",),
    Controls.PICTURE: ("again", "change", "more"),
    Controls.AGAIN: ("again",),
    Controls.SILENCE: ("silence",),
}


@dataclass(frozen=True)
class Screen:
    """All that a job's message shows. `picture` is the name of a file attached to the message.

    `status` says how far it is, below what was `heard`; `palette` are the picture's colours.
    """

    job_id: int
    status: Markdown
    heard: HeardSummary | None = None
    picture: str | None = None
    alt_text: str = ""
    notes: tuple[Note, ...] = ()
    controls: Controls = Controls.CANCEL
    palette: Palette | None = None


def new_layout() -> ui.LayoutView:
    """An empty layout that only shows."""
    view = ui.LayoutView(timeout=None)
    view.stop()
    return view


def new_container(palette: Palette | None = None, marker: int | None = None) -> "ui.Container[ui.LayoutView]":
    """A container, edged in the loud colour of its picture's `palette`."""
    colour = discord.Colour.from_rgb(*palette.loud) if palette is not None else None
    return ui.Container(accent_colour=colour, id=marker)


def build_layout(screen: Screen, t: Translation, marker: int) -> ui.LayoutView:
    """The message for `screen`. `marker` is a number that nobody sees, by which the message is found again."""
    view, container = new_layout(), new_container(screen.palette, marker)
    view.add_item(container)
    if screen.picture is not None:
        container.add_item(media(screen.picture, screen.alt_text or None))
    container.add_item(display(_text(screen, t)))
    if names := BUTTONS[screen.controls]:
        container.add_item(ui.ActionRow(*(job_button(name, screen.job_id, t) for name in names)))
    return view


def _text(screen: Screen, t: Translation) -> Markdown:
    """What was heard, in larger letters than what follows; without that, what there is to say is said aloud."""
    small = [*([screen.status] if screen.status else ()), *(note_text(t, note) for note in screen.notes)]
    if screen.heard is None:
        return joined("\n", *small)
    return joined("\n", things_line(t, screen.heard.top), *(Markdown(f"-# {line}") for line in small))


def build_picture_alone(job_id: int, picture: str, *, is_covered: bool, t: Translation) -> ui.LayoutView:
    """What stays of a message when what was heard has been forgotten: the picture, and a way to remove it."""
    view, container = new_layout(), new_container()
    view.add_item(container)
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
    gallery.add_item(media=f"attachment://{picture}", description=t("alt.forgotten"), spoiler=is_covered)
    container.add_item(gallery)
    container.add_item(display(t("status.forgotten")))
    container.add_item(ui.ActionRow(job_button("delete", job_id, t)))
    return view


def is_marked(message: discord.Message, marker: int) -> bool:
    """Whether the message was built with that marker."""
    return any(getattr(component, "id", None) == marker for component in message.components)


def media(name: str, description: str | None) -> "ui.MediaGallery[ui.LayoutView]":
    """An attached picture by its file's name, as wide as the message."""
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
    gallery.add_item(media=f"attachment://{name}", description=description)
    return gallery
