"""The few risky Discord calls, wrapped once: each says in the log what failed and returns None or False instead.

What is expected here: the message or the channel is gone, a permission was taken away, an interaction has expired,
Discord has a bad minute. Everything else is a fault of the program and is raised. This module decides nothing.
"""

import asyncio
import io
import logging
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
import discord
import stamina
from discord import ui
from discord.http import HTTPClient, Route

log = logging.getLogger(__name__)

T = TypeVar("T")

# Discord's error codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
EDITED_TOO_OFTEN_WHEN_OLD = 30046
TOO_LARGE = 40005
THREAD_ARCHIVED = 50083
THREAD_EXISTS = 160004

NETWORK_TROUBLE = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
TROUBLE = (discord.HTTPException, *NETWORK_TROUBLE)
"""What may go wrong with any call."""
FETCH_TIMEOUT_S = 60.0


# discord.py itself repeats 500, 502, 504 and 524, five times; not these, which pass as well.
# 52x are Cloudflare's: https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
_PASSING_STATUS = frozenset({503, 520, 521, 522, 523, 525, 526, 527, 530})
_BROKEN_CONNECTION = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, ConnectionError)


Files = Mapping[str, bytes]
"""A message's files by their names."""
NO_FILES: Files = {}


class Gone(Exception):
    """The message, channel or interaction is no more: there is nobody to tell."""


class NotNow(Exception):
    """Discord cannot be reached, or has a bad time: what failed may work later, and was not refused."""


def repeat_passing_failures(http: HTTPClient) -> None:
    """Let every request of `http` be repeated while its failure may pass: after 0.5 s, doubling to 8 s, for 30 s.

    It goes around the library's own request, so that a message keeps the nonce that was chosen for it: where only the
    answer was lost on its way back, Discord returns the message that is there instead of posting it twice.
    """
    request_once = http.request
    until_passed = stamina.AsyncRetryingCaller(
        attempts=None, timeout=30, wait_initial=0.5, wait_max=8, wait_jitter=0.5
    ).on(_may_pass)

    async def request(
        route: Route,
        *,
        files: Sequence[discord.File] | None = None,
        form: Iterable[dict[str, Any]] | None = None,
        **options: Any,
    ) -> Any:
        parts = list(form) if form is not None else None

        async def once() -> Any:
            for file in files or ():
                file.reset()  # the last attempt has read it to its end
            return await request_once(route, files=files, form=parts, **options)

        return await until_passed(once)

    http.request = request  # type: ignore[method-assign]


def _may_pass(error: Exception) -> bool:
    if isinstance(error, discord.HTTPException):
        return error.status in _PASSING_STATUS
    return isinstance(error, _BROKEN_CONNECTION)


async def fetch_file(http: HTTPClient, url: str) -> bytes:
    """The bytes behind an attachment's address, asked for again for a minute while that may help. Raises TROUBLE."""
    until_passed = stamina.AsyncRetryingCaller(attempts=None, timeout=60, wait_initial=0.5, wait_max=8, wait_jitter=0.5)
    return await until_passed.on(_file_may_come)(lambda: asyncio.wait_for(http.get_from_cdn(url), FETCH_TIMEOUT_S))


def _file_may_come(error: Exception) -> bool:
    """The library repeats nothing where files lie."""
    if isinstance(error, discord.HTTPException):
        return passes(error)
    return isinstance(error, _BROKEN_CONNECTION)


async def attempt(call: Awaitable[T], what: str) -> T | None:
    """The call's result, or None with a line in the log where it is refused.

    Raises Gone where trying again is pointless, NotNow where it may work later.
    """
    try:
        return await call
    except discord.NotFound as error:
        log.info("could not %s: %s", what, error)
        raise Gone(what) from error
    except TROUBLE as error:
        log.warning("could not %s: %s", what, error)
        if passes(error):
            raise NotNow(what) from error
        return None


def passes(error: BaseException) -> bool:
    """Whether a call that failed so may work later."""
    return not isinstance(error, discord.HTTPException) or error.status >= 500 or error.status == 429


async def attempt_quietly(call: Awaitable[T], what: str) -> T | None:
    """As `attempt`, for calls that nobody waits for: whatever fails is None."""
    try:
        return await attempt(call, what)
    except (Gone, NotNow):
        return None


async def send(
    channel: discord.abc.Messageable,
    view: ui.LayoutView,
    files: Files = NO_FILES,
    *,
    reply_to: discord.PartialMessage | discord.Message | None = None,
    silent: bool = False,
) -> discord.Message | None:
    """Send a message, as a reply where `reply_to` still exists."""
    sent = [as_file(name, data) for name, data in files.items()]
    if reply_to is None:
        return await attempt(channel.send(view=view, files=sent, silent=silent), "send a message")
    reference = reply_to.to_reference(fail_if_not_exists=False)
    return await attempt(channel.send(view=view, files=sent, silent=silent, reference=reference), "send a reply")


def as_file(name: str, data: bytes) -> discord.File:
    """A file to be attached to a message."""
    return discord.File(io.BytesIO(data), filename=name)


async def create_thread(message: discord.PartialMessage, name: str) -> discord.Thread | None:
    """The thread on `message`, new or, where one was made meanwhile, that one; None where that is not possible.

    Raises NotNow where it may be possible later: the answer belongs into the thread.
    """
    try:
        return await message.create_thread(name=name, auto_archive_duration=1440)
    except (discord.HTTPException, ValueError, *NETWORK_TROUBLE) as error:
        if isinstance(error, discord.HTTPException) and error.code == THREAD_EXISTS and message.guild is not None:
            # a thread has the number of its message
            found = await attempt_quietly(message.guild.fetch_channel(message.id), "find the thread that is there")
            return found if isinstance(found, discord.Thread) else None
        log.info("could not create a thread: %s", error)
        if not isinstance(error, ValueError) and passes(error):
            raise NotNow("create a thread") from error
        return None


def plain(text: str) -> ui.LayoutView:
    """A layout of text alone."""
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(text))
    view.stop()
    return view


async def answer(interaction: discord.Interaction, text: str) -> None:
    """Tell only the one who clicked or commanded, whether or not the interaction has been answered already."""
    await answer_with(interaction, plain(text))


async def answer_with(interaction: discord.Interaction, view: ui.LayoutView, files: Files = NO_FILES) -> None:
    """As `answer`, with a whole layout."""
    sent = [as_file(name, data) for name, data in files.items()]
    if interaction.response.is_done():
        await attempt_quietly(interaction.followup.send(view=view, files=sent, ephemeral=True), "follow up")
    else:
        await attempt_quietly(
            interaction.response.send_message(view=view, files=sent, ephemeral=True), "answer an interaction"
        )


async def acknowledge_publicly(interaction: discord.Interaction) -> bool:
    """Show everybody that an answer is coming; False if the three seconds for it were over: nobody can be told."""
    return await _acknowledge(interaction.response.defer(ephemeral=False, thinking=True))


async def acknowledge_privately(interaction: discord.Interaction) -> bool:
    """Show the one who asked that an answer is coming for them alone; False if that came too late."""
    return await _acknowledge(interaction.response.defer(ephemeral=True, thinking=True))


async def acknowledge_click(interaction: discord.Interaction) -> bool:
    """Take note of a click whose effect is seen elsewhere; False if that came too late."""
    return await _acknowledge(interaction.response.defer(ephemeral=True, thinking=False))


async def _acknowledge(call: Awaitable[object]) -> bool:
    try:
        await call
    except TROUBLE as error:
        log.warning("could not acknowledge an interaction: %s", error)
        return False
    return True
