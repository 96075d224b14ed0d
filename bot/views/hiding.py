"""A message whose pictures are covered until somebody wants to see them: made from the message that stands."""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import discord
from discord import ui


def with_hidden_pictures(message: discord.Message) -> ui.LayoutView:
    """What `message` shows, its own pictures covered. Its attachments have to stay as they are."""
    view = ui.LayoutView.from_message(message, timeout=None)
    assert isinstance(view, ui.LayoutView)
    view.stop()
    for item in view.walk_children():
        if isinstance(item, ui.MediaGallery):
            item.items = [_hidden(shown) for shown in item.items]
    return view


def is_hidden(message: discord.Message) -> bool:
    """Whether the pictures of `message` are covered already."""
    return any(shown.spoiler for shown in shown_in(message.components))


def shown_in(components: Iterable[discord.Component]) -> Iterator[discord.MediaGalleryItem]:
    """The pictures that components show."""
    for component in components:
        if isinstance(component, discord.Container):
            yield from shown_in(component.children)
        elif isinstance(component, discord.MediaGalleryComponent):
            yield from component.items


def _hidden(shown: discord.MediaGalleryItem) -> discord.MediaGalleryItem:
    return discord.MediaGalleryItem(_own_file(shown.media), description=shown.description, spoiler=True)


def _own_file(media: discord.UnfurledMediaItem) -> str:
    """The file among the message's attachments that Discord's address stands for."""
    return f"attachment://{PurePosixPath(urlsplit(media.url).path).name}"
