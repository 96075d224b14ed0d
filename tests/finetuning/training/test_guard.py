"""The guard's judgement: what is ruin, what is forgetting, and what is neither."""

import math
import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.training.gate import Gate
from core.finetuning.training.guard import (
    Draw,
    HeldOutTrend,
    Losses,
    Reading,
    Yardstick,
    bands,
    forgetting,
    lower_bound,
    ruin,
    shares_lost,
)
from core.finetuning.training.learning_rate import find_rate, range_test
from core.finetuning.training.references import references
from core.finetuning.training.spectrum import SampleStatistics, statistics_of, white_noise_share
from core.finetuning.training.step_watch import StepWatch

WHITE = 0.8
CPU = torch.device("cpu")
LEVELS = 8
GOOD, BLIND = 0.1, 1.0


def losses(value: float, pictures: int = 16, spread: float = 0.1, seed: int = 0) -> Losses:
    """Of each picture at each level, around a value."""
    draw = random.Random(seed)
    scales = [1 + spread * draw.uniform(-1, 1) for _ in range(pictures)]
    return tuple((scale * value,) * LEVELS for scale in scales)


def draw(generic: float = GOOD, held_out: float = 0.4, *, seed: int = 0) -> Draw:
    return Draw(losses(held_out, 8, seed=seed), losses(generic, seed=seed))


SAMPLES = (SampleStatistics(0.5, 0.1),) * 8
BASE = Yardstick((draw(), draw(seed=1)), (draw(BLIND, BLIND), draw(BLIND, BLIND, seed=1)), SAMPLES, WHITE, 0.5)


def judge(
    found: Draw, samples: tuple[SampleStatistics, ...] = SAMPLES, again: Draw | None = None, base: Yardstick = BASE
) -> tuple[str, ...]:
    second = again or Draw(*(_on_second_draw(now, *old) for now, old in zip(_tables(found), _pairs(base), strict=True)))
    return ruin(Reading(found, samples), lambda: second, base)


def _tables(found: Draw) -> tuple[Losses, Losses]:
    return found.held_out, found.generic


def _pairs(base: Yardstick) -> tuple[tuple[Losses, Losses], tuple[Losses, Losses]]:
    first, second = base.base
    return (first.held_out, second.held_out), (first.generic, second.generic)


def _on_second_draw(now: Losses, first: Losses, second: Losses) -> Losses:
    """The same ratios to the base's losses of the second draw."""
    return tuple(
        tuple(s * n / f for n, f, s in zip(*rows, strict=True)) for rows in zip(now, first, second, strict=True)
    )


class TestRuin:
    def test_the_base_itself_is_well(self) -> None:
        assert judge(BASE.base[0]) == ()

    def test_a_quarter_more_of_next_to_nothing_is_well(self) -> None:
        """The miniature's own case: from 0.11 to 0.14 is a ratio of 1.27, and a thirtieth of the way to nothing."""
        assert judge(draw(generic=1.27 * GOOD, held_out=0.3)) == ()

    def test_a_fifth_of_the_way_to_knowing_nothing_is_ruin(self) -> None:
        found = judge(draw(generic=GOOD + 0.22 * (BLIND - GOOD)))
        assert len(found) == 3, "in each of three bands"
        assert "of the way to knowing nothing" in found[0]

    @pytest.mark.parametrize("band", range(3))
    def test_one_band_of_levels_is_enough(self, band: int) -> None:
        hurt = range(LEVELS)[bands(LEVELS)[band]]
        rows = tuple(tuple(0.5 if level in hurt else value for level, value in enumerate(row)) for row in losses(GOOD))
        (words,) = judge(replace(draw(), generic=rows))
        assert ("little", "middling", "much")[band] in words

    def test_a_single_picture_is_none(self) -> None:
        rows = list(losses(GOOD))
        rows[3] = (BLIND,) * LEVELS
        assert judge(replace(draw(), generic=tuple(rows))) == ()

    def test_a_second_draw_of_noise_must_agree(self) -> None:
        assert judge(draw(generic=0.5)) != ()
        assert judge(draw(generic=0.5), again=BASE.base[1]) == ()

    def test_the_second_draw_is_not_measured_without_need(self) -> None:
        def never() -> Draw:
            raise AssertionError("nothing was suspicious")

        assert ruin(Reading(BASE.base[0], SAMPLES), never, BASE) == ()

    def test_what_the_base_never_knew_cannot_be_lost(self) -> None:
        """The miniature on pictures with the statistics of photographs: worse than knowing nothing from the start."""
        base = replace(BASE, base=(draw(generic=1.2), draw(generic=1.2, seed=1)))
        assert judge(draw(generic=1.5), base=base) == ()

    def test_worse_on_the_held_out_pictures_is_not_learning(self) -> None:
        (words,) = judge(draw(held_out=0.48))
        assert "what is learnt is not your pictures" in words
        assert judge(draw(held_out=0.405)) == (), "next to nothing comes and goes"

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_numbers_that_are_none_are_ruin(self, value: float) -> None:
        assert "finite" in judge(replace(draw(), held_out=((value,) * LEVELS,) * 8))[0]
        assert "finite" in judge(draw(), (SampleStatistics(value, 0.1), *SAMPLES[1:]))[0]


