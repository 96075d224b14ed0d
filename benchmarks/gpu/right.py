"""Stage 2: whether what is painted is right, before anything is said of how fast."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.gpu.bench import Bench, check, clear, decibels, decoded, relative, stepped, stock
from core.generation.playground import PictureInProgress, PlaygroundModel
from core.generation.protocol import GenerationRequest
from core.generation.residence import everything
from core.generation.sampler import NoiseSchedule, initial_latent

SAME = 1e-4
"""How far float32 may be from the stock pipeline, of the latents' length."""
NOT_BLACK = 8
"""A picture whose brightest pixel is darker, of 255, is what comes of numbers that are none."""
HALVES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def right(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Float32 against the stock pipeline, batches and joins against alone, and what half the digits cost."""
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    pipeline = bench.whole(torch.float32)
    few = bench.requests(2, bench.scale.few_steps)
    theirs = stock(pipeline, few[:1], output_type="latent")[0]  # before anything of ours has touched its networks
    engine = bench.engine(pipeline, everything(4))
    yield "seeds as on a processor", _seeds(engine, few[0])
    [alone], [other] = stepped(engine, few[:1]), stepped(engine, few[1:])
    yield "float32 against stock", check(relative(alone.member.latent, theirs), at_most=SAME)
    together = stepped(engine, few)
    apart = max(relative(one.member.latent, it.member.latent) for one, it in zip(together, (alone, other), strict=True))
    yield "batch against alone", check(apart, at_most=SAME)
    yield "joining late against alone", check(_joining(engine, bench), at_most=SAME)

    compared = bench.requests(bench.scale.compared, bench.scale.compared_steps)
    states = [state for request in compared for state in stepped(engine, [request])]
    exact = decoded(engine, states)
    yield "float32 is finite and not black", _sound(states, exact)
    del engine, pipeline
    clear()
    for name, dtype in HALVES.items():
        yield from _in_half(bench, name, dtype, compared, exact)


def _in_half(
    bench: Bench, name: str, dtype: torch.dtype, requests: Sequence[GenerationRequest], exact: list[Image.Image]
) -> Iterator[tuple[str, Any]]:
    """Ours and stock's against `exact`; the same weights, which are stored in two bytes anyway."""
    pipeline = bench.whole(dtype)
    theirs = [image for request in requests for image in stock(pipeline, [request])]
    stocks = decibels(theirs, exact)
    yield f"{name}, stock, dB to float32", stocks
    if dtype is torch.float16:
        pipeline.vae.to(torch.float32)  # as the product loads it: SDXL's decoder overflows in float16
    engine = bench.engine(pipeline, everything(max(2, len(requests))))
    states = [state for request in requests for state in stepped(engine, [request])]
    ours = decoded(engine, states)
    yield f"{name}, ours, dB to float32", check(decibels(ours, exact), at_least=stocks if bench.model == "" else None)
    yield f"{name} is finite and not black", _sound(states, ours)
    together = stepped(engine, requests)
    apart = (relative(one.member.latent, it.member.latent) for one, it in zip(together, states, strict=True))
    yield f"{name}, batch against alone", max(apart)
    del engine, pipeline
    clear()


def _seeds(engine: PlaygroundModel, request: GenerationRequest) -> dict[str, Any]:
    latent = engine.prepare(request).member.latent.cpu()
    expected = initial_latent(NoiseSchedule(), (latent.shape[0], *latent.shape[1:]), request.seed)
    return check(float((latent - expected).abs().max()), at_most=0.0)


def _joining(engine: PlaygroundModel, bench: Bench) -> float:
    """Three of unlike steps and guidance, who join one after the other, against each alone."""
    steps = bench.scale.few_steps
    unlike = [(steps + 2, 3.0), (steps, 1.0), (steps + 1, 5.0)]
    requests = [
        replace(request, steps=steps, guidance=guidance)
        for request, (steps, guidance) in zip(bench.requests(3, 1), unlike, strict=True)
    ]
    alone = [stepped(engine, [request])[0].member.latent for request in requests]
    waiting, going = list(requests), list[PictureInProgress]()
    done: dict[int, Tensor] = {}
    while waiting or going:
        if waiting:
            going.append(engine.prepare(waiting.pop(0)))
        going = engine.step(going)
        done |= {state.recipe.seed: state.member.latent for state in going if engine.is_finished(state)}
        going = [state for state in going if not engine.is_finished(state)]
    return max(relative(done[request.seed], latent) for request, latent in zip(requests, alone, strict=True))


def _sound(states: Sequence[PictureInProgress], images: Sequence[Image.Image]) -> dict[str, Any]:
    """How bright the darkest picture's brightest pixel is; 0 where a latent is not finite."""
    is_finite = all(bool(torch.isfinite(state.member.latent).all()) for state in states)
    brightest = [int(np.asarray(image).max()) for image in images]
    return check(min(brightest) if is_finite else 0, at_least=NOT_BLACK)
