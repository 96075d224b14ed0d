"""What `evaluate guidance` finds of an adapter: against two evaluations, and against what costs the same."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from core.cli.progress import ProgressBars
from core.errors import EvaluationError
from core.finetuning.data.scenes import held_out_prompts
from core.finetuning.guidance_evaluation import (
    ADAPTER,
    HALF,
    UNGUIDED,
    Found,
    GuidanceEvaluation,
    GuidanceEvaluationOptions,
    evaluate_guidance,
)
from core.finetuning.guided_ways import TWO, Closeness, decibels
from core.generation.guided import file_sha256, find_guidance
from core.located import LocatedModel, Origin
from tests.generation.test_guided import write_adapter


def ways(ours: float, half: float, unguided: float) -> dict[str, Closeness]:
    found = {ADAPTER: ours, HALF: half, UNGUIDED: unguided, TWO: float("inf")}
    return {name: Closeness(value, 0.01, 1.0, 0.5) for name, value in found.items()}


@pytest.fixture(scope="module")
def evaluated(
    tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[GuidanceEvaluationOptions, GuidanceEvaluation]:
    """A random adapter, which stands for nothing, measured on two prompts."""
    directory = tmp_path_factory.mktemp("adapters")
    negatives = json.dumps(sorted({prompt.negative_text for prompt in held_out_prompts()}))
    write_adapter(directory / "guidance", tiny_pipeline, negative=negatives)
    write_adapter(directory / "hands", tiny_pipeline, kind="")
    options = GuidanceEvaluationOptions(
        LocatedModel("tiny", str(tiny_pipeline), Origin.SETTING, ""),
        directory / "guidance",
        directory / "guidance" / "evaluation",
        steps=(4,),
        prompts=2,
        seeds=1,
        device="cpu",
    )
    return options, evaluate_guidance(options, ProgressBars(Console(file=io.StringIO())))


def test_decibels_are_of_the_mean_square_error() -> None:
    black, grey = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 51, np.uint8)
    assert decibels([black], [grey]) == pytest.approx(20 * np.log10(5))
    assert decibels([black, black], [grey, black]) == pytest.approx(20 * np.log10(5) + 10 * np.log10(2))
    assert decibels([grey], [grey]) == float("inf")


def test_what_does_not_beat_half_the_steps_is_not_recommended() -> None:
    assert Found(12, ways(30.0, 20.0, 24.0)).is_worth_it
    worse = Found(24, ways(30.0, 32.0, 24.0))
    assert not worse.is_worth_it
    assert "not recommended; fewer steps" in worse.verdict
    assert not Found(24, ways(20.0, 18.0, 24.0)).is_worth_it, "less than nothing"


def test_a_random_adapter_is_found_to_be_none(
    evaluated: tuple[GuidanceEvaluationOptions, GuidanceEvaluation], tiny_pipeline: Path
) -> None:
    options, found = evaluated
    assert not found.is_worth_it
    assert found.is_base_at_one
    assert "not recommended" in found.page.read_text()
    numbers = json.loads((options.out / "guidance.json").read_text())
    assert numbers["found"][0][TWO]["decibels"] is None
    assert numbers["found"][0][ADAPTER]["decibels"] == pytest.approx(found.found[0].ways[ADAPTER].decibels)
    adapter = find_guidance(options.adapter.parent, tiny_pipeline / "unet")
    assert adapter is not None
    assert adapter.measured is not None, "the painter reads what was found"
    assert adapter.measured.decibels == {4: pytest.approx(found.found[0].ways[ADAPTER].decibels, abs=0.01)}


def test_beside_an_adapter_that_did_not_pass_it_stays_forbidden(
    evaluated: tuple[GuidanceEvaluationOptions, GuidanceEvaluation], tiny_pipeline: Path, bars: ProgressBars
) -> None:
    options, _ = evaluated
    assert not evaluate_guidance(replace(options, beside="hands"), bars).is_worth_it
    adapter = find_guidance(options.adapter.parent, tiny_pipeline / "unet")
    assert adapter is not None
    assert adapter.measured is not None
    hands = file_sha256(options.adapter.parent / "hands" / "pytorch_lora_weights.safetensors")
    assert hands not in adapter.measured.combines_with
    assert adapter.measured.decibels, "what was found of it alone is kept"


def test_without_such_an_adapter_it_is_said_how_to_make_one(
    evaluated: tuple[GuidanceEvaluationOptions, GuidanceEvaluation], tmp_path: Path, bars: ProgressBars
) -> None:
    with pytest.raises(EvaluationError, match="imagine-sound distil makes one"):
        evaluate_guidance(replace(evaluated[0], adapter=tmp_path / "guidance"), bars)
