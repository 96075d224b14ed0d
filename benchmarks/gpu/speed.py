"""Stages 4 to 6: seconds a picture, eager, compiled and with less work; beside the stock pipeline and the floor.

The floor is the networks' work over the rate at which the device multiplies matrices, measured in the same stage.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.gpu.bench import EXACT, Bench, clear, decibels, decoded, once, seconds, stepped, stock
from benchmarks.gpu.machine import matmul_rate
from core.errors import OutOfMemory
from core.generation.compiling import Part
from core.generation.loading import within_memory
from core.generation.placing import place
from core.generation.playground import PlaygroundModel
from core.generation.presets import ALWAYS, MIDDLE, PRESETS, SpeedPreset
from core.generation.protocol import GenerationRequest
from core.generation.residence import Storage
from core.generation.unet import Compilation
from core.options import Compiling, Speed

DOES_NOT_FIT = "does not fit"
FP8_SINCE = (8, 9)


def eager(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Stock, one by one and side by side, and this engine at every batch size."""
    torch.set_float32_matmul_precision("high")
    steps, batches = bench.scale.steps, bench.scale.batches
    pipeline = bench.whole()
    work, rate = _teraflop(pipeline, steps), matmul_rate(bench)
    floor = work / rate
    yield "work, TFLOP a picture", work
    yield "floor, s a picture", floor
    stocks: dict[int, float] = {}
    for batch in sorted({batches[0], min(4, batches[-1])}):
        requests = bench.requests(batch, steps)
        took = _seconds_each(lambda: stock(pipeline, requests), batch, bench)  # noqa: B023 - called at once
        if took is not None:
            stocks[batch] = took
        yield f"stock, {batch} at once, s a picture", took or DOES_NOT_FIT
    del pipeline
    clear()
    pipeline, residence = bench.placed()
    yield "plan", residence.says
    yield from _each_batch(bench, bench.engine(pipeline, residence), "ours", stocks.get(1), floor)


