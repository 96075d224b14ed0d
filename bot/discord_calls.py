"""The few risky Discord calls, wrapped once: each says in the log what failed and returns None or False instead.

What is expected here: the message or the channel is gone, a permission was taken away, an interaction has expired,
Discord has a bad minute. Everything else is a fault of the program and is raised. This module decides nothing.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from typing import TypeVar

import aiohttp
import discord
from discord import ui

log = logging.getLogger(__name__)

T = TypeVar("T")

# Discord's error codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
EDITED_TOO_OFTEN_WHEN_OLD = 30046
TOO_LARGE = 40005
THREAD_ARCHIVED = 50083

NETWORK_TROUBLE = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
_EXPECTED = (discord.HTTPException, *NETWORK_TROUBLE)


class Gone(Exception):
    """The message, channel or interaction is no more: there is nobody to tell."""


async def attempt(call: Awaitable[T], what: str) -> T | None:
    """The call's result, or None with a line in the log. Raises Gone where trying again is pointless."""
    try:
        return await call
    except discord.NotFound as error:
        log.info("could not %s: %s", what, error)
        raise Gone(what) from error
    except _EXPECTED as error:
        log.warning("could not %s: %s", what, error)
        return None


async def attempt_quietly(call: Awaitable[T], what: str) -> T | None:
    """As `attempt`, for calls that nobody waits for: what is gone is None, too."""
    try:
        return await attempt(call, what)
    except Gone:
        return None


async def send(
    channel: discord.abc.Messageable,
    view: ui.LayoutView,
    files: Sequence[discord.File] = (),
    *,
    reply_to: discord.PartialMessage | discord.Message | None = None,
    silent: bool = False,
) -> discord.Message | None:
    """Send a message, as a reply where `reply_to` still exists."""
    if reply_to is None:
        return await attempt(channel.send(view=view, files=list(files), silent=silent), "send a message")
    reference = reply_to.to_reference(fail_if_not_exists=False)
    return await attempt(channel.send(view=view, files=list(files), silent=silent, reference=reference), "send a reply")


async def create_thread(message: discord.PartialMessage, name: str) -> discord.Thread | None:
    """A new thread on `message`; None where that is not possible."""
    try:
        return await message.create_thread(name=name, auto_archive_duration=1440)
    except (discord.HTTPException, ValueError, *NETWORK_TROUBLE) as error:
        log.info("could not create a thread: %s", error)
        return None


async def answer(interaction: discord.Interaction, text: str) -> None:
    """Tell only the one who clicked or commanded, whether or not the interaction has been answered already."""
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(text))
    await answer_with(interaction, view)


async def answer_with(
    interaction: discord.Interaction, view: ui.LayoutView, files: Sequence[discord.File] = ()
) -> None:
    """As `answer`, with a whole layout."""
    if interaction.response.is_done():
        await attempt_quietly(interaction.followup.send(view=view, files=list(files), ephemeral=True), "follow up")
    else:
        await attempt_quietly(
            interaction.response.send_message(view=view, files=list(files), ephemeral=True), "answer an interaction"
        )


async def defer(interaction: discord.Interaction, *, ephemeral: bool, thinking: bool) -> bool:
    """Acknowledge within Discord's three seconds; False if that came too late, and nobody can be told."""
    try:
        await interaction.response.defer(ephemeral=ephemeral, thinking=thinking)
    except _EXPECTED as error:
        log.warning("could not acknowledge an interaction: %s", error)
        return False
    return True
