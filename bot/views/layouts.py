"""What a job's message looks like at each stage: a pure function from a Screen to a discord.ui.LayoutView.

A container with the picture, one text and one row of buttons; all else is behind *⋯*. It decides looks only: what
happens to a job and what its buttons do is not known here. The layouts are stopped at once, so that the library does
not keep them to act: that the dynamic controls do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

import discord
from discord import ui

from bot.discord_api.markdown import Markdown, display, joined
from bot.views.buttons import PICKS, job_button
from bot.views.texts import Translation
from bot.views.wording import heard_line, note_text
from core.events import HeardSummary
from core.generation.protocol import Note
from core.hearing.palette import Palette
from core.pictures import PictureFile

PICTURE = "picture"


class Controls(Enum):
    """Which buttons a message bears."""

    NONE = auto()
    CANCEL = auto()
    PICTURE = auto()
    FILM = auto()
    ENLARGEABLE = auto()
    """A picture that can be made larger here."""
    SEVERAL = auto()
    """Pictures to choose from."""
    AGAIN = auto()
    """No picture came of it, but one may."""
    SILENCE = auto()
    """Nothing was heard, which may be painted, too."""


BUTTONS = {
    Controls.NONE: (),
    Controls.CANCEL: ("cancel",),
    Controls.PICTURE: ("again", "four", "change", "more"),
    Controls.FILM: ("more",),
    Controls.ENLARGEABLE: ("again", "four", "larger", "change", "more"),
    Controls.SEVERAL: (*PICKS, "closer"),
    Controls.AGAIN: ("again",),
    Controls.SILENCE: ("silence",),
}


@dataclass(frozen=True)
class ShownPicture:
    """A picture in a message: the `name` of a file attached to it, what that shows in words, and whether it is covered
    until somebody wants to see it."""

    name: str
    alt_text: str | None
    is_covered: bool = False


@dataclass(frozen=True)
class Screen:
    """All that a job's message shows.

    `status` says how far it is, below what was `heard` and the `lines` about its parts; `palette` are the picture's
    colours. A `film` stands above the pictures.
    """

    job_id: int
    status: Markdown
    heard: HeardSummary | None = None
    pictures: tuple[ShownPicture, ...] = ()
    notes: tuple[Note, ...] = ()
    controls: Controls = Controls.CANCEL
    palette: Palette | None = None
    lines: tuple[Markdown, ...] = ()
    film: ShownPicture | None = None


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
    if screen.film is not None:
        container.add_item(gallery([screen.film]))
    if screen.pictures:
        container.add_item(gallery(screen.pictures))
    container.add_item(display(_text(screen, t)))
    if names := BUTTONS[screen.controls]:
        container.add_item(ui.ActionRow(*(job_button(name, screen.job_id, t) for name in names)))
    return view


def _text(screen: Screen, t: Translation) -> Markdown:
    """What was heard, in larger letters than what follows; without that, what there is to say is said aloud."""
    small = [*([screen.status] if screen.status else ()), *(note_text(t, note) for note in screen.notes)]
    if screen.heard is None:
        return joined("\n", *small)
    return joined("\n", heard_line(t, screen.heard), *screen.lines, *(Markdown(f"-# {line}") for line in small))


def build_picture_alone(job_id: int, pictures: Sequence[str], *, is_covered: bool, t: Translation) -> ui.LayoutView:
    """What stays of a message when what was heard has been forgotten: its pictures, and a way to remove them."""
    view, container = new_layout(), new_container()
    view.add_item(container)
    container.add_item(gallery([ShownPicture(name, t("alt.forgotten"), is_covered) for name in pictures]))
    container.add_item(display(t("status.forgotten")))
    container.add_item(ui.ActionRow(job_button("delete", job_id, t)))
    return view


def is_marked(message: discord.Message, marker: int) -> bool:
    """Whether the message was built with that marker."""
    return any(getattr(component, "id", None) == marker for component in message.components)


def gallery(pictures: Sequence[ShownPicture]) -> "ui.MediaGallery[ui.LayoutView]":
    """Attached pictures: one as wide as the message, several side by side."""
    shown: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
    for picture in pictures:
        shown.add_item(media=f"attachment://{picture.name}", description=picture.alt_text, spoiler=picture.is_covered)
    return shown


def picture_name(ending: str, index: int, of: int) -> str:
    """The file's name of one picture, or of the one at `index` among several."""
    return f"{PICTURE}.{ending}" if of == 1 else f"{PICTURE}-{index + 1}.{ending}"


def is_picture(name: str) -> bool:
    """Whether a file in a job's message is a picture of it."""
    return name.startswith((f"{PICTURE}.", f"{PICTURE}-"))


def with_pictures(
    screen: Screen, files: Sequence[PictureFile], alt_text: str, *, is_covered: bool = False
) -> tuple[Screen, dict[str, bytes]]:
    """`screen` with the pictures in `files`, numbered where there are several; and the files by their names."""
    names = [picture_name(file.ending, index, len(files)) for index, file in enumerate(files)]
    alt_texts = [alt_text] if len(files) == 1 else [f"{number}. {alt_text}" for number in range(1, len(files) + 1)]
    shown = tuple(ShownPicture(name, text, is_covered) for name, text in zip(names, alt_texts, strict=True))
    return replace(screen, pictures=shown), {name: file.data for name, file in zip(names, files, strict=True)}
