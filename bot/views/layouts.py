"""What a job's message looks like at each stage: a pure function from a Screen to a discord.ui.LayoutView.

It decides looks only; what happens to a job is `conversation.py`'s business, what its buttons do is `controls.py`'s.
"""

from dataclasses import dataclass
from enum import Enum, auto

import discord
from discord import ui

from bot.requests.controls import JobButton, StyleSelect
from bot.views.texts import Speaker
from bot.views.wording import bar, figure_alt_text, heard_notes, label_lines, note_text, shortened
from core.events import HeardSummary
from core.generation.protocol import Note

ACCENT = discord.Colour(0x5865F2)
GOOD = discord.Colour(0x3BA55D)
BAD = discord.Colour(0xED4245)
LONGEST_PROMPT = 600


class Controls(Enum):
    """Which buttons a message bears."""

    NONE = auto()
    CANCEL = auto()
    PICTURE = auto()
    ENDED = auto()
    """No picture came of it: only paint again and delete."""


@dataclass(frozen=True)
class Screen:
    """All that a job's message shows. `figure` and `picture` are names of files attached to the message."""

    job_id: int
    status: str = ""
    heard: HeardSummary | None = None
    prompt: str = ""
    figure: str | None = None
    picture: str | None = None
    alt_text: str = ""
    progress: tuple[int, int] | None = None
    notes: tuple[Note, ...] = ()
    controls: Controls = Controls.CANCEL
    colour: discord.Colour = ACCENT


def build_layout(screen: Screen, say: Speaker) -> ui.LayoutView:
    """The message for `screen`."""
    view = ui.LayoutView(timeout=None)
    container: ui.Container[ui.LayoutView] = ui.Container(accent_colour=screen.colour)
    view.add_item(container)
    if screen.heard is not None:
        container.add_item(ui.TextDisplay(f"### {discord.utils.escape_markdown(screen.heard.title)}"))
    if screen.picture is not None:
        gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
        gallery.add_item(media=f"attachment://{screen.picture}", description=screen.alt_text or None)
        container.add_item(gallery)
    if screen.heard is not None:
        _add_heard(container, screen, screen.heard, say)
    if screen.prompt:
        prompt = discord.utils.escape_markdown(shortened(screen.prompt, LONGEST_PROMPT))
        container.add_item(ui.TextDisplay(f"> {' '.join(prompt.split())}"))
    if screen.progress is not None:
        step, steps = screen.progress
        container.add_item(ui.TextDisplay(f"`{bar(step / steps, 16)}` {step}/{steps}"))
    if screen.status:
        container.add_item(ui.TextDisplay(screen.status))
    if notes := [*(heard_notes(screen.heard) if screen.heard else ()), *screen.notes]:
        container.add_item(ui.TextDisplay("\n".join(f"-# {note_text(say, note)}" for note in notes)))
    for row in _rows(screen, say):
        container.add_item(row)
    return view


def _add_heard(container: "ui.Container[ui.LayoutView]", screen: Screen, heard: HeardSummary, say: Speaker) -> None:
    """The labels; the figure is large until there is a picture, then a thumbnail beside them."""
    labels: ui.TextDisplay[ui.LayoutView] = ui.TextDisplay(label_lines(say, heard.top))
    if screen.figure is None:
        container.add_item(labels)
        return
    media = f"attachment://{screen.figure}"
    description = figure_alt_text(say, heard.top, heard.duration_s)
    if screen.picture is not None:
        container.add_item(ui.Section(labels, accessory=ui.Thumbnail(media, description=description)))
        return
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery()
    gallery.add_item(media=media, description=description)
    container.add_item(gallery).add_item(labels)


def _rows(screen: Screen, say: Speaker) -> "list[ui.ActionRow[ui.LayoutView]]":
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
        row.add_item(JobButton(name, screen.job_id, say))
    if screen.controls is not Controls.PICTURE:
        return [row]
    styles: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
    return [row, styles.add_item(StyleSelect(screen.job_id, say))]
