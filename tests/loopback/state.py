"""What stands in the stand-in: people, channels, messages, attachments, and what was ever shown.

It keeps facts and tells listeners about events; it knows nothing of HTTP, of faults or of the bot.
"""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.loopback import payloads

TEXT, DM, PUBLIC_THREAD = 0, 1, 11
DEFAULT, REPLY, CHAT_INPUT, THREAD_STARTER = 0, 19, 20, 21
SUPPRESS_NOTIFICATIONS, COMPONENTS_V2, VOICE = 1 << 12, 1 << 15, 1 << 13
EPHEMERAL, LOADING, HAS_THREAD = 1 << 6, 1 << 7, 1 << 5


class Refused(Exception):
    """What Discord answers instead of doing it: a status and Discord's own code."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Lifetimes:
    """How long things hold, in seconds, as at Discord."""

    acknowledge: float = 3
    token: float = 15 * 60
    nonce: float = 5 * 60
    attachment: float = 24 * 3600


@dataclass(frozen=True)
class User:
    """Somebody, or the bot."""

    id: int
    name: str
    bot: bool = False


@dataclass
class Attachment:
    """A file; its address holds until `expires` (wall clock)."""

    id: int
    channel_id: int
    filename: str
    data: bytes
    content_type: str
    expires: float
    voice: bool = False


@dataclass
class Message:
    """A message as it is now; `pictures` are all the finished pictures that it ever showed, in order."""

    id: int
    channel_id: int
    author_id: int
    content: str = ""
    components: list[dict[str, Any]] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    type: int = DEFAULT
    reference: dict[str, Any] | None = None
    interaction_id: int | None = None
    interaction_user_id: int | None = None
    nonce: str | None = None
    edited: float | None = None
    deleted: bool = False
    pictures: list[bytes] = field(default_factory=list)

    @property
    def is_ephemeral(self) -> bool:
        """Whether only one person sees it."""
        return bool(self.flags & EPHEMERAL)


@dataclass
class Channel:
    """A text channel, a thread or direct messages with `recipient`."""

    id: int
    kind: int
    name: str
    guild_id: int | None
    parent_id: int | None = None
    recipient_id: int | None = None
    archived: bool = False
    deleted: bool = False
    messages: dict[int, Message] = field(default_factory=dict)

    @property
    def standing(self) -> list[Message]:
        """The messages that are there now, oldest first."""
        return [message for _, message in sorted(self.messages.items()) if not message.deleted]


Listener = Callable[[str, dict[str, Any]], None]
"""Called with an event's name and its payload as a bot with all intents receives it."""


