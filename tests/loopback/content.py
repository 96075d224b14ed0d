"""Messages as bots send them: files that belong to `attachments`, `attachment://` in components, component ids.

As strict as Discord: what refers to nothing is refused.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.loopback import payloads
from tests.loopback.state import COMPONENTS_V2, Attachment, Refused, State

Files = Mapping[int, tuple[str, bytes]]
"""Name and bytes of the uploaded files by their number in `files[n]`."""
MOST_COMPONENTS = 40
MOST_TEXT = 4000


def attachments_of(
    state: State, channel_id: int, body: Mapping[str, Any], files: Files, present: Sequence[Attachment]
) -> list[Attachment]:
    """The attachments that a message has after a request: those kept and those uploaded."""
    if "attachments" not in body:
        new = [state.new_attachment(channel_id, name, data) for name, data in files.values()]
        return [*present, *new]
    kept = {attachment.id: attachment for attachment in present}
    result = []
    for entry in body["attachments"]:
        number = int(entry["id"])
        if number in files:
            name, data = files[number]
            result.append(state.new_attachment(channel_id, entry.get("filename", name), data))
        elif number in kept:
            result.append(kept[number])
        else:
            raise Refused(400, 50035, f"Invalid Form Body: attachments: unknown id {number}")
    return result


def components_of(state: State, components: list[dict[str, Any]], attached: Sequence[Attachment]) -> Any:
    """Components as Discord keeps them: with ids, and addresses in place of `attachment://`."""
    every = list(walk(components))
    if len(every) > MOST_COMPONENTS:
        raise Refused(400, 50035, "Invalid Form Body: components: too many")
    if sum(len(one.get("content", "")) for one in every) > MOST_TEXT:
        raise Refused(400, 50035, "Invalid Form Body: components: too much text")
    taken = {one["id"] for one in every if one.get("id")}
    numbers = (number for number in itertools.count(1) if number not in taken)
    custom_ids = [one["custom_id"] for one in every if one.get("custom_id")]
    if len(set(custom_ids)) != len(custom_ids):
        raise Refused(400, 50035, "Invalid Form Body: components: a custom id is there twice")
    for one in every:
        if not one.get("id"):
            one["id"] = next(numbers)
        for place in (one, *one.get("items", ())):
            media = place.get("media") or place.get("file")
            if isinstance(media, dict) and media["url"].startswith("attachment://"):
                media |= _resolved(state, media["url"].removeprefix("attachment://"), attached)
    return components


def walk(components: Sequence[Mapping[str, Any]]) -> Iterator[Any]:
    """All components, nested ones included."""
    for one in components:
        yield one
        yield from walk(one.get("components") or [])
        if one.get("component"):
            yield from walk([one["component"]])
        if one.get("accessory"):
            yield from walk([one["accessory"]])


def check(body: Mapping[str, Any], attached: Sequence[Attachment], flags: int) -> None:
    """Refuse an empty message, and text beside new components."""
    if flags & COMPONENTS_V2:
        if body.get("content") or body.get("embeds"):
            raise Refused(400, 50035, "Invalid Form Body: content: not with IS_COMPONENTS_V2")
        if not body.get("components"):
            raise Refused(400, 50006, "Cannot send an empty message")
    elif not body.get("content") and not attached and not body.get("embeds"):
        raise Refused(400, 50006, "Cannot send an empty message")


def _resolved(state: State, name: str, attached: Sequence[Attachment]) -> dict[str, Any]:
    found = next((one for one in attached if one.filename == name), None)
    if found is None:
        raise Refused(400, 50035, f"Invalid Form Body: components: there is no attachment {name}")
    data = payloads.attachment(state, found)
    return {"url": data["url"], "proxy_url": data["url"], "content_type": data["content_type"], "loading_state": 2}
