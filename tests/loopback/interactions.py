"""Interactions: commands, clicks and submitted editors; their three seconds, their tokens, their answers.

https://discord.com/developers/docs/interactions/receiving-and-responding
"""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from tests.loopback import content, payloads
from tests.loopback.calls import Answer, Call, Route
from tests.loopback.channel_routes import edit
from tests.loopback.faults import Point
from tests.loopback.state import CHAT_INPUT, DEFAULT, EPHEMERAL, LOADING, Message, Refused, State, User

COMMAND, COMPONENT, MODAL_SUBMIT = 2, 3, 5
"""Kinds of interactions."""


class Acknowledgement(IntEnum):
    """How an interaction is answered at first."""

    SEND = 4
    DEFER = 5
    DEFER_UPDATE = 6
    UPDATE = 7
    MODAL = 9


@dataclass
class Interaction:
    """One use of a command or a control. `messages` are the answers: the original first, then those that follow."""

    id: int
    token: str
    kind: int
    channel_id: int
    user: User
    born: float
    source: Message | None = None
    acknowledged: int | None = None
    modal: dict[str, Any] | None = None
    messages: list[Message] = field(default_factory=list)
    payload: dict[str, Any] = field(default_factory=dict)

    @property
    def original(self) -> Message | None:
        """What `@original` means: the answer, or for a click that only updates, the message clicked on."""
        if self.acknowledged in (Acknowledgement.DEFER_UPDATE, Acknowledgement.UPDATE):
            return self.source
        return self.messages[0] if self.messages else None