class TestSamples:
    def some(self, count: int, bad: SampleStatistics) -> tuple[SampleStatistics, ...]:
        return (*[bad] * count, *SAMPLES[count:])

    def test_three_of_eight_on_the_way_to_noise_are_ruin_two_are_not(self) -> None:
        bad = SampleStatistics(0.5, 0.1 + 0.26 * (WHITE - 0.1))
        assert "spectrum of noise" in judge(draw(), self.some(3, bad))[0]
        assert judge(draw(), self.some(2, bad)) == ()

    @pytest.mark.parametrize("std", [0.2, 1.2])
    def test_three_without_or_with_too_much_contrast_are_ruin(self, std: float) -> None:
        assert "contrast" in judge(draw(), self.some(3, SampleStatistics(std, 0.1)))[0]
        assert judge(draw(), self.some(2, SampleStatistics(std, 0.1))) == ()

    def test_the_limit_is_never_below_the_base(self) -> None:
        """A base that paints noise already: evidence refuses it, but here it must not stand upside down."""
        noisy = (SampleStatistics(0.5, 0.9),) * 8
        assert judge(draw(), noisy, base=replace(BASE, samples=noisy)) == ()

    def test_bounds_go_by_what_clean_latents_have(self) -> None:
        wide = (SampleStatistics(1.0, 0.1),) * 8
        base = replace(BASE, samples=wide, deviation=1.0)
        assert judge(draw(), (SampleStatistics(1.9, 0.1),) * 8, base=base) == ()


class TestForgetting:
    def test_it_is_told_with_the_remedy(self) -> None:
        words = forgetting(Reading(draw(generic=1.2 * GOOD), SAMPLES), BASE)
        assert words is not None
        assert "--prior-share" in words
        assert "at least 1.20 times" in words

    def test_what_may_be_chance_is_not_told(self) -> None:
        assert forgetting(Reading(draw(generic=1.04 * GOOD), SAMPLES), BASE) is None


class TestOverTraining:
    def trend(self, *factors: float, pictures: int = 8, spread: float = 0.02) -> tuple[HeldOutTrend, Losses]:
        trend, now = HeldOutTrend(), losses(0.4, pictures)
        for number, factor in enumerate(factors):
            noise = random.Random(number)
            now = tuple(
                tuple(value * factor * (1 + spread * noise.uniform(-1, 1)) for value in row)
                for row in losses(0.4, pictures)
            )
            trend = trend.after(now)
        return trend, now

    def test_a_steady_rise_after_the_best_is_over_training(self) -> None:
        trend, now = self.trend(1.0, 0.8, 0.84, 0.88, 0.92)
        assert trend.is_over_trained(now)

    def test_one_hump_is_none_and_a_new_best_begins_anew(self) -> None:
        trend, now = self.trend(1.0, 0.8, 0.88)
        assert not trend.is_over_trained(now)
        trend, now = self.trend(1.0, 0.8, 0.88, 0.7)
        assert trend.total == 0
        assert not trend.is_over_trained(now)

    def test_what_may_be_chance_is_none(self) -> None:
        trend, now = self.trend(1.0, 0.8, 0.804, 0.806, 0.803)
        assert not trend.is_over_trained(now)


class TestStatistics:
    def test_the_bound_is_students(self) -> None:
        """t of 0.99 at 7 degrees of freedom is 2.998."""
        values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
        assert lower_bound(values) == pytest.approx(4.5 - 2.998 * 2.4495 / math.sqrt(8), abs=1e-3)
        assert lower_bound([1.0, 1.0]) == -math.inf

    def test_the_ruler_is_zero_at_the_base_and_one_at_knowing_nothing(self) -> None:
        base, blind = losses(GOOD), losses(BLIND)
        whole = slice(0, LEVELS)
        assert shares_lost(base, base, blind, whole) == pytest.approx([0.0] * 16)
        assert shares_lost(blind, base, blind, whole) == pytest.approx([1.0] * 16)

    def test_white_noise_has_the_share_that_is_computed_for_it(self) -> None:
        noise = torch.randn(8, 4, 32, 32, generator=torch.Generator().manual_seed(0))
        found = [sample.high_frequency for sample in statistics_of(noise)]
        assert sum(found) / 8 == pytest.approx(white_noise_share(32, 32), abs=0.01)

    def test_a_smooth_picture_has_almost_none(self) -> None:
        ramp = torch.linspace(-1, 1, 32).expand(1, 4, 32, 32) * 0.5
        assert statistics_of(torch.sin(3 * ramp))[0].high_frequency < 0.05

    def test_nan_stays_nan(self) -> None:
        assert math.isnan(statistics_of(torch.full((1, 4, 8, 8), float("nan")))[0].std)

    @pytest.mark.parametrize("read", [Reading.from_dict, Yardstick.from_dict])
    def test_what_was_measured_survives_json(self, read: Callable[[dict[str, object]], object]) -> None:
        value = Reading(draw(), SAMPLES) if read == Reading.from_dict else BASE
        assert read(value.as_dict()) == value


