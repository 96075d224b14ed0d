"""Whatever happens, and in whatever order, every request is answered once, and what is withdrawn is gone.

Hypothesis drives the real jobs and store through crashes, failing calls, deletions, clicks and steps of the clock.

    python -m tests.bot.jobs.test_any_order 5000        # so many examples instead of a few, other ones each time
"""

import gc
import sys
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.bot.jobs.situation import Situation
from tests.loopback.faults import Fault, Point, What
from tests.tables import some

MOST_REQUESTS = 3
FURTHEST_STEP = timedelta(hours=6)
TROUBLE = st.builds(
    Fault,
    st.sampled_from((What.ERROR_503, What.BROKEN, What.LOST, What.APPLIED_500, What.UNAUTHORIZED, What.SLOW)),
    st.sampled_from(
        (Point.FIRST, Point.FIRST, Point.REMOVAL, Point.LAST, Point.THREAD, Point.PROGRESS, Point.HISTORY),
    ),
    times=st.sampled_from((1, 1, 2, 6)),
)
STEPS = st.integers(0, 40)
FEW = settings(
    max_examples=some(30, of=300),
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class AnyOrder(RuleBasedStateMachine):
    """What may happen to the bot, and what is true of it all the same."""

    situation: Situation | None = None

    @initialize(seed=st.integers(0, 1000), hears_of_threads=st.booleans(), nonces_last_s=st.sampled_from((300, 5)))
    def begin(self, seed: int, hears_of_threads: bool, nonces_last_s: int) -> None:
        self.situation = Situation(seed, hears_of_threads=hears_of_threads, nonces_last_s=nonces_last_s)

    @property
    def now(self) -> Situation:
        assert self.situation is not None
        return self.situation

    @precondition(lambda self: len(self.now.requests) < MOST_REQUESTS)
    @rule(
        chance=st.integers(0, 7),
        asked=st.booleans(),
        is_fetched=st.booleans(),
        trouble=st.none() | TROUBLE,
        steps=STEPS,
    )
    def somebody_posts(self, chance: int, asked: bool, is_fetched: bool, trouble: Fault | None, steps: int) -> None:
        if trouble is not None:
            self.now.discord.faults.add(trouble)
        self.now.post(chance, asked=asked, is_fetched=is_fetched)
        self.now.loop.run_steps(steps)

    @precondition(lambda self: any(not request.source.deleted for request in self.now.requests))
    @rule(data=st.data(), what=st.sampled_from(("deleted", "deleted unheard", "told of again")), fails=st.booleans())
    def recording_is(self, data: st.DataObject, what: str, fails: bool) -> None:
        if fails:
            self.now.discord.faults.add(Fault(What.ERROR_503, Point.REMOVAL))
        standing = [number for number, request in enumerate(self.now.requests) if not request.source.deleted]
        request = self.now.requests[data.draw(st.sampled_from(standing), label="request")]
        if what == "told of again":
            self.now.tell(request)
        else:
            self.now.delete(request, is_heard=what == "deleted")

    @precondition(lambda self: self.now.buttons(""))
    @rule(data=st.data(), what=st.sampled_from(("cancel", "delete")))
    def button_is_clicked(self, data: st.DataObject, what: str) -> None:
        buttons = self.now.buttons(what)
        if buttons:
            self.now.click(what, *buttons[data.draw(st.integers(0, len(buttons) - 1), label="button")])

    @rule(trouble=TROUBLE)
    def calls_will_fail(self, trouble: Fault) -> None:
        self.now.discord.faults.add(trouble)

    @rule(orderly=st.sampled_from((False, False, True)), steps=STEPS)
    def process_ends(self, orderly: bool, steps: int) -> None:
        self.now.loop.run_steps(steps)
        self.now.restart(orderly=orderly)

    @rule(steps=STEPS)
    def bot_works(self, steps: int) -> None:
        self.now.loop.run_steps(steps)

    @rule(seconds=st.sampled_from((1, 5, 30, 150, 450)), hours=st.sampled_from((0, 0, 0, 1, -1)))
    def time_passes(self, seconds: int, hours: int) -> None:
        ahead = self.now.ahead + timedelta(hours=hours)
        if abs(ahead) <= FURTHEST_STEP:
            self.now.set_clock(ahead)
        self.now.loop.run_for(seconds)

    @invariant()
    def it_is_right_so_far(self) -> None:
        self.now.check_now()

    def teardown(self) -> None:
        if self.situation is None:
            return
        try:
            self.situation.come_to_rest()
            self.situation.check_in_the_end()
        finally:
            self.situation.close()


def run(how: settings) -> None:
    gc.collect()
    gc.freeze()  # each example collects what it leaves, and shall not look at all else
    try:
        run_state_machine_as_test(AnyOrder, settings=how)
    finally:
        gc.unfreeze()


@pytest.mark.table
def test_every_request_is_answered_once_whatever_happens() -> None:
    run(FEW)


if __name__ == "__main__":
    run(settings(FEW, max_examples=int(sys.argv[1]), derandomize=False, print_blob=True))
