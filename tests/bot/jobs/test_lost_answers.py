"""A message that was posted while nobody could know it is the job's one message all the same."""

from collections.abc import Iterator

import pytest

from tests.bot.jobs.situation import Situation
from tests.loopback.faults import Fault, Point, What

PAINTED_LATE, CANNOT_BE_PAINTED = 4, 3


@pytest.fixture
def situation() -> Iterator[Situation]:
    situation = Situation()
    yield situation
    situation.close()


def test_message_is_found_again_when_discord_has_forgotten_its_nonce(situation: Situation) -> None:
    situation.discord.faults.add(Fault(What.LOST, Point.FIRST))
    situation.post(PAINTED_LATE)

    situation.loop.run_for(450)

    situation.check_now()
    situation.come_to_rest()
    situation.check_in_the_end()


def test_failure_that_nobody_asked_for_is_told_in_the_message_whose_posting_seemed_to_fail(
    situation: Situation,
) -> None:
    situation.discord.faults.add(Fault(What.LOST, Point.FIRST, times=2))
    situation.post(CANNOT_BE_PAINTED, asked=False)

    situation.loop.run_for(30)

    situation.come_to_rest()
    situation.check_in_the_end()
    (messages,) = situation.discord.answers().values()
    assert len(messages) == 1


def test_failure_that_nobody_asked_for_is_told_in_the_message_that_was_on_its_way(situation: Situation) -> None:
    situation.discord.faults.add(Fault(What.SLOW, Point.FIRST))
    situation.post(CANNOT_BE_PAINTED, asked=False)

    situation.loop.run_for(30)

    situation.come_to_rest()
    situation.check_in_the_end()
