"""What a job's message looks like at each stage: a pure function from a Screen to a discord.ui.LayoutView.

It decides looks only: what happens to a job and what its buttons do is not known here. The layouts are stopped at once,
so that the library does not keep them to act: that the dynamic controls do.
"""

from dataclasses import dataclass
from enum import Enum, auto

import discord
from discord import ui

from bot.discord_api.markdown import Markdown, display, inert
from bot.views.buttons import job_button, style_select
from bot.views.naming import title_of
from bot.views.texts import Translation
from bot.views.wording import bar, heard_notes, label_lines, note_text, strip_alt_text
from core.events import HeardSummary
from core.generation.protocol import Note

ACCENT = discord.Colour(0x5865F2)
GOOD = discord.Colour(0x3BA55D)
BAD = discord.Colour(0xED4245)
LONGEST_WORDS = 600
PICTURE = "picture"
"""The name of the file with the picture, without its ending."""


class Controls(Enum):
    """Which buttons a message bears."""

    NONE = auto()
    CANCEL = auto()
    PICTURE = auto()
    ENDED = auto()
    """No picture came of it: only paint again and delete."""


@dataclass(frozen=True)
class Screen:
    """All that a job's message shows. `strip` and `picture` are names of files attached to the message.

    `words`: what is painted, where somebody said so; a prompt that was made from a sound is not shown.
    """

    job_id: int
    status: Markdown
    heard: HeardSummary | None = None
    words: str = ""
    strip: str | None = None
    picture: str | None = None
    alt_text: str = ""
    progress: tuple[int, int] | None = None
    notes: tuple[Note, ...] = ()
    controls: Controls = Controls.CANCEL
    colour: discord.Colour = ACCENT


def new_layout() -> ui.LayoutView:
    """An empty layout that only shows."""
    view = ui.LayoutView(timeout=None)
    view.stop()
    return view


def build_layout(screen: Screen, t: Translation, marker: int) -> ui.LayoutView:
    """The message for `screen`. `marker` is a number that nobody sees, by which the message is found again."""
    view = new_layout()
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=screen.colour, id=marker)
    view.add_item(container)
    if screen.heard is not None:
        container.add_item(display(Markdown(f"### {inert(title_of(t, screen.heard.top))}")))
    if screen.picture is not None:
        container.add_item(media(screen.picture, screen.alt_text or None))
    if screen.heard is not None:
        if screen.strip is not None:  # right below the picture, which stands on it
            container.add_item(media(screen.strip, strip_alt_text(t, screen.heard)))
        if screen.heard.top:
            container.add_item(display(label_lines(t, screen.heard)))
    if screen.words:
        container.add_item(display(Markdown(f"> {inert(screen.words, LONGEST_WORDS)}")))
    if screen.progress is not None:
        step, steps = screen.progress
        container.add_item(display(Markdown(f"`{bar(step / steps, 16)}` {step}/{steps}")))
    if screen.status:
        container.add_item(display(screen.status))
    if notes := [*(heard_notes(screen.heard) if screen.heard else ()), *screen.notes]:
        container.add_item(display(Markdown("\n".join(f"-# {note_text(t, note)}" for note in notes))))
    for row in _rows(screen, t):
        container.add_item(row)
    return view


def build_picture_alone(job_id: int, picture: str, *, is_covered: bool, t: Translation) -> ui.LayoutView:
    """What stays of a message when what was heard has been forgotten: the picture, and a way to remove it."""
    view = new_layout()
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
    gallery.add_item(media=f"attachment://{picture}", description=t("alt.forgotten"), spoiler=is_covered)
    said = display(t("status.forgotten"))
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow(job_button("delete", job_id, t))
    view.add_item(ui.Container(gallery, said, row, accent_colour=ACCENT))
    return view


def is_marked(message: discord.Message, marker: int) -> bool:
    """Whether the message was built with that marker."""
    return any(getattr(component, "id", None) == marker for component in message.components)


def media(name: str, description: str | None) -> "ui.MediaGallery[ui.LayoutView]":
    """An attached picture by its file's name, as wide as the message."""
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
    gallery.add_item(media=f"attachment://{name}", description=description)
    return gallery


def _rows(screen: Screen, t: Translation) -> "list[ui.ActionRow[ui.LayoutView]]":
    match screen.controls:
        case Controls.NONE:
            return []
        case Controls.CANCEL:
            names = ["cancel"]
        case Controls.PICTURE:
            names = ["again", "edit", "heard", "recipe", "delete"]
        case Controls.ENDED:
            names = ["again", "delete"]
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
    for name in names:
        row.add_item(job_button(name, screen.job_id, t))
    if screen.controls is not Controls.PICTURE:
        return [row]
    styles: ui.ActionRow[ui.LayoutView] = ui.ActionRow(style_select(screen.job_id, t))
    reporting: ui.ActionRow[ui.LayoutView] = ui.ActionRow(job_button("report", screen.job_id, t))
    return [row, styles, reporting]