class Interactions:
    """All interactions, and the routes by which they are answered."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._by_token: dict[str, Interaction] = {}

    def routes(self) -> Sequence[Route]:
        """All of them: none needs the bot's token."""
        webhook = "/webhooks/{application_id}/{token}"
        return (
            Route("POST", "/interactions/{interaction_id}/{token}/callback", self._acknowledge, Point.ACKNOWLEDGEMENT,
                  needs_token=False),
            Route("POST", webhook, self._follow_up, Point.ORIGINAL, needs_token=False),
            Route("GET", f"{webhook}/messages/@original", self._original, Point.ORIGINAL, needs_token=False),
            Route("PATCH", f"{webhook}/messages/@original", self._edit_original, Point.ORIGINAL, needs_token=False),
            Route("DELETE", f"{webhook}/messages/@original", self._delete_original, Point.REMOVAL, needs_token=False),
            Route("GET", f"{webhook}/messages/{{message_id}}", self._message, Point.ORIGINAL, needs_token=False),
            Route("PATCH", f"{webhook}/messages/{{message_id}}", self._edit, Point.PROGRESS, needs_token=False),
            Route("DELETE", f"{webhook}/messages/{{message_id}}", self._delete, Point.REMOVAL, needs_token=False),
        )  # fmt: skip

    def begin(
        self, kind: int, user: User, channel_id: int, data: dict[str, Any], source: Message | None
    ) -> Interaction:
        """Somebody uses a command or a control; the bot hears of it."""
        now = time.monotonic()
        interaction = Interaction(
            self._state.new_id(), secrets.token_urlsafe(60), kind, channel_id, user, now, source=source
        )
        self._by_token[interaction.token] = interaction
        interaction.payload = self._payload(interaction, data)
        self.deliver(interaction)
        return interaction

    def deliver(self, interaction: Interaction) -> None:
        """Tell the bot of an interaction."""
        for tell in self._state.listeners:
            tell("INTERACTION_CREATE", interaction.payload)

    def channel_of(self, token: str) -> int | None:
        """Where the interaction with this token takes place."""
        found = self._by_token.get(token)
        return found.channel_id if found else None

    def remove_original(self, token: str) -> None:
        """Somebody deletes the answer to an interaction, if there is one."""
        message = self._by_token[token].original
        if message is not None and not message.deleted:
            self._state.delete(message)

    def _payload(self, interaction: Interaction, data: dict[str, Any]) -> dict[str, Any]:
        state, channel = self._state, self._state.channel(interaction.channel_id)
        payload: dict[str, Any] = {
            "id": str(interaction.id),
            "application_id": str(state.application_id),
            "type": interaction.kind,
            "token": interaction.token,
            "version": 1,
            "data": data,
            "channel_id": str(channel.id),
            "channel": payloads.channel(state, channel),
            "locale": "en-US",
            "app_permissions": payloads.EVERYTHING,
            "attachment_size_limit": 10 * 1024 * 1024,
            "entitlements": [],
            "authorizing_integration_owners": {"0": str(state.guild_id)},
            "context": 0 if channel.guild_id else 1,
        }
        if channel.guild_id is not None:
            payload |= {"guild_id": str(channel.guild_id), "guild_locale": "en-US"}
            payload["guild"] = {"id": str(channel.guild_id), "locale": "en-US", "features": []}
            payload["member"] = payloads.member(interaction.user, with_user=True)
        else:
            payload["user"] = payloads.user(interaction.user)
        if interaction.source is not None:
            payload["message"] = payloads.message(state, interaction.source)
        return payload

    def _acknowledge(self, call: Call) -> Answer:
        interaction = self._by_token.get(call.values["token"])
        if interaction is None or interaction.id != call.number("interaction_id"):
            raise Refused(404, 10062, "Unknown interaction")
        if interaction.acknowledged is not None:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        if time.monotonic() - interaction.born > self._state.lifetimes.acknowledge:
            raise Refused(404, 10062, "Unknown interaction")
        kind, data = int(call.body["type"]), call.body.get("data") or {}
        interaction.acknowledged = kind
        match kind:
            case Acknowledgement.DEFER:
                self._new_message(interaction, data, call, extra_flags=LOADING)
            case Acknowledgement.SEND:
                self._new_message(interaction, data, call)
            case Acknowledgement.UPDATE:
                assert interaction.source is not None
                edit(self._state, interaction.source, Call(call.route, call.values, call.query, data, call.files))
            case Acknowledgement.MODAL:
                interaction.modal = data
        return self._callback_answer(interaction, kind)

    def _callback_answer(self, interaction: Interaction, kind: int) -> Answer:
        about: dict[str, Any] = {"id": str(interaction.id), "type": interaction.kind}
        answer: dict[str, Any] = {"interaction": about}
        message = interaction.original
        if message is not None:
            about |= {
                "response_message_id": str(message.id),
                "response_message_loading": bool(message.flags & LOADING),
                "response_message_ephemeral": message.is_ephemeral,
            }
            if kind not in (Acknowledgement.DEFER_UPDATE, Acknowledgement.MODAL):
                answer["resource"] = {"type": kind, "message": payloads.message(self._state, message)}
        return answer

    def _new_message(
        self, interaction: Interaction, data: Any, call: Call, *, extra_flags: int = 0, reference: Message | None = None
    ) -> Message:
        channel = self._state.channel(interaction.channel_id)
        attached = content.attachments_of(self._state, channel.id, data, call.files, ())
        flags = int(data.get("flags") or 0)
        if not extra_flags:
            content.check(data, attached, flags)
        what: dict[str, Any] = {
            "content": data.get("content") or "",
            "components": content.components_of(self._state, data.get("components") or [], attached),
            "attachments": attached,
            "flags": flags | extra_flags,
            "type": CHAT_INPUT if interaction.kind == COMMAND and not interaction.messages else DEFAULT,
            "interaction_id": interaction.id,
            "interaction_user_id": interaction.user.id,
        }
        if flags & EPHEMERAL:
            message = Message(self._state.new_id(), channel.id, self._state.bot.id, **what)
            channel.messages[message.id] = message
        else:
            message = self._state.post(channel, self._state.bot.id, **what)
        interaction.messages.append(message)
        return message

    def _valid(self, call: Call) -> Interaction:
        """The interaction of a token that has not ended."""
        interaction = self._by_token.get(call.values["token"])
        if interaction is None or time.monotonic() - interaction.born > self._state.lifetimes.token:
            raise Refused(401, 50027, "Invalid Webhook Token")
        if interaction.acknowledged is None:
            raise Refused(404, 10015, "Unknown Webhook")
        return interaction

    def _original_of(self, call: Call) -> tuple[Interaction, Message]:
        interaction = self._valid(call)
        message = interaction.original
        if message is None or message.deleted:
            raise Refused(404, 10008, "Unknown Message")
        return interaction, message

    def _message_of(self, call: Call) -> Message:
        interaction = self._valid(call)
        wanted = call.number("message_id")
        own = [*interaction.messages, *([interaction.source] if interaction.source else [])]
        message = next((one for one in own if one.id == wanted and not one.deleted), None)
        if message is None:
            raise Refused(404, 10008, "Unknown Message")
        return message

    def _follow_up(self, call: Call) -> Answer:
        """Another message; the first one after "thinking…" takes its place, and is as private as that was."""
        interaction = self._valid(call)
        original = interaction.messages[0] if interaction.messages else None
        if original is not None and original.flags & LOADING and not original.deleted:
            return self._fill(original, call)
        return payloads.message(self._state, self._new_message(interaction, call.body, call))

    def _message(self, call: Call) -> Answer:
        return payloads.message(self._state, self._message_of(call))

    def _original(self, call: Call) -> Answer:
        return payloads.message(self._state, self._original_of(call)[1])

    def _edit_original(self, call: Call) -> Answer:
        return self._fill(self._original_of(call)[1], call)

    def _edit(self, call: Call) -> Answer:
        return self._fill(self._message_of(call), call)

    def _fill(self, message: Message, call: Call) -> Answer:
        message.flags &= ~LOADING
        edit(self._state, message, call)
        return payloads.message(self._state, message)

    def _delete_original(self, call: Call) -> Answer:
        self._state.delete(self._original_of(call)[1])
        return None

    def _delete(self, call: Call) -> Answer:
        self._state.delete(self._message_of(call))
        return None
