"""A job's one message: shown, shown anew, deleted; by the bot's own token, or through an interaction's where it must.

It keeps track of the files attached, so that what is there already is not sent again. It knows nothing of jobs.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import TypeVar

import discord
from discord import ui

from bot.discord_api import calls
from bot.discord_api.calls import THREAD_ARCHIVED, TOKEN_EXPIRED, UNKNOWN_WEBHOOK, Files
from bot.discord_api.nonces import nonce as new_nonce
from bot.discord_api.verdicts import EDITED_TOO_OFTEN_WHEN_OLD, TROUBLE, Applied, Call, judge
from bot.storage.records import InteractionAddress, ReplyAddress

T = TypeVar("T")


class Reply:
    """The message at `address`."""

    def __init__(
        self, client: discord.Client, address: ReplyAddress, *, awaited: InteractionAddress | None = None
    ) -> None:
        """`awaited`: the message may still show that the bot is thinking, which only an edit through this ends."""
        self.address = address
        self._client = client
        self._awaited = awaited
        self._attached: dict[str, discord.Attachment] = {}

    @classmethod
    def of(cls, client: discord.Client, message: discord.Message) -> "Reply":
        """The reply that `message`, just sent or found, is."""
        reply = cls(client, ReplyAddress(message.channel.id, message.id))
        reply._remember(message)
        return reply

    async def show(self, view: ui.LayoutView, files: Files, *, nonce: str) -> None:
        """Make the message look like `view` with `files` by name. The caller has the turn.

        `nonce` is for the message that takes its place where Discord edits it no more. Raises Gone when the message is
        no more, TooLarge when Discord will not take the files, NotNow and Refused.
        """
        try:
            message = await self._in_open_thread(lambda: self._edit(view, files))
        except TROUBLE as error:
            if isinstance(error, discord.HTTPException) and error.code == EDITED_TOO_OFTEN_WHEN_OLD:
                await self._send_anew(view, files, nonce)
                return
            raise calls.as_fault(error, "edit a reply") from error
        self._remember(message)

    async def fetch(self) -> discord.Message:
        """The message as it stands. Raises Gone, NotNow and Refused."""
        try:
            if self.address.token is not None:
                return await calls.webhook(self._client, self.address.token).fetch_message(self.address.message_id)
            return await self._message.fetch()
        except TROUBLE as error:
            raise calls.as_fault(error, "fetch a reply") from error

    async def arrange(self, view: ui.LayoutView, message: discord.Message, *, keep: Iterable[str]) -> None:
        """Make the message, which stands as `message`, look like `view` with some of its files. Raises as `show`."""
        self._remember(message)
        await self.show(view, dict.fromkeys(keep, b""), nonce=new_nonce(self.address.message_id, "arranged"))

    async def name_thread(self, name: str) -> None:
        """Give the thread that the message is in another name, if the bot has made it. Raises Gone, NotNow, Refused."""
        if self.address.token is not None:  # the bot itself does not see the place
            return
        try:
            thread = await self._client.fetch_channel(self.address.channel_id)
            if isinstance(thread, discord.Thread) and thread.owner_id == thread.guild.me.id and thread.name != name:
                await self._in_open_thread(lambda: thread.edit(name=name))
        except TROUBLE as error:
            raise calls.as_fault(error, "name a thread") from error

    def is_out_of_reach(self, now: datetime) -> bool:
        """Whether the interaction that this message depends on has expired."""
        return self.address.token is not None and self.address.expires is not None and now >= self.address.expires

    async def delete(self) -> None:
        """Remove the message, if it is still there. Raises NotNow and Refused."""
        try:
            await self._in_open_thread(self._delete)
        except TROUBLE as error:
            if judge(error, Call.DELETE) != Applied():
                raise calls.as_fault(error, "delete a reply") from error

    async def _in_open_thread(self, act: Callable[[], Awaitable[T]]) -> T:
        """Do it; a thread that was closed meanwhile is opened for it, and closed again."""
        try:
            return await act()
        except discord.HTTPException as error:
            if error.code != THREAD_ARCHIVED:
                raise
        thread = await self._client.fetch_channel(self.address.channel_id)
        assert isinstance(thread, discord.Thread)  # nothing else is archived
        await thread.edit(archived=False)
        try:
            return await act()
        finally:
            await calls.attempt_quietly(thread.edit(archived=True), "close a thread again")

    async def _edit(self, view: ui.LayoutView, files: Files) -> discord.Message:
        attachments = [self._attached.get(name) or calls.as_file(name, data) for name, data in files.items()]
        # the first edit of an interaction's answer is what makes it, and may notify people
        nobody = discord.AllowedMentions.none()
        token = self.address.token or (self._awaited.token if self._awaited is not None else None)
        if token is None:
            return await self._message.edit(view=view, attachments=attachments, allowed_mentions=nobody)
        try:
            message = await calls.webhook(self._client, token).edit_message(
                self.address.message_id, view=view, attachments=attachments, allowed_mentions=nobody
            )
        except discord.HTTPException as error:
            if self._awaited is None or error.code not in (UNKNOWN_WEBHOOK, TOKEN_EXPIRED):
                raise
            self._awaited = None
            return await self._edit(view, files)
        self._awaited = None
        return message

    async def _delete(self) -> None:
        if self.address.token is not None:
            await calls.webhook(self._client, self.address.token).delete_message(self.address.message_id)
        else:
            await self._message.delete()

    async def _send_anew(self, view: ui.LayoutView, files: Files, nonce: str) -> None:
        """An old message may be edited only so often; a new one takes its place."""
        message = await calls.send(self._channel, view, files, reply_to=self._message, silent=True, nonce=nonce)
        self.address = ReplyAddress(self.address.channel_id, message.id)
        self._remember(message)

    def _remember(self, message: discord.Message) -> None:
        self._attached = {attachment.filename: attachment for attachment in message.attachments}

    @property
    def _channel(self) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(self.address.channel_id)

    @property
    def _message(self) -> discord.PartialMessage:
        return self._channel.get_partial_message(self.address.message_id)
