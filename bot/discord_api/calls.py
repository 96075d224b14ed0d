"""The few risky Discord calls, wrapped once: each says in the log what failed, and raises what that means.

What is expected here: the message or the channel is gone, a permission was taken away, an interaction has expired,
Discord has a bad minute. Everything else is a fault of the program and is raised. This module decides nothing.
"""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import aiohttp
import discord
import stamina
from discord import ui
from discord.http import HTTPClient, Route

from bot.discord_api.markdown import Markdown, display
from bot.discord_api.verdicts import TROUBLE, Applied, Call, Never, NotApplied, Unknown, Why, judge, passes

log = logging.getLogger(__name__)

T = TypeVar("T")

# Discord's error codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json
UNKNOWN_WEBHOOK = 10015
TOKEN_EXPIRED = 50027
THREAD_ARCHIVED = 50083

CALL_TIMEOUT_S, CALL_WITH_FILES_TIMEOUT_S = 10.0, 60.0
"""For one attempt, once it is its turn."""
FOLLOWED_UP_FOR_S = 10.0
OWN_FILE_WITHIN_S = 60.0
REPEATED_FOR_S = 30.0
ACKNOWLEDGED_WITHIN_S, ACKNOWLEDGE_PAUSE_S = 2.5, 0.2
"""Discord takes an interaction for failed after three seconds."""


Files = Mapping[str, bytes]
"""A message's files by their names."""
NO_FILES: Files = {}


class CallFailed(Exception):
    """Discord did not do what was asked for."""


class Gone(CallFailed):
    """The message, channel or interaction is no more: there is nobody to tell."""


class Refused(CallFailed):
    """Discord does not allow it, unless somebody changes a permission."""


class NotNow(CallFailed):
    """Discord cannot be reached, or has a bad time: what failed may work later, and was not refused."""


class TooLarge(CallFailed):
    """Discord refused a message's files for their size."""


def repeat_passing_failures(http: HTTPClient) -> None:
    """Let every request of `http` be repeated while its failure may pass: after 0.5 s, doubling to 8 s, for 30 s.

    The library itself repeats 500, 502, 504 and 524, five times, and nothing else; and it waits for an answer for ever.
    This goes around its own request, so that a message keeps its nonce: where only the answer was lost on its way back,
    Discord returns the message that is there instead of posting it twice.
    """
    request_once = http.request
    until_passed = _until_passed(REPEATED_FOR_S)

    async def request(
        route: Route,
        *,
        files: Sequence[discord.File] | None = None,
        form: Iterable[dict[str, Any]] | None = None,
        **options: Any,
    ) -> Any:
        parts = list(form) if form is not None else None
        options.setdefault(
            "timeout", aiohttp.ClientTimeout(total=CALL_WITH_FILES_TIMEOUT_S if files else CALL_TIMEOUT_S)
        )

        async def once() -> Any:
            for file in files or ():
                file.reset()  # the last attempt has read it to its end
            return await request_once(route, files=files, form=parts, **options)

        return await until_passed(once)

    http.request = request  # type: ignore[method-assign]


def _until_passed(seconds: float) -> stamina.BoundAsyncRetryingCaller:
    """Calls again while the failure may pass, for so long."""
    caller = stamina.AsyncRetryingCaller(attempts=None, timeout=seconds, wait_initial=0.5, wait_max=8, wait_jitter=0.5)
    return caller.on(_is_repeated)


def _is_repeated(error: Exception) -> bool:
    """A 401 is not: too many of them, and Discord shuts a network out for a while."""
    if not isinstance(error, TROUBLE) or (isinstance(error, discord.HTTPException) and error.status == 401):
        return False
    return passes(error)


async def fetch_file(read: Callable[[str], Awaitable[bytes]], url: str) -> bytes:
    """The bytes behind an attachment's address, asked for again for a minute while that may help. Raises TROUBLE."""
    return await _until_passed(60)(lambda: read(url))


async def fetch_own_file(client: discord.Client, url: str) -> bytes:
    """A file of one of the bot's own messages, whose address Discord has told. Raises Gone, Refused and NotNow."""

    async def read() -> bytes:
        async with asyncio.timeout(OWN_FILE_WITHIN_S):
            return await fetch_file(client.http.get_from_cdn, url)

    return await attempt(read(), "fetch a picture")


