"""The REST routes that a bot uses without an interaction: itself, channels, threads, messages, attachments."""

import time
from collections.abc import Sequence
from typing import Any

from tests.loopback import content, payloads
from tests.loopback.calls import Answer, Call, Route
from tests.loopback.faults import Point
from tests.loopback.gateway import Gateway
from tests.loopback.state import COMPONENTS_V2, DEFAULT, REPLY, Channel, Message, Refused, State


class ChannelRoutes:
    """Answers requests from `state`."""

    def __init__(self, state: State, gateway: Gateway) -> None:
        self._state = state
        self._gateway = gateway

    def routes(self) -> Sequence[Route]:
        """All of them, the more special first."""
        message = "/channels/{channel_id}/messages/{message_id}"
        return (
            Route("GET", "/users/@me", self._me, Point.START),
            Route("GET", "/oauth2/applications/@me", self._application, Point.START),
            Route("GET", "/gateway/bot", self._bot_gateway, Point.START),
            Route("PUT", "/applications/{application_id}/commands", self._set_commands, Point.START),
            Route("GET", "/users/{user_id}", self._user),
            Route("POST", "/users/@me/channels", self._open_dm),
            Route("GET", "/guilds/{guild_id}/threads/active", self._active_threads, Point.HISTORY),
            Route("GET", "/guilds/{guild_id}/channels", self._guild_channels, Point.HISTORY),
            Route("GET", "/channels/{channel_id}", self._channel),
            Route("PATCH", "/channels/{channel_id}", self._change_channel),
            Route("POST", "/channels/{channel_id}/typing", self._type),
            Route("GET", "/channels/{channel_id}/messages", self._history, Point.HISTORY),
            Route("POST", "/channels/{channel_id}/messages", self._post, Point.FIRST),
            Route("POST", f"{message}/threads", self._start_thread, Point.THREAD),
            Route("GET", message, self._message, Point.HISTORY),
            Route("PATCH", message, self._edit, Point.PROGRESS),
            Route("DELETE", message, self._delete, Point.REMOVAL),
            Route("PUT", f"{message}/reactions/{{emoji}}/@me", self._react),
            Route(
                "GET",
                "/attachments/{channel_id}/{attachment_id}/{filename}",
                self._attachment,
                Point.RECORDING,
                needs_token=False,
            ),
        )

    def _me(self, call: Call) -> Answer:
        return payloads.user(self._state.bot)

    def _application(self, call: Call) -> Answer:
        return {
            "id": str(self._state.application_id),
            "name": "imagine-sound",
            "icon": None,
            "description": "",
            "bot_public": True,
            "bot_require_code_grant": False,
            "owner": payloads.user(self._state.bot),
            "summary": "",
            "verify_key": "00",
            "flags": 1 << 19,
            "team": None,
        }

    def _bot_gateway(self, call: Call) -> Answer:
        limits = {"total": 1000, "remaining": 999, "reset_after": 86_400_000, "max_concurrency": 1}
        return {"url": self._state.address.replace("http", "ws"), "shards": 1, "session_start_limit": limits}

    def _set_commands(self, call: Call) -> Answer:
        assert isinstance(call.body, list)
        commands = [
            {
                "id": str(self._state.new_id()),
                "type": 1,
                "application_id": call.values["application_id"],
                "version": str(self._state.new_id()),
                "default_member_permissions": None,
                "description": "",
                **command,
            }
            for command in call.body
        ]
        self._state.commands = commands
        return [dict(command) for command in commands]

    def _user(self, call: Call) -> Answer:
        user = self._state.users.get(call.number("user_id"))
        if user is None:
            raise Refused(404, 10013, "Unknown User")
        return payloads.user(user)

    def _open_dm(self, call: Call) -> Answer:
        return payloads.channel(self._state, self._state.dm_with(int(call.body["recipient_id"])))

    def _active_threads(self, call: Call) -> Answer:
        channels = self._state.guild_channels()
        active = [each for each in channels if each.parent_id is not None and not each.archived]
        return {"threads": [payloads.channel(self._state, each) for each in active], "members": []}

    def _guild_channels(self, call: Call) -> Answer:
        channels = self._state.guild_channels()
        return [payloads.channel(self._state, each) for each in channels if each.parent_id is None]

    def _channel(self, call: Call) -> Answer:
        return payloads.channel(self._state, self._state.channel(call.number("channel_id")))

    def _change_channel(self, call: Call) -> Answer:
        channel = self._state.channel(call.number("channel_id"))
        changes = {name: value for name, value in call.body.items() if name in ("name", "archived")}
        if channel.archived and "archived" not in changes:
            raise Refused(400, 50083, "Thread is archived")
        self._state.change_channel(channel, changes)
        return payloads.channel(self._state, channel)

    def _type(self, call: Call) -> Answer:
        self._state.channel(call.number("channel_id"))
        return None

    def _history(self, call: Call) -> Answer:
        """Newest first; with `after` the oldest of those after it, newest first, too."""
        channel = self._state.channel(call.number("channel_id"))
        limit = min(int(call.query.get("limit", 50)), 100)
        found = [message for message in channel.standing if not message.is_ephemeral]
        if "before" in call.query:
            found = [message for message in found if message.id < int(call.query["before"])]
        if "after" in call.query:
            found = [message for message in found if message.id > int(call.query["after"])][:limit]
        return [self._seen(message) for message in reversed(found[-limit:])]

    def _post(self, call: Call) -> Answer:
        channel = self._state.channel(call.number("channel_id"))
        body, author = call.body, self._state.bot.id
        nonce = str(body["nonce"]) if body.get("nonce") is not None else None
        if nonce is not None and len(nonce) > 25:
            raise Refused(400, 50035, "Invalid Form Body: nonce: must be 25 or fewer in length")
        if nonce is not None and body.get("enforce_nonce"):
            present = self._state.by_nonce(author, nonce)
            if present is not None:
                return payloads.message(self._state, present)
        attached = content.attachments_of(self._state, channel.id, body, call.files, ())
        flags = int(body.get("flags", 0))
        content.check(body, attached, flags)
        message = self._state.post(
            channel,
            author,
            content=body.get("content") or "",
            components=content.components_of(self._state, body.get("components") or [], attached),
            attachments=attached,
            flags=flags,
            nonce=nonce,
            **self._reference(channel, body),
        )
        return payloads.message(self._state, message)

    def _reference(self, channel: Channel, body: Any) -> dict[str, Any]:
        """A reply; where its message is gone it is refused or, if the bot said so, an ordinary message."""
        reference = body.get("message_reference")
        if not reference:
            return {"type": DEFAULT}
        source = channel.messages.get(int(reference["message_id"]))
        if source is None or source.deleted:
            if reference.get("fail_if_not_exists", True):
                raise Refused(400, 50035, "Invalid Form Body: message_reference: Unknown message")
            return {"type": DEFAULT}
        return {"type": REPLY, "reference": {"channel_id": str(channel.id), "message_id": str(source.id)}}

    def _start_thread(self, call: Call) -> Answer:
        channel = self._state.channel(call.number("channel_id"))
        source = self._state.message(channel.id, call.number("message_id"))
        thread = self._state.start_thread(channel, source, call.body["name"])
        return payloads.channel(self._state, thread)

    def _message(self, call: Call) -> Answer:
        return self._seen(self._state.message(call.number("channel_id"), call.number("message_id")))

    def _edit(self, call: Call) -> Answer:
        message = self._own(call)
        edit(self._state, message, call)
        return payloads.message(self._state, message)

    def _delete(self, call: Call) -> Answer:
        self._state.delete(self._state.message(call.number("channel_id"), call.number("message_id")))
        return None

    def _react(self, call: Call) -> Answer:
        self._state.message(call.number("channel_id"), call.number("message_id"))
        return None

    def _own(self, call: Call) -> Message:
        message = self._state.message(call.number("channel_id"), call.number("message_id"))
        if message.author_id != self._state.bot.id:
            raise Refused(403, 50005, "Cannot edit a message authored by another user")
        return message

    def _attachment(self, call: Call) -> Answer:
        attachment = self._state.attachments.get(call.number("attachment_id"))
        expires = int(call.query.get("ex", "0"), 16)
        if attachment is None or time.time() > min(expires + 1, attachment.expires):
            raise Refused(404, 0, "This content is no longer available.")
        return attachment.data

    def _seen(self, message: Message) -> dict[str, Any]:
        data = payloads.message(self._state, message)
        if self._state.channels[message.channel_id].guild_id is None or self._gateway.content_allowed():
            return data
        return payloads.withheld(self._state, data | {"guild_id": str(self._state.guild_id)})


def edit(state: State, message: Message, call: Call) -> None:
    """Carry out an edit of `message`."""
    body = call.body
    flags = message.flags | int(body.get("flags") or 0)
    attached = content.attachments_of(state, message.channel_id, body, call.files, message.attachments)
    changes: dict[str, Any] = {"attachments": attached, "flags": flags}
    if "content" in body:
        changes["content"] = body["content"] or ""
    if "components" in body:
        changes["components"] = content.components_of(state, body["components"], attached)
    if flags & COMPONENTS_V2 and not changes.get("components", message.components):
        raise Refused(400, 50006, "Cannot send an empty message")
    state.edit(message, changes)
