"""The compiled network is used where it was compiled for, and done without where it cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from core.generation.loading import Defaults
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS
from core.generation.protocol import GenerationRequest
from core.prompting.prompt import Prompt
from core.settings import Speed

REQUEST = GenerationRequest(Prompt("a dog", ""), seed=3, steps=2)
Network = Callable[..., tuple[torch.Tensor]]


def make_model(tiny_pipeline: Path, *, compile_model: bool) -> PlaygroundModel:
    options = PlaygroundOptions(Defaults(), PRESETS[Speed.EXACT], tiny_pipeline / "no-adapters", 0, compile_model)
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    return PlaygroundModel(pipeline, ModelIdentity("tiny", "1", False), options)


def paint(model: PlaygroundModel, request: GenerationRequest) -> torch.Tensor:
    state = model.prepare(request)
    while not model.is_finished(state):
        [state] = model.step([state])
    return state.member.latent


@pytest.fixture
def compiled_rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many rows each evaluation by the compiled network had; compiling itself takes no time here."""
    rows: list[int] = []

    def compile_at_once(network: Network, **_: Any) -> Network:
        def compiled(inputs: torch.Tensor, *arguments: Any, **named: Any) -> tuple[torch.Tensor]:
            rows.append(len(inputs))
            return network(inputs, *arguments, **named)

        return compiled

    monkeypatch.setattr(torch, "compile", compile_at_once)
    return rows


def test_only_the_size_that_was_compiled_goes_through_the_compiler(
    tiny_pipeline: Path, compiled_rows: list[int]
) -> None:
    model = make_model(tiny_pipeline, compile_model=True)
    eager = make_model(tiny_pipeline, compile_model=False)
    assert torch.equal(paint(model, REQUEST), paint(eager, REQUEST))
    assert compiled_rows == [2, 2], "guided: two rows a step"
    paint(model, GenerationRequest(REQUEST.prompt, 3, 2, size=(48, 32)))
    assert compiled_rows == [2, 2]


def test_warming_up_runs_every_batch_size_guided_and_not(tiny_pipeline: Path, compiled_rows: list[int]) -> None:
    model = make_model(tiny_pipeline, compile_model=True)
    model.warm_up(1)
    model.warm_up(4)
    assert set(compiled_rows) == {2, 1, 8, 4}


def test_rows_are_padded_to_a_number_that_is_compiled(tiny_pipeline: Path, compiled_rows: list[int]) -> None:
    """Beside a guided picture an unguided one needs one row only, yet three rows were never compiled."""
    model = make_model(tiny_pipeline, compile_model=True)
    guided = model.prepare(REQUEST)
    unguided = model.prepare(GenerationRequest(REQUEST.prompt, seed=4, steps=2, guidance=1.0))
    model.step([guided, unguided])
    assert compiled_rows == [4]


def test_where_compiling_fails_pictures_are_painted_uncompiled(
    tiny_pipeline: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def cannot_compile(network: Network, **_: Any) -> Network:
        def compiled(*arguments: Any, **named: Any) -> tuple[torch.Tensor]:
            raise RuntimeError("no C compiler")

        return compiled

    monkeypatch.setattr(torch, "compile", cannot_compile)
    model = make_model(tiny_pipeline, compile_model=True)
    model.warm_up(1)
    assert "painted uncompiled" in caplog.text
    expected = paint(make_model(tiny_pipeline, compile_model=False), REQUEST)
    assert torch.equal(paint(model, REQUEST), expected)
