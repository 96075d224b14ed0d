"""People: they post recordings, use commands, press buttons, fill in editors and delete messages.

Each thing asked for is a `Request`; what becomes of it, `verdict.py` says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.bot.sounds import noise
from tests.loopback import payloads
from tests.loopback.content import walk
from tests.loopback.interactions import COMMAND, COMPONENT, MODAL_SUBMIT, Interaction
from tests.loopback.server import Discord
from tests.loopback.state import VOICE, Channel, Message, User

RECORDING = noise(1.0)

SELECT = 3
"""A component's type: a choice of texts."""


@dataclass
class Request:
    """Something that somebody asked for: by a message with a recording, or by an interaction.

    `withdrawn`: they took it back, so that nothing of it shall stand in the end.
    """

    user: User
    channel: Channel
    source: Message | None = None
    interaction: Interaction | None = None
    withdrawn: bool = False
    may_be_told: bool = False
    """No picture is possible, or not now, so that one sentence is as right as a picture."""
    has_no_thread: bool = False
    """Discord refuses a thread for good, or somebody removed it: then the place is the channel."""
    may_vanish: bool = False
    """Somebody else removed its place, so that no answer is right as well."""
    may_be_left: bool = False
    """The recording cannot be had, and nobody asked for a picture by name: then nobody needs to be told."""
    may_be_unheard: bool = False
    """The bot may have been killed before it acknowledged the command: then Discord says that nothing responded."""
    hopeless: bool = False
    """Discord refuses for good what would be needed to tell anybody."""


@dataclass
class Person:
    """Somebody in a channel."""

    discord: Discord
    user: User
    channel: Channel
    requests: list[Request] = field(default_factory=list)

    @classmethod
    def new(cls, discord: Discord, name: str) -> "Person":
        """A new person in a new channel."""
        return cls(discord, discord.state.new_user(name), discord.state.new_channel(name.replace(" ", "-")))

    def post(self, channel: Channel | None = None) -> Request:
        """A voice note."""
        channel = channel or self.channel
        file = self.discord.state.new_attachment(channel.id, "voice-message.ogg", RECORDING, voice=True)
        source = self.discord.state.post(channel, self.user.id, attachments=[file], flags=VOICE)
        return self._keep(Request(self.user, channel, source=source))

    def command(self, prompt: str | None = None) -> Request:
        """`/imagine-sound file`, whatever its words are."""
        state = self.discord.state
        group, sub, recording, words = _file_command(state.commands)
        file = state.new_attachment(self.channel.id, "rain.wav", RECORDING)
        options = [{"name": recording, "type": 11, "value": str(file.id)}]
        if prompt is not None:
            options.append({"name": words, "type": 3, "value": prompt})
        data = {
            "id": group["id"],
            "name": group["name"],
            "type": 1,
            "options": [{"type": 1, "name": sub, "options": options}],
            "resolved": {"attachments": {str(file.id): payloads.attachment(state, file)}},
        }
        interaction = self.discord.interactions.begin(COMMAND, self.user, self.channel.id, data, None)
        return self._keep(Request(self.user, self.channel, interaction=interaction))

    def click(self, message: Message, what: str) -> Request:
        """Press the button `job:<what>:…` under a message."""
        return self._keep(Request(self.user, self.channel, interaction=self.press(message, what)))

    def press(self, message: Message, what: str) -> Interaction:
        """The same, where nothing is asked for by it."""
        data = {"component_type": 2, "custom_id": control(message, what), "id": 1}
        return self.discord.interactions.begin(COMPONENT, self.user, message.channel_id, data, message)

    def submit(self, editor: Interaction, text: str) -> Request:
        """Fill the first field of the editor that a click opened, and send it."""
        assert editor.modal is not None, "no editor was opened"
        components = []
        for number, label in enumerate(editor.modal["components"]):
            field = label["component"]
            component = {"type": field["type"], "custom_id": field["custom_id"], "id": 10 + number}
            if field["type"] == SELECT:
                component["values"] = [one["value"] for one in field["options"] if one.get("default")]
            else:
                component["value"] = text if number == 0 else field.get("value") or ""
            components.append({"type": label["type"], "id": number + 1, "component": component})
        data = {"custom_id": editor.modal["custom_id"], "components": components}
        interaction = self.discord.interactions.begin(MODAL_SUBMIT, self.user, editor.channel_id, data, editor.source)
        return self._keep(Request(self.user, self.channel, interaction=interaction))

    def take_back(self, request: Request) -> None:
        """Delete the recording."""
        assert request.source is not None
        request.withdrawn = True
        self.discord.state.delete(request.source)

    def _keep(self, request: Request) -> Request:
        self.requests.append(request)
        return request


def control(message: Message, what: str) -> str:
    """The custom id of a message's control `job:<what>:…`."""
    return next(one for one in custom_ids(message) if one.startswith(f"job:{what}:"))


def custom_ids(message: Message) -> Iterator[str]:
    """The custom ids of a message's controls."""
    return (one["custom_id"] for one in walk(message.components) if one.get("custom_id"))


def text_of(message: Message) -> str:
    """All that a message says."""
    parts = [message.content, *(str(one["content"]) for one in walk(message.components) if one.get("content"))]
    return "\n".join(part for part in parts if part)


def _file_command(commands: list[dict[str, Any]]) -> tuple[dict[str, Any], str, str, str]:
    """The command that takes a file: its group, its name, and its options for the file and for words."""
    for group in commands:
        for sub in group.get("options") or []:
            kinds = {option["type"]: option["name"] for option in sub.get("options") or [] if not option.get("choices")}
            if 11 in kinds:
                words = next(
                    option["name"]
                    for option in sub["options"]
                    if option["type"] == 3 and not option.get("choices") and not option.get("autocomplete")
                    and option.get("max_length") == 1000
                )  # fmt: skip
                return group, sub["name"], kinds[11], words
    raise AssertionError("the bot has no command that takes a file")
