"""The guard's judgement: what raises an alarm and what does not."""

from dataclasses import replace

import pytest
import torch

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.guard import (
    Limits,
    SampleStatistics,
    StepWatch,
    ValidationResult,
    alarms,
    is_over_trained,
    statistics_of,
    white_noise_share,
)
from core.finetuning.training.learning_rate import find_rate, range_test

BASE = ValidationResult((0.4,) * 8, (0.3,) * 8, (SampleStatistics(0.5, 0.1),) * 4)
WHITE = 0.8


def judge(result: ValidationResult) -> tuple[str, ...]:
    return alarms(result, BASE, Limits(), WHITE)


class TestAlarms:
    def test_the_base_itself_is_well(self) -> None:
        assert judge(BASE) == ()

    def test_learning_is_no_alarm(self) -> None:
        assert judge(replace(BASE, held_out=(0.2,) * 8, generic=(0.31,) * 8)) == ()

    def test_forgetting_at_a_single_noise_level_is_one(self) -> None:
        (alarm,) = judge(replace(BASE, generic=(0.3,) * 7 + (0.331,)))
        assert "1.10 times the base's" in alarm

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_numbers_that_are_none_are_one(self, value: float) -> None:
        assert "finite" in judge(replace(BASE, held_out=(value,) * 8))[0]
        assert "finite" in judge(replace(BASE, samples=(SampleStatistics(value, 0.1),)))[0]

    def test_the_spectrum_of_noise_is_one_even_if_the_losses_look_well(self) -> None:
        (alarm,) = judge(replace(BASE, samples=(SampleStatistics(0.5, 0.6),) * 4))
        assert "spectrum of noise" in alarm

    @pytest.mark.parametrize("std", [0.2, 1.2])
    def test_samples_without_or_with_too_much_contrast_are_one(self, std: float) -> None:
        (alarm,) = judge(replace(BASE, samples=(SampleStatistics(std, 0.1),) * 4))
        assert "contrast" in alarm

    def test_a_result_survives_json(self) -> None:
        assert ValidationResult.from_dict(BASE.as_dict()) == BASE


class TestStatistics:
    def test_white_noise_has_the_share_that_is_computed_for_it(self) -> None:
        noise = torch.randn(8, 4, 32, 32, generator=torch.Generator().manual_seed(0))
        found = [sample.high_frequency for sample in statistics_of(noise)]
        assert sum(found) / 8 == pytest.approx(white_noise_share(32, 32), abs=0.01)

    def test_a_smooth_picture_has_almost_none(self) -> None:
        ramp = torch.linspace(-1, 1, 32).expand(1, 4, 32, 32) * 0.5
        assert statistics_of(torch.sin(3 * ramp))[0].high_frequency < 0.05

    def test_nan_stays_nan(self) -> None:
        assert statistics_of(torch.full((1, 4, 8, 8), float("nan")))[0].std != 0.0
        assert "finite" in judge(replace(BASE, samples=statistics_of(torch.full((1, 4, 8, 8), float("nan")))))[0]


class TestStepWatch:
    def test_usual_steps_are_taken(self) -> None:
        watch = StepWatch()
        assert all(watch.accept(0.5, 1.0 + 0.1 * (number % 5)) for number in range(100))
        assert watch.alarm is None

    def test_a_runaway_gradient_is_left_out_and_three_are_an_alarm(self) -> None:
        watch = StepWatch()
        for _ in range(20):
            watch.accept(0.5, 1.0)
        assert not watch.accept(0.5, 11.0)
        assert not watch.accept(float("nan"), 1.0)
        assert watch.alarm is None
        assert not watch.accept(0.5, float("inf"))
        assert watch.alarm is not None
        assert "3 of 23" in watch.alarm

    def test_its_memory_survives_a_checkpoint(self) -> None:
        watch, other = StepWatch(), StepWatch()
        for number in range(30):
            watch.accept(0.5, float(number % 7 + 1))
        other.restore(watch.state())
        assert other.state() == watch.state()
        assert other.accept(0.5, 39.0) == watch.accept(0.5, 39.0)


class TestOverTraining:
    def test_three_worse_validations_after_the_best_are_over_training(self) -> None:
        assert is_over_trained([0.5, 0.4, 0.41, 0.42, 0.43])
        assert not is_over_trained([0.5, 0.4, 0.41, 0.39, 0.43])
        assert not is_over_trained([0.5, 0.4, 0.401, 0.402, 0.403])
        assert not is_over_trained([0.5])


class TestRangeTest:
    def test_the_suggestion_is_far_below_the_blow_up(self) -> None:
        found = range_test(lambda number, rate: 0.98 if rate < 1e-3 else 5.0)
        assert found.blow_up == pytest.approx(1e-3, rel=0.2)
        assert found.suggestion == pytest.approx(found.rates[-1] / 8)
        assert len(found.rates) < 100

    def test_nan_is_a_blow_up(self) -> None:
        found = range_test(lambda number, rate: 1.0 if number < 50 else float("nan"))
        assert found.blow_up == found.rates[50]

    def test_the_search_for_a_rate_leaves_the_parameters_as_they_were(self) -> None:
        weight = torch.nn.Parameter(torch.tensor([1.0]))
        seen: list[float] = []

        def loss() -> torch.Tensor:
            seen.append(weight.item())
            return torch.mean((weight - 3.0).square())

        find_rate({"weight": weight}, [loss, loss], Hyperparameters(), steps=20)
        assert len(set(seen)) > 10, "it trains"
        assert weight.item() == 1.0

    def test_without_a_blow_up_the_highest_rate_counts(self) -> None:
        found = range_test(lambda number, rate: 0.9, highest=1e-2)
        assert found.blow_up is None
        assert found.suggestion == pytest.approx(1e-2 / 8)