async def attempt(call: Awaitable[T], what: str) -> T:
    """The call's result. Raises Gone, Refused, NotNow or TooLarge; a call that is invalid is a fault of the program."""
    try:
        return await call
    except TROUBLE as error:
        log.info("could not %s: %s", what, error)
        raise as_fault(error, what) from error


def as_fault(error: Exception, what: str) -> Exception:
    """What a failed call means for whoever made it: Gone, Refused, NotNow or TooLarge; else the error itself."""
    match judge(error):
        case Never(Why.GONE):
            return Gone(what)
        case Never(Why.FORBIDDEN):
            return Refused(what)
        case Never(Why.TOO_LARGE):
            return TooLarge(what)
        case Never():
            return error
        case _:
            return NotNow(what)


async def attempt_quietly(call: Awaitable[T], what: str) -> T | None:
    """As `attempt`, for calls that nobody waits for: whatever fails is None, with a line in the log."""
    try:
        return await call
    except TROUBLE as error:
        log.warning("could not %s: %s", what, error)
        return None


async def send(
    channel: discord.abc.Messageable,
    view: ui.LayoutView,
    files: Files = NO_FILES,
    *,
    reply_to: discord.PartialMessage | discord.Message | None = None,
    silent: bool = False,
    nonce: str | None = None,
) -> discord.Message:
    """Send a message, as a reply where `reply_to` still exists. Raises what `attempt` does.

    With a `nonce`, Discord returns the message that it was used for in the past few minutes instead of sending another.
    """
    options: dict[str, Any] = {"view": view, "silent": silent}
    options["files"] = [as_file(name, data) for name, data in files.items()]
    if nonce is not None:
        options["nonce"] = nonce
    if reply_to is not None:
        options["reference"] = reply_to.to_reference(fail_if_not_exists=False)
    return await attempt(channel.send(**options), "send a message")


def webhook(client: discord.Client, token: str) -> discord.Webhook:
    """What an interaction's messages are reached through."""
    assert client.application_id is not None  # known since login
    return discord.Webhook.partial(client.application_id, token, client=client)


async def fetch_answer(client: discord.Client, token: str) -> tuple[int, int] | None:
    """The channel and the id of the message with which an interaction was answered; None if it was not.

    Raises NotNow, and Refused where the token is good no more.
    """
    path = "/webhooks/{application_id}/{token}/messages/@original"
    route = Route("GET", path, application_id=client.application_id, token=token)
    try:
        message = await attempt(client.http.request(route), "look for an interaction's answer")
    except Gone:
        return None
    return int(message["channel_id"]), int(message["id"])


async def tell_privately(client: discord.Client, token: str, view: ui.LayoutView) -> tuple[int, int]:
    """Tell only the one who asked, by an interaction whose public answer is there and complete: the first message after
    an answer that is still awaited would be as public as that is. Returns the channel and the id of what was told.

    Raises Gone and Refused where the token is good no more, and NotNow.
    """
    path = "/webhooks/{application_id}/{token}"
    route = Route("POST", path, application_id=client.application_id, token=token)
    flags = discord.MessageFlags(ephemeral=True, components_v2=True).value
    body = {"components": view.to_components(), "flags": flags}  # type: ignore[no-untyped-call]
    told = await attempt(client.http.request(route, json=body), "tell somebody privately")
    return int(told["channel_id"]), int(told["id"])


def as_file(name: str, data: bytes) -> discord.File:
    """A file to be attached to a message."""
    return discord.File(io.BytesIO(data), filename=name)


async def create_thread(message: discord.PartialMessage, name: str) -> discord.Thread | None:
    """The thread on `message`, new or, where one was made meanwhile, that one; None where there may be none.

    Raises NotNow where it may be possible later: the answer belongs into the thread.
    """
    try:
        return await message.create_thread(name=name, auto_archive_duration=1440)
    except ValueError as error:
        log.info("there are no threads here: %s", error)
        return None
    except TROUBLE as error:
        log.info("could not create a thread: %s", error)
        match judge(error, Call.CREATE_THREAD):
            case Applied() if message.guild is not None:
                # a thread has the number of its message
                found = await _unless_refused(message.guild.fetch_channel(message.id), "find the thread that is there")
                return found if isinstance(found, discord.Thread) else None
            case NotApplied() | Unknown():
                raise NotNow("create a thread") from error
        return None


