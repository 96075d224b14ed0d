"""The sampler equals the stock pipeline with EDMDPMSolverMultistepScheduler, whatever stands beside it in the batch."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor

from core.generation.defaults import Defaults
from core.generation.playground import ModelIdentity, PictureInProgress, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS, SpeedPreset
from core.generation.protocol import GenerationRequest
from core.generation.sampler import Member, NoiseSchedule, Row, advance, initial_latent, rows_of
from core.options import Speed
from core.prompting.prompt import Prompt

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def stock(tiny_pipeline: Path) -> StableDiffusionXLPipeline:
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _model(tiny_pipeline: Path, speed: SpeedPreset = PRESETS[Speed.EXACT]) -> PlaygroundModel:
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    return PlaygroundModel(
        pipeline,
        ModelIdentity("tiny", "1", False),
        PlaygroundOptions(
            defaults=Defaults(),
            speed=speed,
            adapters_dir=tiny_pipeline / "no-adapters",
            preview_every=5,
        ),
    )


@pytest.fixture(scope="module")
def model(tiny_pipeline: Path) -> PlaygroundModel:
    return _model(tiny_pipeline)


def _request(
    text: str, *, steps: int, guidance: float, negative: str = "", size: tuple[int, int] = (32, 32), seed: int = 0
) -> GenerationRequest:
    return GenerationRequest(Prompt(text, negative), seed, steps, guidance, size)


def _stock_latent(pipeline: StableDiffusionXLPipeline, request: GenerationRequest) -> Tensor:
    assert request.size is not None
    output = pipeline(
        request.prompt.text,
        negative_prompt=request.prompt.negative_text or None,
        num_inference_steps=request.steps,
        guidance_scale=float(request.guidance or 0),
        width=request.size[0],
        height=request.size[1],
        generator=torch.Generator().manual_seed(request.seed),
        output_type="latent",
    )
    latent: Tensor = output.images[0]
    return latent


def _finish(model: PlaygroundModel, state: PictureInProgress) -> PictureInProgress:
    while not model.is_finished(state):
        [state] = model.step([state])
    return state


@pytest.mark.parametrize("steps", [1, 2, 4, 12, 20, 50])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_alone_it_equals_the_stock_pipeline(
    steps: int, guidance: float, model: PlaygroundModel, stock: StableDiffusionXLPipeline
) -> None:
    request = _request("a dog", steps=steps, guidance=guidance)
    ours = _finish(model, model.prepare(request)).member.latent
    assert (ours - _stock_latent(stock, request)).abs().max() < TOLERANCE


@pytest.mark.parametrize("guidance", [1.5, 7.0, 10.0])
@pytest.mark.parametrize("negative", ["", "text, watermark"])
@pytest.mark.parametrize("size", [(48, 32), (32, 64)])
def test_guidance_negative_prompts_and_sizes_equal_the_stock_pipeline(
    guidance: float, negative: str, size: tuple[int, int], model: PlaygroundModel, stock: StableDiffusionXLPipeline
) -> None:
    request = _request("a bell", steps=6, guidance=guidance, negative=negative, size=size, seed=7)
    ours = _finish(model, model.prepare(request)).member.latent
    assert ours.shape[1:] == (size[1] // 2, size[0] // 2)
    assert (ours - _stock_latent(stock, request)).abs().max() < TOLERANCE


def test_members_that_join_mid_flight_equal_the_stock_pipeline(
    model: PlaygroundModel, stock: StableDiffusionXLPipeline
) -> None:
    """Four requests of different steps, guidance and prompts join at ticks 0, 1, 3 and 5."""
    joins = {
        0: _request("a dog", steps=12, guidance=3, seed=1),
        1: _request("a cat", steps=20, guidance=1, seed=2),
        3: _request("rain", steps=7, guidance=10, negative="sun", seed=3),
        5: _request("a very long train", steps=2, guidance=4.5, seed=4),
    }
    going: list[PictureInProgress] = []
    done: dict[int, PictureInProgress] = {}
    for tick in range(30):
        if tick in joins:
            going.append(model.prepare(joins[tick]))
        if going:
            going = model.step(going)
        done |= {state.recipe.seed: state for state in going if model.is_finished(state)}
        going = [state for state in going if not model.is_finished(state)]
    for request in joins.values():
        difference = (done[request.seed].member.latent - _stock_latent(stock, request)).abs().max()
        assert difference < TOLERANCE, request


def test_the_decoded_picture_equals_the_stock_pipeline_s(
    model: PlaygroundModel, stock: StableDiffusionXLPipeline
) -> None:
    request = _request("a dog", steps=4, guidance=3, seed=9)
    [ours] = model.decode([_finish(model, model.prepare(request))], tiled=False)
    theirs = stock(
        "a dog",
        num_inference_steps=4,
        guidance_scale=3.0,
        width=32,
        height=32,
        generator=torch.Generator().manual_seed(9),
    ).images[0]
    worst = np.abs(np.asarray(ours, np.int16) - np.asarray(theirs, np.int16)).max()
    assert worst <= 1


def test_the_same_request_gives_the_same_bytes(model: PlaygroundModel) -> None:
    request = _request("a dog", steps=5, guidance=3, seed=11)
    first, second = (model.decode([_finish(model, model.prepare(request))], tiled=False)[0].tobytes() for _ in range(2))
    assert first == second


def test_different_seeds_give_different_pictures(model: PlaygroundModel) -> None:
    latents = [
        _finish(model, model.prepare(_request("a dog", steps=4, guidance=3, seed=n))).member.latent for n in (1, 2)
    ]
    assert (latents[0] - latents[1]).abs().max() > 0.1


def test_noise_near_another_is_noise_and_nearer_to_it_than_its_own() -> None:
    shape, schedule = (4, 32, 32), NoiseSchedule()
    origin, own = (initial_latent(schedule, shape, seed) for seed in (1, 2))
    near = initial_latent(schedule, shape, 2, near=1)
    assert near.std() == pytest.approx(float(origin.std()), rel=0.05), "a mean of two noises is weaker"
    assert (near - origin).norm() < (near - own).norm() < (origin - own).norm()
    assert torch.equal(initial_latent(schedule, shape, 1, near=1), origin)


def test_picture_near_another_is_nearer_than_that_of_a_new_seed(model: PlaygroundModel) -> None:
    request = _request("a dog", steps=4, guidance=3, seed=1)
    other = replace(request, seed=2)
    first, near, new = (
        _finish(model, model.prepare(one)).member.latent for one in (request, replace(other, near=1), other)
    )
    assert (near - first).norm() < (new - first).norm()


def test_guidance_one_needs_no_second_evaluation() -> None:
    schedule = NoiseSchedule()
    member = Member(initial_latent(schedule, (4, 2, 2), 0), schedule.sigmas(4), guidance=1)
    guided = Member(member.latent, member.sigmas, guidance=3)
    assert rows_of([member, guided]) == [Row(0, True), Row(1, False), Row(1, True)]


def test_guidance_may_be_kept_to_an_interval(tiny_pipeline: Path) -> None:
    model = _model(tiny_pipeline, PRESETS[Speed.FAST])
    state = model.prepare(_request("a dog", steps=50, guidance=3))
    guided = 0
    while not model.is_finished(state):
        guided += state.member.is_guided
        [state] = model.step([state])
    assert guided == 14, "14 of 50 steps lie in (0.28, 5.42]"


def test_the_sampler_finds_the_data_of_a_perfect_network() -> None:
    """A network that knows the clean latent is led to it from any noise, in any number of steps."""
    schedule = NoiseSchedule()
    clean = torch.linspace(-1, 1, 16).view(1, 4, 4)
    for steps in (1, 3, 10):
        member = Member(initial_latent(schedule, (1, 4, 4), 5), schedule.sigmas(steps), guidance=1)

        def perfect(inputs: Tensor, noise: Tensor, rows: Sequence[Row]) -> Tensor:
            sigma = (4 * noise).exp()[:, None, None, None]
            variance = sigma**2 + 0.25
            latent = inputs * variance.sqrt()
            return (clean - 0.25 / variance * latent) / (sigma * 0.5 / variance.sqrt())

        while not member.finished:
            [member] = advance([member], perfect, schedule)
        assert torch.allclose(member.latent, clean, atol=1e-3)


def test_noise_levels_are_karras() -> None:
    sigmas = NoiseSchedule().sigmas(50)
    assert sigmas[0] == pytest.approx(80, rel=1e-5)
    assert sigmas[49] == pytest.approx(0.002, rel=1e-3)
    assert sigmas[50] == 0
    assert list(sigmas) == sorted(sigmas, reverse=True)
