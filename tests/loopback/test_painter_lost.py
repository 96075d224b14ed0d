"""The real bot whose painter hangs or dies ends with RESTART, and paints after the start."""

import pytest

from core.errors import ExitCode
from tests.loopback.bench import world
from tests.loopback.painter import DIES, HANGS
from tests.loopback.verdict import Verdict


@pytest.mark.parametrize("words", [HANGS, DIES])
async def test_lost_painter_ends_the_bot_with_restart_and_the_next_start_paints(words: str) -> None:
    async with world({"STALL_S": "2", "DRAIN_SECONDS": "1"}) as here:
        here.person("breaks it").command(words)
        assert await here.wait_for(lambda: here.exits != [], 30)
        assert here.exits == [ExitCode.RESTART]
        await here.wait_for(lambda: here.bot.is_ready, 60)
        outcome = await here.settle([here.person("after").post()])
        assert outcome.verdicts == [Verdict.ANSWERED]
        assert here.exits == [ExitCode.RESTART]