async def _unless_refused(call: Awaitable[T], what: str) -> T | None:
    try:
        return await attempt(call, what)
    except (Gone, Refused):
        return None


def plain(text: Markdown) -> ui.LayoutView:
    """A layout of text alone."""
    view = ui.LayoutView(timeout=None)
    view.add_item(display(text))
    view.stop()
    return view


async def answer(interaction: discord.Interaction, text: Markdown) -> None:
    """Tell only the one who clicked or commanded, whether or not the interaction has been answered already."""
    await answer_with(interaction, plain(text))


async def answer_with(interaction: discord.Interaction, view: ui.LayoutView, files: Files = NO_FILES) -> None:
    """As `answer`, with a whole layout."""

    def attached() -> list[discord.File]:
        return [as_file(name, data) for name, data in files.items()]

    async def follow_up() -> None:
        await interaction.followup.send(view=view, files=attached(), ephemeral=True)

    if interaction.response.is_done():  # there is time, and nobody else sees it if it comes twice
        await attempt_quietly(_until_passed(FOLLOWED_UP_FOR_S)(follow_up), "follow up")
    else:
        await attempt_quietly(
            interaction.response.send_message(view=view, files=attached(), ephemeral=True), "answer an interaction"
        )


async def acknowledge_publicly(interaction: discord.Interaction) -> tuple[int, int] | None:
    """Show everybody that an answer is coming: the channel and the id of the message that says so.

    None if the three seconds for it were over: nobody can be told. Raises NotNow where that cannot be known yet.
    """
    try:
        made = await _until_known(interaction, ephemeral=False, thinking=True)
    except TROUBLE as error:
        log.warning("could not acknowledge an interaction: %s", error)
        if isinstance(judge(error, Call.ACKNOWLEDGE), Never):
            return None
    else:
        if made is not None and made.message_id is not None and interaction.channel_id is not None:
            return interaction.channel_id, made.message_id
    try:
        return await fetch_answer(interaction.client, interaction.token)
    except Refused:
        return None


async def acknowledge_privately(interaction: discord.Interaction) -> bool:
    """Show the one who asked that an answer is coming for them alone; False if that came too late."""
    return await _acknowledge(interaction, thinking=True)


async def acknowledge_click(interaction: discord.Interaction) -> bool:
    """Take note of a click whose effect is seen elsewhere; False if that came too late."""
    return await _acknowledge(interaction, thinking=False)


async def _acknowledge(interaction: discord.Interaction, *, thinking: bool) -> bool:
    try:
        await _until_known(interaction, ephemeral=True, thinking=thinking)
    except TROUBLE as error:
        log.warning("could not acknowledge an interaction: %s", error)
        return False
    return True


async def _until_known(
    interaction: discord.Interaction, *, ephemeral: bool, thinking: bool
) -> "discord.InteractionCallbackResponse[Any] | None":
    """Acknowledge it, again where the outcome is not known: a second acknowledgement tells of the first.

    None where it was acknowledged before. Raises TROUBLE where it was not, and will not be in time.
    """
    until = asyncio.get_running_loop().time() + ACKNOWLEDGED_WITHIN_S
    while True:
        try:
            call = interaction.response.defer(ephemeral=ephemeral, thinking=thinking)
            return await asyncio.wait_for(call, max(0.1, until - asyncio.get_running_loop().time()))
        except TROUBLE as error:
            match judge(error, Call.ACKNOWLEDGE):
                case Applied():
                    return None
                case NotApplied() | Unknown() if asyncio.get_running_loop().time() < until:
                    log.info("whether an interaction was acknowledged is not known: %s", error)
                case _:
                    raise
        await asyncio.sleep(ACKNOWLEDGE_PAUSE_S)
