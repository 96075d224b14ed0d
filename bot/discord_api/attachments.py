"""The recordings and the pictures in a message, also in what it forwards; and their addresses.

Names and content types only sort out what is certainly none: whether a file can be heard or seen is for `core` to say.
Nothing here fetches a file.
"""

from enum import Enum, auto
from pathlib import PurePosixPath

import discord

from bot.storage.records import AttachmentAddress
from core.errors import RecordingError

ENDINGS = frozenset(
    {
        ".3gp", ".aac", ".aif", ".aiff", ".amr", ".avi", ".caf", ".dts", ".flac", ".flv", ".m4a", ".m4b", ".m4v",
        ".mkv", ".mov", ".mp3", ".mp4", ".mpga", ".oga", ".ogg", ".opus", ".qta", ".spx", ".wav", ".weba", ".webm",
        ".wma",
    }
)  # fmt: skip


VIDEOS = frozenset({".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".webm"})
"""The endings of those that show something, where Discord does not say what a file is."""


PICTURES = frozenset({".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})


class Kind(Enum):
    """What a recording was most likely posted for."""

    VOICE = auto()
    SOUND = auto()
    VIDEO = auto()


class CouldNotFetch(RecordingError):
    """The attachment is gone, or Discord did not hand it out."""

    sentence = "I could not fetch this recording from Discord; please send it again."


def address_of(attachment: discord.Attachment) -> AttachmentAddress:
    """Where `attachment` can be fetched now."""
    return AttachmentAddress(attachment.id, attachment.url, attachment.size)


def looks_like_sound(attachment: discord.Attachment) -> bool:
    """Whether an attachment may be a recording, by what Discord says of it."""
    if attachment.is_voice_message():
        return True
    kind = (attachment.content_type or "").partition("/")[0]
    return kind in ("audio", "video") or PurePosixPath(attachment.filename.lower()).suffix in ENDINGS


def kind_of(recording: discord.Attachment) -> Kind:
    """What a recording was most likely posted for, by what Discord says of it."""
    if recording.is_voice_message():
        return Kind.VOICE
    said = (recording.content_type or "").partition("/")[0]
    if said in ("audio", "video"):
        return Kind.SOUND if said == "audio" else Kind.VIDEO
    return Kind.VIDEO if PurePosixPath(recording.filename.lower()).suffix in VIDEOS else Kind.SOUND


def find_recordings(message: discord.Message) -> list[discord.Attachment]:
    """The recordings in `message`, also in what it forwards. Empty where the content is withheld from the bot."""
    attachments = attachments_of(message)
    if message.flags.voice:
        return attachments
    return [attachment for attachment in attachments if looks_like_sound(attachment)]


def find_pictures(message: discord.Message) -> list[discord.Attachment]:
    """The pictures in `message`, also in what it forwards."""
    return [attachment for attachment in attachments_of(message) if looks_like_picture(attachment)]


def looks_like_picture(attachment: discord.Attachment) -> bool:
    """Whether an attachment may be a picture, by what Discord says of it."""
    kind = (attachment.content_type or "").partition("/")[0]
    return kind == "image" or PurePosixPath(attachment.filename.lower()).suffix in PICTURES


def is_forwarded(message: discord.Message, recording: discord.Attachment) -> bool:
    """Whether the recording comes from another message, of whose author Discord says nothing."""
    return all(recording.id != attachment.id for attachment in message.attachments)


def attachments_of(message: discord.Message) -> list[discord.Attachment]:
    """All attachments of `message`, also of what it forwards."""
    forwarded = (attachment for snapshot in message.message_snapshots for attachment in snapshot.attachments)
    return [*message.attachments, *forwarded]
