"""What became of a request, judged by what stands in Discord in the end and what ever stood there.

Pure functions; the bot is not asked.
"""

import io
from collections.abc import Sequence
from enum import StrEnum

from PIL import Image

from tests.loopback.people import Request, custom_ids, text_of
from tests.loopback.state import LOADING, SUPPRESS_NOTIFICATIONS, TEXT, THREAD_STARTER, Message, State


class Verdict(StrEnum):
    """What became of a request. The loud ones must not be."""

    ANSWERED = "answered"
    TOLD = "told"
    WITHDRAWN = "withdrawn"
    """It was taken back, or its place is gone, and nothing of it stands."""
    LEFT = "left alone"
    """Nobody asked by name, and the recording cannot be had: nothing is said."""
    UNREACHABLE = "nobody to tell"
    """Discord refuses for good what would be needed."""
    PUT_OFF = "PUT OFF"
    """Told to ask again, though the picture was possible."""
    LATE = "LATE"
    """Answered, but too long after the fault."""
    LOST = "LOST"
    STUCK = "STUCK"
    DOUBLED = "DOUBLED"
    ORPHAN = "ORPHAN"
    MISPLACED = "MISPLACED"
    CHANGED = "CHANGED"
    LOUD = "LOUD"


GOOD = frozenset({Verdict.ANSWERED, Verdict.TOLD, Verdict.WITHDRAWN, Verdict.LEFT, Verdict.UNREACHABLE})


def judge(state: State, request: Request) -> Verdict:
    """What became of `request`."""
    everything = messages_of(state, request)
    standing = [message for message in everything if not message.deleted]
    if request.withdrawn:
        left = Verdict.UNREACHABLE if request.hopeless else Verdict.ORPHAN
        return left if standing else Verdict.WITHDRAWN
    pictures = [message for message in standing if is_picture(message)]
    unfinished = [message for message in standing if is_unfinished(message)]
    told = [message for message in standing if message not in pictures and message not in unfinished]
    shown = {identity(picture) for message in everything for picture in message.pictures}
    if len(pictures) + len(told) > 1:
        return Verdict.DOUBLED
    if unfinished and (pictures or told):
        return Verdict.ORPHAN
    if len(shown) > 1 or (shown and told):
        return Verdict.CHANGED
    if not standing:
        return _nothing(request)
    if unfinished:
        return Verdict.UNREACHABLE if request.hopeless else Verdict.STUCK
    if notifications(everything) > 1:
        return Verdict.LOUD
    if told:
        return Verdict.TOLD if request.may_be_told else Verdict.PUT_OFF
    return Verdict.MISPLACED if is_misplaced(state, request, pictures[0]) else Verdict.ANSWERED


def _nothing(request: Request) -> Verdict:
    if request.may_vanish:
        return Verdict.WITHDRAWN
    if request.may_be_left:
        return Verdict.LEFT
    if request.may_be_unheard and request.interaction is not None and request.interaction.acknowledged is None:
        return Verdict.UNREACHABLE
    return Verdict.UNREACHABLE if request.hopeless else Verdict.LOST


def messages_of(state: State, request: Request) -> list[Message]:
    """The bot's messages about a request: an interaction's, those in the recording's thread, replies, direct ones."""
    found: list[Message] = []
    if request.interaction is not None:
        found += request.interaction.messages
    source = request.source
    if source is not None:
        thread = state.channels.get(source.id)
        # what is behind *⋯* is seen by one person, until they close Discord
        found += [one for one in thread.messages.values() if not one.is_ephemeral] if thread is not None else []
        beside = state.channels[source.channel_id].messages.values()
        found += [one for one in beside if one.reference and one.reference.get("message_id") == str(source.id)]
    found += [
        message
        for channel in state.channels.values()
        if channel.recipient_id == request.user.id
        for message in channel.messages.values()
    ]
    own = [one for one in found if one.author_id == state.bot.id and one.type != THREAD_STARTER]
    return list({message.id: message for message in own}.values())


def fingerprint(state: State, request: Request) -> object:
    """Equal as long as nothing happens to what stands."""
    return [(one.id, one.deleted, one.edited, one.flags) for one in messages_of(state, request)]


def strays(state: State, channel_id: int, requests: Sequence[Request]) -> list[Message]:
    """The bot's standing messages in a channel and its threads that everybody sees and that belong to no request."""
    known = {message.id for request in requests for message in messages_of(state, request)}
    return [
        message
        for channel in state.channels.values()
        if channel_id in (channel.id, channel.parent_id)
        for message in channel.standing
        if message.author_id == state.bot.id and message.id not in known and message.type != THREAD_STARTER
        if not message.is_ephemeral
    ]


def is_picture(message: Message) -> bool:
    """Whether it shows a finished picture, and nothing is awaited any more."""
    shows = any(attachment.filename.startswith("picture.") for attachment in message.attachments)
    return shows and not is_unfinished(message)


def is_unfinished(message: Message) -> bool:
    """Whether it promises that something is still to come: it can be cancelled, or Discord shows "thinking…"."""
    return bool(message.flags & LOADING) or any(one.startswith("job:cancel:") for one in custom_ids(message))


def notifications(messages: Sequence[Message]) -> int:
    """How often people were notified: by each message that was not posted silently."""
    return sum(not message.flags & SUPPRESS_NOTIFICATIONS and not message.is_ephemeral for message in messages)


def is_misplaced(state: State, request: Request, picture: Message) -> bool:
    """Whether the recording stands in a text channel, and the picture is not in the thread on it."""
    source = request.source
    if source is None or request.has_no_thread or state.channels[source.channel_id].kind != TEXT:
        return False
    return picture.channel_id != source.id


def identity(picture: bytes) -> bytes:
    """What makes a picture the same however it is encoded: its colours, roughly."""
    image = Image.open(io.BytesIO(picture)).convert("RGB").resize((4, 4))
    return bytes(value // 16 for value in image.tobytes())


def describe(state: State, request: Request) -> str:
    """What stands, in a line, for the log."""
    parts = []
    for message in messages_of(state, request):
        names = ",".join(one.filename for one in message.attachments)
        gone = "deleted " if message.deleted else ""
        parts.append(f"[{gone}{text_of(message)[:80]!r} {names}]")
    return " ".join(parts) or "nothing"
