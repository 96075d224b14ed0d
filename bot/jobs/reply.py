"""A job's one message: shown, shown anew, deleted; by the bot's own token, or through an interaction's where it must.

It keeps track of the files attached, so that what is there already is not sent again. It knows nothing of jobs.
"""

import logging
from datetime import datetime

import discord
from discord import ui

from bot.discord_api import calls
from bot.discord_api.calls import EDITED_TOO_OFTEN_WHEN_OLD, THREAD_ARCHIVED, TOO_LARGE, Files, Gone
from bot.storage.records import ReplyAddress

log = logging.getLogger(__name__)


class TooLarge(Exception):
    """Discord refused the message's files for their size."""


class Reply:
    """The message at `address`."""

    def __init__(self, client: discord.Client, address: ReplyAddress) -> None:
        self.address = address
        self._client = client
        self._attached: dict[str, discord.Attachment] = {}

    @classmethod
    def of(cls, client: discord.Client, message: discord.Message) -> "Reply":
        """The reply that `message`, just sent, is."""
        reply = cls(client, ReplyAddress(message.channel.id, message.id))
        reply._remember(message)
        return reply

    async def show(self, view: ui.LayoutView, files: Files) -> bool:
        """Make the message look like `view` with `files` by name; False if that failed. The caller has the turn.

        Raises Gone when the message is no more, TooLarge when Discord will not take the files.
        """
        try:
            message = await self._edit_in_open_thread(view, files)
        except (discord.NotFound, discord.Forbidden) as error:
            raise Gone("the message is gone or may not be touched any more") from error
        except discord.HTTPException as error:
            if error.status == 413 or error.code == TOO_LARGE:
                raise TooLarge from error
            if error.code == EDITED_TOO_OFTEN_WHEN_OLD:
                return await self._send_anew(view, files)
            log.warning("could not edit a reply: %s", error)
            return False
        except calls.NETWORK_TROUBLE as error:
            log.warning("could not edit a reply: %s", error)
            return False
        self._remember(message)
        return True

    def is_out_of_reach(self, now: datetime) -> bool:
        """Whether the interaction that this message depends on has expired."""
        return self.address.token is not None and self.address.expires is not None and now >= self.address.expires

    async def delete(self) -> None:
        """Remove the message, if it is still there."""
        if self.address.token is not None:
            call = self._webhook(self.address.token).delete_message(self.address.message_id)
        else:
            call = self._message.delete()
        await calls.attempt_quietly(call, "delete a reply")

    async def _edit_in_open_thread(self, view: ui.LayoutView, files: Files) -> discord.Message:
        """Edit; a thread that was closed meanwhile is opened again for it."""
        try:
            return await self._edit(view, files)
        except discord.HTTPException as error:
            thread = self._client.get_channel(self.address.channel_id)
            if error.code != THREAD_ARCHIVED or not isinstance(thread, discord.Thread):
                raise
            await thread.edit(archived=False)
            return await self._edit(view, files)

    async def _edit(self, view: ui.LayoutView, files: Files) -> discord.Message:
        attachments = [self._attached.get(name) or calls.as_file(name, data) for name, data in files.items()]
        if self.address.token is not None:
            webhook = self._webhook(self.address.token)
            return await webhook.edit_message(self.address.message_id, view=view, attachments=attachments)
        return await self._message.edit(view=view, attachments=attachments)

    async def _send_anew(self, view: ui.LayoutView, files: Files) -> bool:
        """An old message may be edited only so often; a new one takes its place."""
        message = await calls.send(self._channel, view, files, reply_to=self._message, silent=True)
        if message is None:
            return False
        self.address = ReplyAddress(self.address.channel_id, message.id)
        self._remember(message)
        return True

    def _remember(self, message: discord.Message) -> None:
        self._attached = {attachment.filename: attachment for attachment in message.attachments}

    @property
    def _channel(self) -> discord.PartialMessageable:
        return self._client.get_partial_messageable(self.address.channel_id)

    @property
    def _message(self) -> discord.PartialMessage:
        return self._channel.get_partial_message(self.address.message_id)

    def _webhook(self, token: str) -> discord.Webhook:
        assert self._client.application_id is not None  # known since login
        return discord.Webhook.partial(self._client.application_id, token, client=self._client)