def compiled(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Time to the first picture; seconds for each part, with nothing cached; s a picture."""
    shutil.rmtree(_compiler_cache(bench), ignore_errors=True)
    yield from _compiled(bench)


def compiled_again(bench: Bench) -> Iterator[tuple[str, Any]]:
    """The same with what the stage before has left in the compiler's cache, as after a restart."""
    yield from _compiled(bench)


def compiled_whole(bench: Bench) -> Iterator[tuple[str, Any]]:
    """The network as a whole, with autotuning and nothing cached."""
    shutil.rmtree(_compiler_cache(bench), ignore_errors=True)
    yield from _compiled(bench, Compiling.WHOLE)


def _compiled(bench: Bench, how: Compiling = Compiling.AUTO) -> Iterator[tuple[str, Any]]:
    torch.set_float32_matmul_precision("high")
    started = time.perf_counter()
    # on a processor compiling takes minutes: there the parts are found and run, but are what they were
    make = None if bench.on_gpu else _as_it_is
    engine = bench.engine(*bench.placed(), compilation=Compilation(how, _compiler_cache(bench), make))
    yield "loaded, s", time.perf_counter() - started
    if not bench.on_gpu:
        yield "compiler", "left out: on a processor it takes minutes; what would be compiled runs eager"
    for number, batch in enumerate(bench.scale.compiled):
        requests = bench.requests(batch, bench.scale.steps)
        if not number:
            decoded(engine, stepped(engine, requests))
            yield "first picture after, s", time.perf_counter() - started
        yield f"compiled for {batch} at once, s", _compile_for(engine, bench, batch)
        took = _seconds_each(lambda: decoded(engine, stepped(engine, requests)), batch, bench)  # noqa: B023
        yield f"ours, compiled, {batch} at once, s a picture", took or DOES_NOT_FIT
    compiled = engine.compiled()
    yield "parts", {"compiled": compiled.compiled, "left as they are": compiled.as_it_is}


def _as_it_is(part: Part, *_: Any) -> Callable[..., Any]:
    """A Make that compiles nothing."""
    return lambda module, *args, **named: part.function(module, *args, **named)


def _compile_for(engine: PlaygroundModel, bench: Bench, batch: int) -> list[float]:
    """Seconds for each part that so many pictures at once need, and that was not compiled before."""
    stepped(engine, bench.requests(batch, 2))
    lasted: list[float] = []
    while True:
        began = time.perf_counter()
        if not engine.compile_next():
            return lasted
        lasted.append(time.perf_counter() - began)


def _compiler_cache(bench: Bench) -> Path:
    return bench.work / "compiled"


@dataclass(frozen=True)
class LessWork:
    """A way of doing less. `steps`: the share of the steps that are taken."""

    speed: SpeedPreset = EXACT
    stored: Storage = Storage.WHOLE
    steps: float = 1.0


WAYS = {
    "exact": LessWork(),
    "half the steps": LessWork(steps=0.5),
    "every 2nd step whole": LessWork(replace(EXACT, full_every=2)),
    "every 3rd step whole": LessWork(replace(EXACT, full_every=3)),
    "guidance in the middle": LessWork(replace(EXACT, guided_between=MIDDLE)),
    "SPEED=fast without FP8": LessWork(replace(PRESETS[Speed.FAST], fp8=False)),
    "FP8 linear layers": LessWork(SpeedPreset("fp8", 1, ALWAYS, True, "")),
    "UNet stored in FP8": LessWork(stored=Storage.FP8),
}


def less_work(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Seconds a picture, and dB of the same pictures to exact ones; eager."""
    torch.set_float32_matmul_precision("high")
    pipeline: StableDiffusionXLPipeline | None = None
    exact: list[Image.Image] = []
    requests = bench.requests(bench.scale.compared, bench.scale.compared_steps)
    for name, way in WAYS.items():
        if way.speed.fp8 and (why_not := _no_fp8(bench)):
            yield name, {"left out": why_not}
            continue
        changes_weights = way.speed.fp8 or way.stored is Storage.FP8
        if pipeline is None or changes_weights:
            pipeline = None
            clear()
            pipeline, residence = bench.placed(deep_cache=True)
        if way.stored is Storage.FP8:
            residence = replace(residence, unet=Storage.FP8)
            place(pipeline, bench.device, residence)
        engine = bench.engine(pipeline, residence, speed=way.speed)
        wanted = [replace(request, steps=round(way.steps * (request.steps or 0))) for request in requests]
        yield name, _compared(engine, wanted, exact)
        if changes_weights:
            pipeline = None


def _compared(engine: PlaygroundModel, requests: Sequence[GenerationRequest], exact: list[Image.Image]) -> Any:
    """Seconds and dB; the first way's pictures go into `exact`."""
    pictures: list[Image.Image] = []

    def paint() -> None:
        pictures[:] = decoded(engine, stepped(engine, requests))

    stepped(engine, [replace(request, steps=2) for request in requests])  # everything is warm
    took = once(paint)
    exact += [] if exact else pictures
    return {"s a picture": took / len(requests), "dB to exact": decibels(pictures, exact)}


def _no_fp8(bench: Bench) -> str:
    """Why there is no FP8 here; empty if there is."""
    if not bench.on_gpu or torch.cuda.get_device_capability() < FP8_SINCE:
        return "this device has no FP8"
    return "" if find_spec("torchao") else "torchao is not installed"


def _each_batch(
    bench: Bench, engine: PlaygroundModel, name: str, stock_s: float | None, floor: float
) -> Iterator[tuple[str, Any]]:
    for batch in bench.scale.batches:
        requests = bench.requests(batch, bench.scale.steps)
        took: float | None = None
        if batch <= engine.step_limit(engine.info().size):
            took = _seconds_each(lambda: decoded(engine, stepped(engine, requests)), batch, bench)  # noqa: B023
        figure = {"s a picture": took, "x floor": took / floor} if took else DOES_NOT_FIT
        if took and stock_s and isinstance(figure, dict):
            figure |= {"x stock's speed": stock_s / took}
        yield f"{name}, {batch} at once", figure


def _seconds_each(work: Any, batch: int, bench: Bench) -> float | None:
    """Seconds a picture; None where memory does not suffice."""
    try:
        return within_memory(lambda: seconds(work, repeats=bench.scale.repeats)) / batch
    except OutOfMemory:
        return None


def _teraflop(pipeline: StableDiffusionXLPipeline, steps: int) -> float:
    """Operations of one guided picture, counted on the real networks: the UNet twice a step, and one decoding."""
    unet, vae = pipeline.unet, pipeline.vae
    side = pipeline.default_sample_size
    like = {"device": unet.device, "dtype": unet.dtype}
    latent = torch.zeros(1, 4, side, side, **like)
    context = torch.zeros(1, 77, unet.config.cross_attention_dim, **like)
    pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    added = {"text_embeds": torch.zeros(1, pooled, **like), "time_ids": torch.zeros(1, 6, **like)}
    noise = torch.tensor([0.1], device=unet.device)
    with torch.inference_mode(), FlopCounterMode(display=False) as network:
        unet(latent, noise, encoder_hidden_states=context, added_cond_kwargs=added)
    with torch.inference_mode(), FlopCounterMode(display=False) as decoder:
        vae.decode(latent.to(vae.dtype))
    return float(2 * steps * network.get_total_flops() + decoder.get_total_flops()) / 1e12