class State:
    """All that exists. Changes are told to `listeners`."""

    def __init__(self, address: str, lifetimes: Lifetimes | None = None) -> None:
        self.address = address
        self.lifetimes = lifetimes or Lifetimes()
        self.listeners: list[Listener] = []
        self._count = itertools.count()
        self.users: dict[int, User] = {}
        self.channels: dict[int, Channel] = {}
        self.attachments: dict[int, Attachment] = {}
        self.commands: list[dict[str, Any]] = []
        self._nonces: dict[tuple[int, str], tuple[float, Message]] = {}
        self.bot = self.new_user("imagine-sound", bot=True)
        self.application_id = self.bot.id
        self.guild_id = self.new_id()

    def new_id(self) -> int:
        """A snowflake of now."""
        return (int(time.time() * 1000) - 1_420_070_400_000 << 22) | next(self._count) & 0x3FFFFF

    def new_user(self, name: str, *, bot: bool = False) -> User:
        """Another person, member of the server."""
        user = User(self.new_id(), name, bot)
        self.users[user.id] = user
        return user

    def new_channel(self, name: str) -> Channel:
        """Another text channel of the server, as the bot learns of it."""
        channel = self._keep(Channel(self.new_id(), TEXT, name, self.guild_id))
        self._tell("CHANNEL_CREATE", payloads.channel(self, channel))
        return channel

    def dm_with(self, user_id: int) -> Channel:
        """The direct messages between the bot and a person."""
        found = (c for c in self.channels.values() if c.kind == DM and c.recipient_id == user_id)
        return next(found, None) or self._keep(Channel(self.new_id(), DM, "", None, recipient_id=user_id))

    def channel(self, channel_id: int) -> Channel:
        """Raises Refused where there is none."""
        channel = self.channels.get(channel_id)
        if channel is None or channel.deleted:
            raise Refused(404, 10003, "Unknown Channel")
        return channel

    def message(self, channel_id: int, message_id: int) -> Message:
        """Raises Refused where there is none that the bot may see by its own token."""
        message = self.channel(channel_id).messages.get(message_id)
        if message is None or message.deleted or message.is_ephemeral:
            raise Refused(404, 10008, "Unknown Message")
        return message

    def root_of(self, channel_id: int) -> int:
        """The text channel that a thread belongs to; any other channel's own id."""
        channel = self.channels.get(channel_id)
        return channel.parent_id if channel is not None and channel.parent_id is not None else channel_id

    def new_attachment(self, channel_id: int, filename: str, data: bytes, *, voice: bool = False) -> Attachment:
        """A file whose address holds for a while."""
        kind = payloads.content_type(filename)
        expires = time.time() + self.lifetimes.attachment
        attachment = Attachment(self.new_id(), channel_id, filename, data, kind, expires, voice)
        self.attachments[attachment.id] = attachment
        return attachment

    def by_nonce(self, author_id: int, nonce: str) -> Message | None:
        """The message posted with this nonce in the last few minutes. Refused if it has been deleted since."""
        posted, message = self._nonces.get((author_id, nonce), (0.0, None))
        if message is None or time.monotonic() - posted > self.lifetimes.nonce:
            return None
        if message.deleted:
            raise Refused(404, 10008, "Unknown Message")
        return message

    def post(self, channel: Channel, author_id: int, **content: Any) -> Message:
        """A new message; everybody hears of it."""
        if channel.archived:
            channel.archived = False
        message = Message(self.new_id(), channel.id, author_id, **content)
        channel.messages[message.id] = message
        if message.nonce is not None:
            self._nonces[author_id, message.nonce] = (time.monotonic(), message)
        self._remember_picture(message)
        self._tell("MESSAGE_CREATE", payloads.message(self, message) | payloads.of_event(self, message))
        return message

    def edit(self, message: Message, changes: Mapping[str, Any]) -> None:
        """Change fields of a message. Refused in an archived thread."""
        if self.channel(message.channel_id).archived:
            raise Refused(400, 50083, "Thread is archived")
        for name, value in changes.items():
            setattr(message, name, value)
        message.edited = time.time()
        self._remember_picture(message)
        if not message.is_ephemeral:
            self._tell("MESSAGE_UPDATE", payloads.message(self, message) | payloads.of_event(self, message))

    def delete(self, message: Message) -> None:
        """Remove a message."""
        message.deleted = True
        if not message.is_ephemeral:
            deleted = {"id": str(message.id), "channel_id": str(message.channel_id)}
            channel = self.channels[message.channel_id]
            self._tell("MESSAGE_DELETE", deleted | ({"guild_id": str(channel.guild_id)} if channel.guild_id else {}))

    def start_thread(self, channel: Channel, source: Message, name: str) -> Channel:
        """The thread on a message, with the message's id. Refused if there is one."""
        if source.id in self.channels:
            raise Refused(400, 160004, "A thread has already been created for this message")
        thread = Channel(source.id, PUBLIC_THREAD, name, channel.guild_id, parent_id=channel.id)
        self._keep(thread)
        source.flags |= HAS_THREAD
        starter = Message(self.new_id(), thread.id, source.author_id, type=THREAD_STARTER)
        starter.reference = {"channel_id": str(channel.id), "message_id": str(source.id)}
        thread.messages[starter.id] = starter
        self._tell("THREAD_CREATE", payloads.channel(self, thread) | {"newly_created": True})
        return thread

    def change_channel(self, channel: Channel, changes: Mapping[str, Any]) -> None:
        """A thread's name, or whether it is archived."""
        for name, value in changes.items():
            setattr(channel, name, value)
        event = "THREAD_UPDATE" if channel.kind == PUBLIC_THREAD else "CHANNEL_UPDATE"
        self._tell(event, payloads.channel(self, channel))

    def delete_channel(self, channel: Channel) -> None:
        """Remove a thread or a channel with all that is in it."""
        channel.deleted = True
        for message in channel.messages.values():
            message.deleted = True
        event = "THREAD_DELETE" if channel.kind == PUBLIC_THREAD else "CHANNEL_DELETE"
        self._tell(event, payloads.channel(self, channel))

    def guild_channels(self) -> Sequence[Channel]:
        """The server's channels and threads."""
        return [channel for channel in self.channels.values() if channel.guild_id and not channel.deleted]

    def _keep(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        return channel

    def _tell(self, event: str, payload: dict[str, Any]) -> None:
        for listener in self.listeners:
            listener(event, payload)

    @staticmethod
    def _remember_picture(message: Message) -> None:
        for attachment in message.attachments:
            is_new = not message.pictures or message.pictures[-1] != attachment.data
            if attachment.filename.startswith("picture.") and is_new:
                message.pictures.append(attachment.data)
