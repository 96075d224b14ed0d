"""A bot on a database that was brought back: nobody is answered twice, and buttons work."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.maintain import installation
from bot.storage.backup import back_up
from bot.storage.restore import restore
from tests.bot.world import World, names_of


@pytest.mark.parametrize("answered_since", [True, False])
async def test_what_waited_in_the_backup_is_answered_once(world: World, tmp_path: Path, answered_since: bool) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    of = installation(world.bot.services.settings, world.bot.services.engine.settings)
    back_up(of, tmp_path / "backup.zip", {})
    if answered_since:
        world.painter.finish_all()
        await world.env.settle()
    await world.bot.services.jobs.drain(0)
    await world.bot.services.store.close()

    await restore(tmp_path / "backup.zip", of, world.env.now(), timedelta(days=1))
    world.painter.held = False
    await world.restart()
    await world.bot.services.jobs.sweep()
    await world.env.settle()

    (reply,) = world.said(world.thread_of(world.channel))
    assert [name for name in names_of(reply) if name.startswith("picture")] == ["picture.png"]
    await world.bob.click(reply, label="Again")
    assert len(world.said(world.thread_of(world.channel))) == 2
