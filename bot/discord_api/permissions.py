"""Which permissions the bot needs where, which of them are missing, and the invite link that asks for exactly these.

It knows Discord's permissions and channels; it sends nothing.
"""

import discord

ALWAYS = ("view_channel", "read_message_history", "attach_files")
HERE = ("send_messages",)
IN_THREAD = ("send_messages_in_threads",)
NEW_THREAD = ("create_public_threads", "send_messages_in_threads")

NEEDED = discord.Permissions(**dict.fromkeys((*ALWAYS, *HERE, *NEW_THREAD), True))
"""All that the invite link asks for."""


def missing_to_answer(channel: discord.abc.Messageable, permissions: discord.Permissions) -> tuple[str, ...]:
    """Without which of its permissions the bot can answer nowhere to a message in `channel`."""
    if _is_private(channel):
        return ()
    return _lacking(permissions, (IN_THREAD if isinstance(channel, discord.Thread) else HERE) + ALWAYS)


def missing_for_thread(channel: discord.abc.Messageable, permissions: discord.Permissions) -> tuple[str, ...]:
    """Without which of them it answers in the channel instead of in a thread; none where there are no threads."""
    return _lacking(permissions, NEW_THREAD) if isinstance(channel, discord.TextChannel) else ()


def _is_private(channel: discord.abc.Messageable) -> bool:
    return isinstance(channel, discord.DMChannel | discord.GroupChannel | discord.PartialMessageable)


def _lacking(permissions: discord.Permissions, names: tuple[str, ...]) -> tuple[str, ...]:
    """Which of these are missing; only the root where one missing permission takes others with it.

    Without View Channel nothing is allowed, without Send Messages no attachments
    (https://discord.com/developers/docs/topics/permissions#implicit-permissions).
    """
    if "view_channel" in names and not permissions.view_channel:
        return ("view_channel",)
    lacking = [name for name in names if not getattr(permissions, name)]
    if any(name in lacking for name in HERE + IN_THREAD) and "attach_files" in lacking:
        lacking.remove("attach_files")
    return tuple(lacking)


def missing_for_interaction(interaction: discord.Interaction) -> tuple[str, ...]:
    """What is missing to answer an interaction with a picture; answering at all needs nothing."""
    if interaction.guild_id is None or interaction.app_permissions.attach_files:
        return ()
    return ("attach_files",)


def missing_in(guild: discord.Guild) -> tuple[str, ...]:
    """What the bot's roles lack in a server as a whole; single channels may allow less or more."""
    granted = guild.me.guild_permissions
    return tuple(name for name in (*ALWAYS, *HERE, *NEW_THREAD) if not getattr(granted, name))


def invite_link(application_id: int) -> str:
    """The link that adds the bot to a server with exactly the permissions that it needs."""
    return discord.utils.oauth_url(application_id, permissions=NEEDED, scopes=("bot", "applications.commands"))
