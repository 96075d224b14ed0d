"""The recordings in a message: voice notes, audio and video attachments, forwarded ones; and their bytes.

Names and content types only sort out what is certainly no sound: whether a file can be heard is for `core` to say.
Nothing here opens a file.
"""

import asyncio
from collections.abc import Iterable
from pathlib import PurePosixPath

import discord

from bot.discord_api import calls
from core.errors import RecordingError, RecordingTooLarge

ENDINGS = frozenset(
    {
        ".3gp", ".aac", ".aif", ".aiff", ".amr", ".avi", ".caf", ".dts", ".flac", ".flv", ".m4a", ".m4b", ".m4v",
        ".mkv", ".mov", ".mp3", ".mp4", ".mpga", ".oga", ".ogg", ".opus", ".qta", ".spx", ".wav", ".weba", ".webm",
        ".wma",
    }
)  # fmt: skip


FETCH_TIMEOUT_S = 60.0


class CouldNotFetch(RecordingError):
    """The attachment is gone, or Discord did not hand it out."""

    sentence = "I could not fetch this recording from Discord; please send it again."


def looks_like_sound(attachment: discord.Attachment) -> bool:
    """Whether an attachment may be a recording, by what Discord says of it."""
    if attachment.is_voice_message():
        return True
    kind = (attachment.content_type or "").partition("/")[0]
    return kind in ("audio", "video") or PurePosixPath(attachment.filename.lower()).suffix in ENDINGS


def find_recordings(message: discord.Message) -> list[discord.Attachment]:
    """The recordings in `message`, also in what it forwards. Empty where the content is withheld from the bot."""
    forwarded = (attachment for snapshot in message.message_snapshots for attachment in snapshot.attachments)
    attachments: Iterable[discord.Attachment] = (*message.attachments, *forwarded)
    if message.flags.voice:
        return list(attachments)
    return [attachment for attachment in attachments if looks_like_sound(attachment)]


async def fetch(attachment: discord.Attachment, max_mb: float) -> bytes:
    """The attachment's bytes, now: its address expires. Raises RecordingTooLarge before fetching, or CouldNotFetch."""
    if attachment.size > max_mb * 1_000_000:
        raise RecordingTooLarge(attachment.size, int(max_mb * 1_000_000))
    data = await calls.attempt_quietly(asyncio.wait_for(attachment.read(), FETCH_TIMEOUT_S), "fetch a recording")
    if data is None:
        raise CouldNotFetch
    return data