def test_the_references_have_the_spectrum_of_photographs() -> None:
    """Power falls with frequency, about as f to the power −1.2 to −3.2 (photographs: about −2)."""
    for pixels in references(128):
        assert pixels.shape == (128, 128, 3)
        assert np.abs(pixels).max() <= 1
        assert pixels.std() > 0.1
        power = np.abs(np.fft.fft2(pixels.mean(axis=-1))) ** 2
        radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128)[None, :])
        edges = [0.02, 0.04, 0.08, 0.16, 0.32]
        means = [power[(radius > low) & (radius < 2 * low)].mean() for low in edges]
        slope = np.polyfit(np.log(edges), np.log(means), 1)[0]
        assert -3.6 < slope < -1.2
    assert all(np.array_equal(one, two) for one, two in zip(references(32), references(32), strict=True))


class TestGate:
    def accepts(self, gate: Gate, loss: float, norm: float) -> bool:
        return bool(gate.accepts(torch.tensor(loss), torch.tensor(norm)))

    def test_usual_steps_may_be_taken(self) -> None:
        gate = Gate(CPU)
        assert all(self.accepts(gate, 0.5, 1.0 + 0.1 * (number % 5)) for number in range(100))

    def test_a_runaway_gradient_may_not_nor_one_that_is_not_finite(self) -> None:
        gate = Gate(CPU)
        for _ in range(20):
            assert self.accepts(gate, 0.5, 1.0)
        assert not self.accepts(gate, 0.5, 11.0)
        assert not self.accepts(gate, float("nan"), 1.0)
        assert not self.accepts(gate, 0.5, float("inf"))
        assert self.accepts(gate, 0.5, 9.0)

    def test_at_first_there_is_nothing_to_compare_with(self) -> None:
        gate = Gate(CPU)
        assert all(self.accepts(gate, 0.5, 10.0**number) for number in range(10))

    def test_its_memory_survives_a_checkpoint(self) -> None:
        gate = Gate(CPU)
        for number in range(70):
            self.accepts(gate, 0.5, float(number % 7 + 1))
        other = Gate(CPU, gate.norms())
        assert other.norms() == gate.norms()
        assert len(gate.norms()) == 50
        for norm in (39.0, 41.0):
            assert self.accepts(other, 0.5, norm) == self.accepts(gate, 0.5, norm) == (norm < 40)


class TestStepWatch:
    def test_usual_steps_are_no_reason_to_look(self) -> None:
        watch = StepWatch()
        for _ in range(100):
            watch.took(True)
        assert not watch.wants_look
        assert watch.learns_nothing is None

    def test_three_that_were_left_out_are(self) -> None:
        watch = StepWatch()
        for taken in (True, False, True, False):
            watch.took(taken)
        assert not watch.wants_look
        watch.took(False)
        assert watch.wants_look
        watch.looked()
        assert not watch.wants_look

    def test_twenty_lost_steps_in_a_row_are_no_learning_overflows_included(self) -> None:
        watch = StepWatch()
        watch.took(True)
        for number in range(20):
            assert watch.learns_nothing is None
            watch.took(False, overflowed=number % 2 == 0)
        assert watch.learns_nothing == "20 steps in a row could not be taken"

    def test_half_of_a_hundred_are_as_well(self) -> None:
        watch = StepWatch()
        for number in range(100):
            watch.took(number % 2 == 0, overflowed=number % 2 == 1)
        assert watch.learns_nothing == "50 of the last 100 steps could not be taken"
        assert not watch.wants_look, "a scaler that looks for its scale is no reason"

    def test_its_memory_survives_a_checkpoint(self) -> None:
        watch, other = StepWatch(), StepWatch()
        for number in range(30):
            watch.took(number % 4 == 0)
        other.restore(watch.state())
        assert other.state() == watch.state()


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
