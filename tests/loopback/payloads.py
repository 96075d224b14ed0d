"""JSON as Discord sends it: pure functions from what stands to the payloads of API v10."""

import datetime
import mimetypes
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.loopback.state import Attachment, Channel, Message, State, User

Json = dict[str, Any]

SOUNDS = {".ogg": "audio/ogg", ".wav": "audio/x-wav"}
EVERYTHING = str((1 << 53) - 1)


def content_type(filename: str) -> str:
    """What Discord would call the file."""
    ending = "." + filename.rpartition(".")[2]
    return SOUNDS.get(ending) or mimetypes.guess_type(filename)[0] or "application/octet-stream"


def moment(at: float) -> str:
    """ISO 8601."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).isoformat()


def born(snowflake: int) -> str:
    """When the thing with this id was made."""
    return moment((snowflake >> 22) / 1000 + 1_420_070_400)


def user(who: "User") -> Json:
    """A user object."""
    return {
        "id": str(who.id),
        "username": who.name,
        "global_name": who.name,
        "discriminator": "0",
        "avatar": None,
        "bot": who.bot,
        "public_flags": 0,
    }


def member(who: "User", *, with_user: bool) -> Json:
    """A guild member object."""
    data: Json = {
        "roles": [],
        "nick": None,
        "joined_at": born(who.id),
        "deaf": False,
        "mute": False,
        "flags": 0,
        "permissions": EVERYTHING,
    }
    return data | ({"user": user(who)} if with_user else {})


def channel(state: "State", of: "Channel") -> Json:
    """A channel object: text, thread or direct messages."""
    data: Json = {"id": str(of.id), "type": of.kind, "last_message_id": None}
    if of.standing:
        data["last_message_id"] = str(of.standing[-1].id)
    if of.guild_id is None:
        assert of.recipient_id is not None
        return data | {"recipients": [user(state.users[of.recipient_id])]}
    data |= {"guild_id": str(of.guild_id), "name": of.name, "rate_limit_per_user": 0, "permission_overwrites": []}
    if of.parent_id is None:
        return data | {"position": 0, "topic": None, "nsfw": False, "parent_id": None}
    return data | {
        "parent_id": str(of.parent_id),
        "owner_id": str(state.bot.id),
        "message_count": len(of.standing),
        "member_count": 1,
        "thread_metadata": {
            "archived": of.archived,
            "auto_archive_duration": 1440,
            "archive_timestamp": born(of.id),
            "locked": False,
            "create_timestamp": born(of.id),
        },
    }


def attachment(state: "State", of: "Attachment") -> Json:
    """An attachment object; its address says until when it holds, in hexadecimal."""
    url = f"{state.address}/attachments/{of.channel_id}/{of.id}/{of.filename}?ex={int(of.expires):x}"
    data: Json = {
        "id": str(of.id),
        "filename": of.filename,
        "size": len(of.data),
        "url": url,
        "proxy_url": url,
        "content_type": of.content_type,
    }
    return data | ({"duration_secs": 1.0, "waveform": "AAAA"} if of.voice else {})


def message(state: "State", of: "Message") -> Json:
    """A message object. History and answers hold no nonce: only the event of its creation does."""
    data: Json = {
        "id": str(of.id),
        "channel_id": str(of.channel_id),
        "author": user(state.users[of.author_id]),
        "content": of.content,
        "timestamp": born(of.id),
        "edited_timestamp": moment(of.edited) if of.edited else None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [user(state.bot)] if f"<@{state.bot.id}>" in of.content else [],
        "mention_roles": [],
        "attachments": [attachment(state, each) for each in of.attachments],
        "embeds": [],
        "components": of.components,
        "pinned": False,
        "type": of.type,
        "flags": of.flags,
    }
    if of.reference is not None:
        data["message_reference"] = of.reference
        referenced = state.channels[int(of.reference["channel_id"])].messages.get(int(of.reference["message_id"]))
        gone = referenced is None or referenced.deleted or referenced is of
        data["referenced_message"] = None if gone or referenced is None else message(state, referenced)
    if of.interaction_id is not None and of.interaction_user_id is not None:
        data |= {"webhook_id": str(state.application_id), "application_id": str(state.application_id)}
        data["interaction_metadata"] = {
            "id": str(of.interaction_id),
            "type": 2,
            "user": user(state.users[of.interaction_user_id]),
            "authorizing_integration_owners": {"0": str(state.guild_id)},
        }
    return data


def of_event(state: "State", of: "Message") -> Json:
    """What the gateway adds to a message that history does not have."""
    data: Json = {}
    guild_id = state.channels[of.channel_id].guild_id
    if guild_id is not None:
        data |= {"guild_id": str(guild_id), "member": member(state.users[of.author_id], with_user=False)}
    if of.nonce is not None and of.edited is None:
        data["nonce"] = of.nonce
    return data


def withheld(state: "State", data: Json) -> Json:
    """The same message for a bot without the message content intent: only what is meant for it is shown."""
    meant = str(state.bot.id)
    own = data["author"]["id"] == meant
    mentioned = any(one["id"] == meant for one in data["mentions"])
    if own or mentioned or "guild_id" not in data:
        return data
    return data | {"content": "", "attachments": [], "embeds": [], "components": []}


def guild(state: "State") -> Json:
    """The GUILD_CREATE payload. The bot owns the server, so it may do everything."""
    everyone = {
        "id": str(state.guild_id),
        "name": "@everyone",
        "permissions": EVERYTHING,
        "position": 0,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    channels = state.guild_channels()
    return {
        "id": str(state.guild_id),
        "name": "loopback",
        "owner_id": str(state.bot.id),
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "description": None,
        "afk_channel_id": None,
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "system_channel_id": None,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "vanity_url_code": None,
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": [everyone],
        "member_count": len(state.users),
        "large": False,
        "unavailable": False,
        "joined_at": born(state.guild_id),
        "members": [member(state.bot, with_user=True)],
        "channels": [channel(state, each) for each in channels if each.parent_id is None],
        "threads": [channel(state, each) for each in channels if each.parent_id is not None and not each.archived],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "premium_progress_bar_enabled": False,
    }
