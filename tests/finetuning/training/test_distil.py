"""Guidance distilled into an adapter: states, target, the guard, and a whole run on a tiny model."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from statistics import mean

import pytest
import torch
from safetensors import safe_open

from core.cli.progress import ProgressBars
from core.errors import CannotResume
from core.finetuning.data.scenes import HELD_OUT, held_out_prompts, training_prompts
from core.finetuning.distil import distil
from core.finetuning.hyperparameters import DISTILLATION, Hyperparameters
from core.finetuning.options import WORK, DistilOptions
from core.finetuning.training.guard import Draw, Yardstick
from core.finetuning.training.guidance import Levels, guidance_lost, most_guidance, target_of, unguided_errors
from core.finetuning.training.states import GUIDANCES, KEPT, States, planned
from core.finetuning.training.trainer import Ending
from core.generation.fingerprint import weights_sha256
from core.prompting.styles import TEMPLATES, UNWANTED

QUICK = replace(
    DISTILLATION,
    steps=8,
    rank=4,
    alpha=4.0,
    batch_size=4,
    limit=8,
    learning_rate=2e-4,
    warmup_steps=1,
    ema_decay=0.5,
    check_every=4,
    sample_steps=2,
    precision="fp32",
)


def states(guidance: float = 3.0, count: int = KEPT) -> States:
    generator = torch.Generator().manual_seed(7)
    seen, unconditional, conditional = (torch.randn(count, 4, 2, 2, generator=generator) for _ in range(3))
    return States((0,) * count, guidance, seen, torch.linspace(1, -1, count), unconditional, conditional)


def make(tiny_base: Path, out: Path, hyperparameters: Hyperparameters = QUICK, **changes: object) -> DistilOptions:
    values: dict[str, object] = {"held_out": 6, "cpu": True, **changes}
    return DistilOptions(out, str(tiny_base), hyperparameters, **values)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an undisturbed run has ended."""
    out = tmp_path_factory.mktemp("whole") / "guidance"
    result = distil(make(tiny_base, out), ProgressBars())
    assert result.ending is Ending.FINISHED
    assert result.adapter is not None
    assert result.error is not None
    assert result.error < 1, "nearer to guidance than the base alone"
    return out


def test_prompts_are_the_product_s_own_and_none_is_both_held_out_and_learnt_from() -> None:
    held_out, training = held_out_prompts(), training_prompts(200)
    assert len({prompt.text for prompt in (*held_out, *training)}) == HELD_OUT + 200
    negatives = {", ".join(filter(None, (UNWANTED, template.unwanted))) for template in TEMPLATES.values()}
    assert {prompt.negative_text for prompt in training} == negatives
    assert training_prompts(20) == training_prompts(200)[:20]


