"""Text that Discord renders, and what makes other people's text harmless in it.

Discord reads markup in all that a message shows. `Markdown` is text that was written for it, ours; whatever comes from
outside (prompts, names of files, adapters, people and models, values inside errors) becomes part of it through `inert`
alone. The type has no cost at runtime: it is there for mypy to find the place that forgets.
"""

import re
import unicodedata
from typing import Any, NewType

from discord import ui

Markdown = NewType("Markdown", str)

LONGEST = 500
_ZERO_WIDTH = "\u200b"
_KEPT = frozenset("\u200d")
"""What emoji are joined with."""
_SPECIAL = re.compile(r"([\\*_~|`\[\]<]|^[#>-])")
_BROKEN = re.compile(r"://|\b(?:discord(?:app)?\.(?:gg|com)|dsc\.gg)\b|^\d+\.(?=\s)|@.", re.IGNORECASE)
"""Links, invites, what begins a list, and mentions: no backslash helps there."""
_CUT_OFF = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Control characters, among them those that turn the direction of writing, and what has no meaning of its own."""


def inert(text: object, most: int = LONGEST) -> Markdown:
    """`text` such that nothing in it is markup, a link, a mention or an invite; in one line of `most` characters."""
    return Markdown(_SPECIAL.sub(r"\\\1", _BROKEN.sub(_broken, stripped(str(text), most))))


def stripped(text: str, most: int = LONGEST) -> str:
    """`text` without control characters, in one line of `most`: for places that render no markup."""
    visible = (" " if character.isspace() else character for character in text if not _is_cut(character))
    return shortened(" ".join("".join(visible).split()), most)


def shortened(text: str, most: int) -> str:
    """`text`, cut with an ellipsis where it is longer than `most` characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def formatted(value: float, spec: str = "") -> Markdown:
    """A number, as `format` writes it."""
    return Markdown(format(value, spec))


def mention(user_id: int) -> Markdown:
    """A person; nobody is notified, since no message of the bot's may do so."""
    return Markdown(f"<@{user_id}>")


def channel_mention(channel_id: int) -> Markdown:
    """A channel, to be clicked."""
    return Markdown(f"<#{channel_id}>")


def link_to(guild_id: int | None, channel_id: int, message_id: int) -> Markdown:
    """A message; `guild_id` None: in direct messages."""
    return Markdown(f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}")


def joined(separator: str, *lines: Markdown) -> Markdown:
    """The texts in one."""
    return Markdown(separator.join(lines))


def display(text: Markdown) -> "ui.TextDisplay[Any]":
    """`text` in a message: the one way there."""
    return ui.TextDisplay(text)


def _is_cut(character: str) -> bool:
    return character not in _KEPT and not character.isspace() and unicodedata.category(character) in _CUT_OFF


def _broken(match: re.Match[str]) -> str:
    """Such that Discord does not see what it was."""
    found = match[0]
    return found[0] + _ZERO_WIDTH + found[1:]
