"""How often the disk is waited for: every commit is one flush, and they are what a crowd queues for."""

import pytest
from sqlalchemy import event

from tests.bot.sounds import noise
from tests.bot.world import World, names_of


@pytest.mark.parametrize("way", ["post", "command"])
async def test_request_costs_no_more_than_five_commits(world: World, way: str) -> None:
    await world.post_voice_note(world.bob, world.channel)  # what is said or noted once is so now
    await world.alice.slash(world.channel, "imagine-sound help")
    commits = []
    writers = world.bot.services.store._database._writers
    event.listen(writers, "commit", lambda connection: commits.append(1))
    if way == "post":
        await world.post_voice_note(world.alice, world.channel)
        reply = max(world.channel.threads, key=lambda thread: thread.id).history()[-1]
    else:
        result = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
        assert result.response is not None
        reply = result.response.message

    assert len(commits) <= 5
    assert reply.author.id == world.me.id
    assert "picture.png" in names_of(reply)