def test_pictures_are_painted_together_where_guidance_steps_and_negative_prompt_agree() -> None:
    negatives = ["a", "b", "a", "a", "b", "a"]
    batches = planned(negatives, range(1, 6), 0, 2)
    assert sorted(one.prompt for batch in batches for one in batch) == [1, 2, 3, 4, 5]
    for batch in batches:
        assert len({(negatives[one.prompt], one.guidance, one.steps) for one in batch}) == 1
        for one in batch:
            assert all(n * one.steps // KEPT <= step < (n + 1) * one.steps // KEPT for n, step in enumerate(one.kept))
    assert batches == planned(negatives, range(1, 6), 0, 2)


def test_the_target_is_what_guidance_makes_of_two_answers() -> None:
    assert torch.equal(target_of(states(1.0)), states().unconditional + (states().conditional - states().unconditional))
    three = states(3.0)
    assert torch.allclose(target_of(three), 3 * three.conditional - 2 * three.unconditional, atol=1e-6)
    base = (target_of(three) - three.conditional).square().mean(dim=(1, 2, 3)).flip(0)
    assert unguided_errors([three])[0] == pytest.approx(tuple(base.tolist()), rel=1e-4)


def test_levels_where_guidance_does_little_count_as_much() -> None:
    one = states(count=64)
    scaled = replace(one, conditional=one.unconditional + (1 + 9 * (one.condition > 0)).view(-1, 1, 1, 1))
    levels = Levels.of([scaled])
    assert levels.effects == pytest.approx((1, 1, 1, 1, 100, 100, 100, 100), rel=0.3)
    assert levels.at(torch.tensor([-0.9, 0.9])).tolist() == pytest.approx([1, 100])


@pytest.mark.parametrize(("band", "named"), [(slice(0, 3), "little"), (slice(3, 6), "middling"), (slice(6, 8), "much")])
def test_an_error_above_that_without_guidance_is_ruin_in_any_band(band: slice, named: str) -> None:
    base = Draw(*[tuple(tuple(1.0 + 0.01 * n for _ in range(KEPT)) for n in range(12))] * 2)
    yardstick = Yardstick((base, base), (base, base), (), 0.8, 0.5)
    half = [[0.5 * value for value in row] for row in base.held_out]
    assert guidance_lost(Draw(*[tuple(map(tuple, half))] * 2), yardstick, 0) == {}
    for row in half:
        row[band] = [1.2 for _ in row[band]]
    assert set(guidance_lost(Draw(*[tuple(map(tuple, half))] * 2), yardstick, 1)) == {named}


def test_it_stands_for_guidance_up_to_where_half_of_the_error_is_left() -> None:
    base = ((1.0, 1.0), (4.0, 4.0), (4.0, 4.0), (16.0, 16.0))
    guidances = (2.0, 3.0, 3.0, 5.0)
    assert most_guidance(((0.1, 0.1), (1.0, 1.0), (2.0, 2.0), (9.0, 9.0)), base, guidances) == 3.0
    assert most_guidance(((0.1, 0.1), (1.0, 1.0), (2.0, 2.0), (1.0, 1.0)), base, guidances) == 5.0
    assert most_guidance(((0.1, 1.1), (0.1, 0.1), (0.1, 0.1), (1.0, 1.0)), base, guidances) == 1.0


class TestRun:
    """On the tiny trained model."""

    def test_the_adapter_says_what_it_stands_for(self, whole: Path, tiny_base: Path) -> None:
        with safe_open(whole / "pytorch_lora_weights.safetensors", framework="pt") as file:
            said = file.metadata()
            assert any("conv1" in name for name in file.keys()), "convolutions learn as well"  # noqa: SIM118
        assert said["imagine_sound.kind"] == "guidance"
        least, most = json.loads(said["imagine_sound.guidance_range"])
        assert least == 1.0
        assert most in {1.0, *GUIDANCES}
        assert said["imagine_sound.base_unet_sha256"] == weights_sha256(tiny_base / "unet")
        assert UNWANTED in json.loads(said["imagine_sound.negative"])

    def test_the_second_half_learns_from_the_adapter_s_own_pictures_too(self, whole: Path) -> None:
        count = {name: len(list((whole / WORK / name).glob("*/*.safetensors"))) for name in ("states", "own-states")}
        assert count == {"states": 8, "own-states": 2}

    def test_a_run_that_was_stopped_ends_as_one_that_was_not(
        self, whole: Path, tiny_base: Path, tmp_path: Path, bars: ProgressBars
    ) -> None:
        for folder in ("cache", "held-out", "states"):  # which are the same, and need not be painted again
            shutil.copytree(whole / WORK / folder, tmp_path / "g" / WORK / folder)
        asked = iter(range(100))
        stopped = distil(make(tiny_base, tmp_path / "g"), bars, lambda: next(asked) == 5)
        assert stopped.ending is Ending.STOPPED
        resumed = distil(make(tiny_base, tmp_path / "g", resume=True), bars)
        assert resumed.ending is Ending.FINISHED
        ours, theirs = (_tensors(path / "pytorch_lora_weights.safetensors") for path in (tmp_path / "g", whole))
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)

    def test_a_place_with_a_run_is_not_begun_anew_unasked(self, whole: Path, tiny_base: Path) -> None:
        with pytest.raises(CannotResume, match="--resume goes on with it"):
            distil(make(tiny_base, whole), ProgressBars())

    def test_its_error_falls_at_every_look(self, whole: Path) -> None:
        lines = (whole / WORK / "journal.jsonl").read_text().splitlines()
        looks = [entry["reading"] for entry in map(json.loads, lines) if entry["kind"] == "look"]
        errors = [mean(value for row in look["losses"]["held_out"] for value in row) for look in looks]
        assert errors[-1] < errors[0]


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
