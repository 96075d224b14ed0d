"""Who sees a place: whether what was shown in one may be shown in another, where others may see it.

It knows Discord's channels and permissions, and nothing of what is shown.
"""

import discord

from bot.jobs.places import is_confined

Place = discord.abc.GuildChannel | discord.Thread


def may_be_shown(origin: Place, gallery: discord.TextChannel, *, was_confined: bool = False) -> bool:
    """Whether what was shown in `origin` may be shown in `gallery`, too: no role sees it there that could not before.

    `was_confined`: it was shown while the place was age-restricted or private, whatever it is now.
    """
    if isinstance(origin, discord.Thread):
        if origin.is_private() or origin.parent is None:
            return False
        channel: discord.abc.GuildChannel = origin.parent
    else:
        channel = origin
    if (is_confined(origin) or was_confined) and not gallery.is_nsfw():
        return False
    return channel.id == gallery.id or _is_seen_by_all_who_see(gallery, channel)


def _is_seen_by_all_who_see(gallery: discord.TextChannel, origin: discord.abc.GuildChannel) -> bool:
    """Whether every role that sees `gallery` sees `origin`, and everybody to whom it was opened by name.

    Who was shut out of `origin` by name does not make it private.
    """
    roles = [role for role in gallery.guild.roles if not role.is_bot_managed()]
    seeing = [role for role in roles if gallery.permissions_for(role).view_channel]
    if not all(origin.permissions_for(role).view_channel for role in seeing):
        return False
    is_open = origin.permissions_for(origin.guild.default_role).view_channel
    named = _members_let_into(gallery) - {gallery.guild.me.id}
    return is_open or named <= _members_let_into(origin)


def _members_let_into(channel: discord.abc.GuildChannel) -> set[int]:
    roles = {role.id for role in channel.guild.roles}
    return {who.id for who, overwrite in channel.overwrites.items() if overwrite.view_channel} - roles
