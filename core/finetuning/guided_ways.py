"""Ways to paint for less than two evaluations a step, compared with two: how close each comes, and what it costs.

Painted by the product's own engine, so that seconds and pictures are those that people get.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from core.generation.playground import PictureInProgress, PlaygroundModel
from core.generation.protocol import GenerationRequest

TWO = "two evaluations"
"""The way that the others are held against."""
TIMED = 8
"""Pictures of each way that are timed, one by one and in turns, so that what else the machine does falls on all."""


@dataclass(frozen=True)
class Way:
    """Whether the adapter stands for guidance, and with which part of the steps and which guidance (None: as asked)."""

    has_adapter: bool = False
    step_share: float = 1.0
    guidance: float | None = None

    def begun(self, model: PlaygroundModel, request: GenerationRequest) -> PictureInProgress:
        """`request`, as it is painted in this way, before its first step."""
        steps = max(1, round((request.steps or 1) * self.step_share))
        guidance = request.guidance if self.guidance is None else self.guidance
        state = model.prepare(replace(request, steps=steps, guidance=guidance))
        return state if self.has_adapter else state.in_two_evaluations()


@dataclass(frozen=True)
class Closeness:
    """How close a way comes to two evaluations, over all pictures: dB from the mean square error of their pixels, and
    the mean square error of their final latents. `seconds`: of one picture, `share`: of two evaluations' seconds, the
    median of pairs."""

    decibels: float
    latent_error: float
    seconds: float
    share: float


@dataclass(frozen=True)
class PaintedWay:
    """Pictures [height, width, 3] and final latents, in the order of the requests."""

    pixels: tuple[NDArray[np.uint8], ...]
    latents: torch.Tensor


def painted(
    model: PlaygroundModel, way: Way, requests: Sequence[GenerationRequest], advance: Callable[[int], None]
) -> PaintedWay:
    """As many side by side as fit, those that may share a batch."""
    pixels: dict[int, NDArray[np.uint8]] = {}
    latents: dict[int, torch.Tensor] = {}
    states = [way.begun(model, request) for request in requests]
    groups: dict[object, list[int]] = {}
    for place, state in enumerate(states):
        groups.setdefault(model.group_of(state), []).append(place)
    for places in groups.values():
        at_once = model.step_limit(model.size_of(states[places[0]]))
        for start in range(0, len(places), at_once):
            part = places[start : start + at_once]
            ended = stepped(model, [states[place] for place in part])
            for place, state in zip(part, ended, strict=True):
                latents[place] = state.member.latent.float().cpu()
                pixels[place] = np.asarray(_decoded(model, state).convert("RGB"))
            advance(len(pixels))
    count = range(len(requests))
    return PaintedWay(tuple(pixels[place] for place in count), torch.stack([latents[place] for place in count]))


def compared(
    model: PlaygroundModel,
    ways: Mapping[str, Way],
    requests: Sequence[GenerationRequest],
    advance: Callable[[int], None],
) -> tuple[dict[str, Closeness], dict[str, PaintedWay]]:
    """Each of `ways` held against TWO, which is one of them; and what each painted. `advance` is told of pictures."""
    found: dict[str, PaintedWay] = {}
    for number, (name, way) in enumerate(ways.items()):
        found[name] = painted(model, way, requests, lambda done, number=number: advance(number * len(requests) + done))  # type: ignore[misc]
    seconds = _timed(model, ways, requests[:TIMED])
    return {
        name: Closeness(
            decibels(found[name].pixels, found[TWO].pixels),
            float((found[name].latents - found[TWO].latents).square().mean()),
            median(seconds[name]),
            median(mine / theirs for mine, theirs in zip(seconds[name], seconds[TWO], strict=True)),
        )
        for name in ways
        if name != TWO
    } | {TWO: Closeness(math.inf, 0.0, median(seconds[TWO]), 1.0)}, found


def decibels(ours: Sequence[NDArray[np.uint8]], theirs: Sequence[NDArray[np.uint8]]) -> float:
    """Peak signal to noise over all pictures together."""
    pairs = zip(ours, theirs, strict=True)
    error = float(np.mean([np.mean((mine.astype(np.float64) - other) ** 2) for mine, other in pairs]))
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def _timed(
    model: PlaygroundModel, ways: Mapping[str, Way], requests: Sequence[GenerationRequest]
) -> dict[str, list[float]]:
    """Seconds of each picture, from an encoded prompt to pixels."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for request in requests:
        for name, way in ways.items():
            state = way.begun(model, request)
            began = time.perf_counter()
            _decoded(model, stepped(model, [state])[0])
            seconds[name].append(time.perf_counter() - began)
    return seconds


def stepped(model: PlaygroundModel, states: list[PictureInProgress]) -> list[PictureInProgress]:
    """Pictures of equally many steps, to their ends."""
    while not model.is_finished(states[0]):
        states = model.step(states)
    return states


def _decoded(model: PlaygroundModel, state: PictureInProgress) -> Image.Image:
    return model.decode([state], tiled=model.decode_limit(model.size_of(state)) == 0)[0]
