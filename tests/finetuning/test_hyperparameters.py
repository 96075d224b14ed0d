"""Settings of a run: what is refused, and how the rate goes."""

import json

import pytest

from core.errors import InvalidHyperparameters
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.learning_rate import learning_rate_at


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("rank", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("caption_dropout", 1.0),
        ("held_out", 0.0),
        ("resolution", 8),
        ("limit", 1),
    ],
)
def test_a_number_out_of_range_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(InvalidHyperparameters, match=f"--{field.replace('_', '-')} must be"):
        Hyperparameters(**{field: value})  # type: ignore[arg-type]


def test_hyperparameters_survive_json() -> None:
    hyperparameters = Hyperparameters(rank=8, limit=100, targets="attention+ff")
    assert Hyperparameters.from_dict(dict(hyperparameters.as_dict())) == hyperparameters
    longer = hyperparameters.continued_for(3000)
    assert Hyperparameters.from_dict(json.loads(json.dumps(longer.as_dict()))) == longer


def test_differing_fields_are_named() -> None:
    assert Hyperparameters().differences(Hyperparameters(rank=8, seed=3)) == ["rank", "seed"]


def test_what_does_not_shape_the_weights_may_change() -> None:
    one = Hyperparameters(batch_size=4, accumulation=1)
    other = Hyperparameters(batch_size=1, accumulation=4, check_every=9, precision="fp16", gradient_checkpointing=True)
    assert one.differences(other.continued_for(9000)) == []
    assert one.differences(Hyperparameters(batch_size=2)) == ["batch_size"]


def test_more_steps_begin_the_rate_again() -> None:
    short = Hyperparameters(steps=100, warmup_steps=10, learning_rate=1.0)
    longer = short.continued_for(300)
    assert [learning_rate_at(step, longer) for step in range(100)] == [
        learning_rate_at(step, short) for step in range(100)
    ]
    rates = [learning_rate_at(step, longer) for step in range(100, 300)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == 1.0
    assert rates[-1] < 0.001
    assert longer.continued_for(200).steps == 200
    assert longer.continued_for(50).earlier_steps == ()


def test_the_rate_warms_up_and_then_falls_to_zero() -> None:
    hyperparameters = Hyperparameters(steps=100, warmup_steps=10, learning_rate=1.0)
    rates = [learning_rate_at(step, hyperparameters) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[99] < 0.001


def test_a_short_run_still_reaches_its_rate() -> None:
    hyperparameters = Hyperparameters(steps=8, warmup_steps=100, learning_rate=1.0)
    assert max(learning_rate_at(step, hyperparameters) for step in range(8)) == pytest.approx(1.0)
