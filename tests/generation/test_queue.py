"""The queue is fair between users, then first come, first served."""

from hypothesis import given
from hypothesis import strategies as st

from core.errors import Cancelled
from core.generation.protocol import Failed, GenerationEvent, GenerationRequest, Loading, Queued
from core.generation.queue import RequestQueue, Ticket, fair_order
from core.prompting.prompt import Prompt


def _ignore(_: GenerationEvent) -> None:
    pass


def _tickets(users: str) -> list[Ticket[GenerationRequest]]:
    return [Ticket(n, GenerationRequest(Prompt("x", ""), 0, user=user), _ignore) for n, user in enumerate(users)]


def _order(users: str, served: dict[str, int] | None = None) -> str:
    return "".join(ticket.request.user for ticket in fair_order(_tickets(users), served or {}))


def test_alone_the_first_comes_first() -> None:
    assert [ticket.number for ticket in fair_order(_tickets("aaa"), {})] == [0, 1, 2]


def test_one_who_floods_the_queue_waits_for_the_others() -> None:
    assert _order("aaaabc") == "abcaaa"


def test_who_was_served_already_comes_later() -> None:
    assert _order("ab", {"a": 1}) == "ba"


def test_the_one_served_longest_ago_comes_first() -> None:
    assert _order("abc", {"a": 7, "b": 9, "c": 8}) == "acb"


@given(st.text(alphabet="abcd", max_size=30))
def test_everyone_is_in_the_order_once_and_each_user_s_own_stay_in_order(users: str) -> None:
    order = fair_order(_tickets(users), {})
    assert sorted(ticket.number for ticket in order) == list(range(len(users)))
    for user in set(users):
        numbers = [ticket.number for ticket in order if ticket.request.user == user]
        assert numbers == sorted(numbers)


def test_the_queue_counts_what_waits_and_what_is_painted() -> None:
    waiting = RequestQueue[GenerationRequest](10)
    for user in "aab":
        waiting.put(GenerationRequest(Prompt("x", ""), 0, user=user), _ignore)
    taken = waiting.take(2, wait=False)
    assert [ticket.request.user for ticket in taken] == ["a", "b"]
    assert len(waiting) == 3


def test_when_nobody_waits_fairness_starts_anew() -> None:
    waiting = RequestQueue[GenerationRequest](10)
    waiting.put(GenerationRequest(Prompt("x", ""), 0, user="a"), _ignore)
    [ticket] = waiting.take(1, wait=False)
    waiting.finish(ticket, Failed(Cancelled("over")))
    assert waiting.take(1, wait=False) == []
    for user in "ab":
        waiting.put(GenerationRequest(Prompt("x", ""), 0, user=user), _ignore)
    assert [ticket.request.user for ticket in waiting.take(2, wait=False)] == ["a", "b"]


def test_a_position_is_told_only_when_it_changes() -> None:
    waiting = RequestQueue[GenerationRequest](2000)
    told: list[GenerationEvent] = []
    waiting.put(GenerationRequest(Prompt("x", ""), 0, user="a"), told.append)
    for _ in range(1000):
        waiting.put(GenerationRequest(Prompt("x", ""), 0, user="a"), _ignore)
    assert told == [Loading()]
    waiting.ready()
    waiting.put(GenerationRequest(Prompt("x", ""), 0, user="a"), _ignore)
    assert told == [Loading(), Queued(1)]
