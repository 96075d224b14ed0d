"""Stage 3: what steps, decoding and prompts take, beside what the plan counts on; and the plan on smaller cards.

A smaller card is simulated by allowing this process less of the one that is there. On a processor, whose memory nobody
limits, tensors are counted, and only the arrangements are gone through.
"""

import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch

from benchmarks.gpu.bench import Bench, clear, stepped
from core.errors import ModelUnusable, OutOfMemory
from core.generation.batcher import Batcher
from core.generation.placing import arranged, place, weights_of
from core.generation.plan_check import peak_on_gpu
from core.generation.playground import PictureInProgress
from core.generation.protocol import Failed, GenerationEvent, Painted
from core.generation.residence import Card, Residence, Wanted, everything, plan
from core.prompting.prompt import Prompt

LONGEST_S = 600.0
"""Longer than the stage itself may take."""


def memory(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Peaks and plans."""
    yield from _peaks(bench)
    clear()
    for name, card in bench.scale.cards:
        yield f"on a card: {name}", on_card(bench, card)
        clear()


def _peaks(bench: Bench) -> Iterator[tuple[str, Any]]:
    """GB beside the weights, measured and planned."""
    pipeline, residence = bench.placed()
    engine = bench.engine(pipeline, residence)
    pixels = engine.info().size[0] * engine.info().size[1]
    as_planned = everything(1)
    floats = pipeline.unet.dtype.itemsize // 2
    states = [engine.prepare(request) for request in bench.requests(bench.scale.batches[-1], bench.scale.few_steps)]
    for batch in bench.scale.batches:
        planned = floats * as_planned.step_bytes * batch * pixels
        yield f"step of {batch}, GB", _beside(bench, planned, lambda: engine.step(states[:batch]))  # noqa: B023
    finished = stepped(engine, bench.requests(min(4, bench.scale.batches[-1]), bench.scale.few_steps))
    for dtype in (torch.bfloat16, torch.float32):
        pipeline.vae.to(dtype)
        for batch in (size for size in bench.scale.batches if size <= len(finished)):
            planned = dtype.itemsize // 2 * as_planned.decoding_bytes * batch * pixels
            work = lambda: engine.decode(finished[:batch], tiled=False)  # noqa: B023, E731
            yield f"decoding {batch} in {str(dtype)[6:]}, GB", _beside(bench, planned, work)
        work = lambda: engine.decode(finished[:1], tiled=True)  # noqa: E731
        yield f"decoding in tiles in {str(dtype)[6:]}, GB", _beside(bench, None, work)
    new = replace(bench.requests(1, 1)[0], prompt=Prompt("a prompt that nobody has asked for", "nor this"))
    yield "encoding a prompt, GB", _beside(bench, None, lambda: engine.prepare(new))


def _beside(bench: Bench, planned: float | None, work: Callable[[], object]) -> dict[str, Any]:
    try:
        figure: dict[str, Any] = {"is": _peak_of(bench)(work) / 1e9}
    except OutOfMemory:
        return {"is": "more than there is"}
    return figure if planned is None else figure | {"planned": planned / 1e9}


def _peak_of(bench: Bench) -> Callable[[Callable[[], object]], int]:
    if bench.on_gpu:
        return peak_on_gpu
    return _counted


def _counted(work: Callable[[], object]) -> int:
    """What it takes on a processor: the tensors' bytes, while nothing is made of them that anybody would look at."""
    from tests.generation.meta_memory import peak_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return peak_of(work)


def on_card(bench: Bench, card: Card) -> dict[str, Any]:
    """So many pictures, asked for at once, on `card`: what was planned, and who was lost."""
    if bench.on_gpu:
        total = torch.cuda.get_device_properties(bench.device).total_memory
        if card.free > total:
            return {"left out": "this card is smaller"}
        torch.cuda.set_per_process_memory_fraction(card.free / total)
        torch.cuda.reset_peak_memory_stats()
    try:
        return _painted_on(bench, card)
    except ModelUnusable as error:
        return {"left out": str(error)}
    finally:
        if bench.on_gpu:
            clear()
            torch.cuda.set_per_process_memory_fraction(1.0)


def _painted_on(bench: Bench, card: Card) -> dict[str, Any]:
    pipeline = bench.read()
    side = pipeline.default_sample_size * pipeline.vae_scale_factor
    wanted = Wanted(bench.scale.batches[-1], (side, side))
    planned = arranged(pipeline, bench.device, wanted) if bench.on_gpu else plan(card, weights_of(pipeline), wanted)
    place(pipeline, bench.device, planned)
    batcher: Batcher[PictureInProgress] = Batcher(
        lambda: bench.engine(pipeline, planned), max_batch=planned.max_batch, max_waiting=bench.scale.on_a_card
    )
    started = time.perf_counter()
    painted, lost = _ask(batcher, bench)
    took = time.perf_counter() - started
    batcher.close()
    figure = {
        "plan": _plan(planned),
        "painted": painted,
        "lost": lost,
        "ok": not lost,
        "s a picture": took / max(1, painted),
    }
    if bench.on_gpu:
        figure |= {"peak, GB": torch.cuda.max_memory_allocated() / 1e9, "free of it, GB": card.free / 1e9}
    return figure


def _ask(batcher: Batcher[PictureInProgress], bench: Bench) -> tuple[int, list[str]]:
    """How many were painted, and why the others were not."""
    painted: list[int] = []
    lost: list[str] = []
    ended = threading.Semaphore(0)

    def listen(event: GenerationEvent) -> None:
        if isinstance(event, Painted):
            painted.append(1)
            ended.release()
        elif isinstance(event, Failed):
            lost.append(str(event.error))
            ended.release()

    requests = bench.requests(bench.scale.on_a_card, bench.scale.few_steps)
    for request in requests:
        batcher.submit(request, listen)
    for _ in requests:
        if not ended.acquire(timeout=LONGEST_S):
            raise TimeoutError("a picture neither came nor failed")
    return len(painted), lost


def _plan(residence: Residence) -> dict[str, Any]:
    return {
        "text encoders": residence.text_encoders.value,
        "UNet": residence.unet.value,
        "decoding": residence.decode.value,
        "at once": residence.max_batch,
    }
