"""The message that a job's recording was posted in, wherever its answers are."""

import discord


async def source_message(client: discord.Client, channel_id: int, source_id: int) -> discord.Message:
    """Fetch it. The thread on a message has its number, but the message stands where that thread began.

    Raises what Discord's library raises.
    """
    if channel_id == source_id:
        thread = client.get_channel(channel_id) or await client.fetch_channel(channel_id)
        assert isinstance(thread, discord.Thread)  # nothing else has a message's number
        channel_id = thread.parent_id
    return await client.get_partial_messageable(channel_id).fetch_message(source_id)
