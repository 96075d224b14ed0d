"""When the guard looks: by steps if they were given, else by time."""

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.guard import Draw, Reading
from core.finetuning.training.journal import Entry, StepEntry, ValidationEntry
from core.finetuning.training.looks import Looks, most_looks

READING = Reading(Draw(((0.5,),), ((0.5,),)), ())


def step(number: int, seconds: float) -> StepEntry:
    return StepEntry(number, 0, 0.5, 1e-4, 1.0, seconds, True)


def look(number: int, seconds: float) -> ValidationEntry:
    return ValidationEntry(number, 0, READING, (), 0.0, seconds)


def looked_at(steps: int, step_s: float, look_s: float) -> tuple[list[int], list[Entry]]:
    """After which steps of a run there are looks, and its journal."""
    looks, found, entries = Looks(Hyperparameters(steps=steps)), list[int](), list[Entry]()
    for number in range(1, steps + 1):
        entries.append(step(number, step_s))
        looks.note(entries[-1])
        if looks.is_due(number):
            found.append(number)
            entries.append(look(number, look_s))
            looks.note(entries[-1])
    return found, entries


def test_steps_that_were_asked_for_come_with_two_early_ones() -> None:
    looks = Looks(Hyperparameters(steps=100, check_every=32))
    assert [number for number in range(1, 101) if looks.is_due(number)] == [2, 8, 32, 64, 96, 100]


def test_by_time_the_first_look_comes_after_two_minutes_and_the_last_at_the_end() -> None:
    found, _ = looked_at(steps=600, step_s=1.5, look_s=10)
    assert found[0] == 80
    assert found[-1] == 600


def test_looks_take_a_tenth_of_the_time_at_most() -> None:
    found, _ = looked_at(steps=600, step_s=1.5, look_s=30)
    assert 2 <= len(found) <= 5
    assert 30 * (len(found) - 1) <= 0.1 * (600 * 1.5 + 30 * len(found))


def test_quick_looks_of_a_long_run_are_forty_at_most() -> None:
    found, _ = looked_at(steps=4000, step_s=3, look_s=1)
    assert 30 < len(found) <= most_looks(Hyperparameters(steps=4000))


def test_a_short_run_has_one_look() -> None:
    assert looked_at(steps=40, step_s=1, look_s=5)[0] == [40]


def test_a_resumed_run_looks_when_it_would_have_looked_without_a_stop() -> None:
    found, entries = looked_at(steps=600, step_s=1.5, look_s=20)
    before = [entry for entry in entries if entry.step <= 250]
    resumed = Looks(Hyperparameters(steps=600), before)
    upcoming = iter(range(251, 601))
    for number in upcoming:
        resumed.note(step(number, 1.5))
        if resumed.is_due(number):
            break
    assert number == next(step for step in found if step > 250)
