"""Stage 7: many who ask at once, and over time: how long each waits, and whether one who asks much delays the others.

Served by the product's batcher, where requests join and leave at every step; one by one; and in batches that are
gathered and painted to the end. The last two take whoever came first.
"""

import math
import queue
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import torch

from benchmarks.gpu.bench import Bench, clear, decoded, seconds, stepped
from core.generation.batcher import Batcher, portions
from core.generation.placing import MOST_ON_A_PROCESSOR
from core.generation.playground import PictureInProgress, PlaygroundModel
from core.generation.processor import give_way
from core.generation.protocol import Failed, GenerationEvent, GenerationRequest, Painted
from core.generation.residence import Residence

GREEDY = "asks for much"
GREEDY_SHARE = 0.25
"""One person asks for so much of all, before the others of the same moment."""
LOAD = 0.7
"""Arrivals over time, of what can be painted."""
LONGEST_S = 600.0
"""Longer than the stage itself may take."""


@dataclass(frozen=True)
class Arrival:
    """A request and when it comes, in seconds from the beginning."""

    due: float
    request: GenerationRequest


Serve = Callable[[Sequence[Arrival]], list[float]]
"""Serves arrivals, in the order of their time, and returns how many seconds each waited for the picture."""


def crowd(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Three ways of serving the same two crowds."""
    torch.set_float32_matmul_precision("high")
    pipeline, residence = bench.placed()
    residence = residence if bench.on_gpu else replace(residence, max_batch=MOST_ON_A_PROCESSOR)
    most = residence.max_batch
    engine = bench.engine(pipeline, residence)

    def side_by_side() -> None:
        decoded(engine, stepped(engine, bench.requests(most, bench.scale.crowd_steps)))

    each = in_painting_thread(bench, lambda: seconds(side_by_side, repeats=1)) / most
    yield "at once at most", most
    yield "s a picture, side by side", each
    yield "steps a picture", bench.scale.crowd_steps
    ways: dict[str, Serve] = {
        "this engine": lambda arrivals: by_step(bench, lambda: bench.engine(pipeline, residence), residence, arrivals),
        "batches to the end": lambda arrivals: in_painting_thread(bench, lambda: by_request(engine, arrivals, most)),
        "one by one": lambda arrivals: in_painting_thread(bench, lambda: by_request(engine, arrivals, 1)),
    }
    for name, arrivals in (("all at once", _at_once(bench)), ("over time", _over_time(bench, each / LOAD))):
        for way, serve in ways.items():
            yield f"{name}, {way}", _summary(arrivals, serve(arrivals))
            clear()


def _at_once(bench: Bench) -> list[Arrival]:
    requests = bench.requests(bench.scale.arrivals, bench.scale.crowd_steps)
    greedy = round(GREEDY_SHARE * len(requests))
    return [
        Arrival(0.0, replace(request, user=GREEDY if number < greedy else f"person {number}"))
        for number, request in enumerate(requests)
    ]


def _over_time(bench: Bench, gap: float) -> list[Arrival]:
    """Poisson arrivals, `gap` seconds apart on average."""
    draw, now = random.Random(0), 0.0
    arrivals = []
    for number, request in enumerate(bench.requests(bench.scale.arrivals, bench.scale.crowd_steps)):
        now += draw.expovariate(1 / gap)
        arrivals.append(Arrival(now, replace(request, user=f"person {number}")))
    return arrivals


def by_step(
    bench: Bench, make: Callable[[], PlaygroundModel], residence: Residence, arrivals: Sequence[Arrival]
) -> list[float]:
    """The product's batcher. Raises what a request failed with."""

    def load() -> PlaygroundModel:
        give_way(bench.device)
        return make()

    batcher: Batcher[PictureInProgress] = Batcher(load, max_batch=residence.max_batch, max_waiting=len(arrivals))
    ended: queue.Queue[tuple[int, GenerationEvent, float]] = queue.Queue()

    def ask(number: int, request: GenerationRequest) -> None:
        def listen(event: GenerationEvent) -> None:
            if isinstance(event, Painted | Failed):
                ended.put((number, event, time.perf_counter()))

        batcher.submit(request, listen)

    def next_end() -> tuple[int, float]:
        number, event, moment = ended.get(timeout=LONGEST_S)
        if isinstance(event, Failed):
            raise event.error
        return number, moment

    try:
        ask(-1, arrivals[0].request)  # one picture before the clock starts, so that nobody waits for what is cold
        next_end()
        started = time.perf_counter()
        due = [started + arrival.due for arrival in arrivals]

        def ask_all() -> None:
            for number, arrival in enumerate(arrivals):
                time.sleep(max(0.0, due[number] - time.perf_counter()))
                ask(number, arrival.request)

        asking = threading.Thread(target=ask_all, daemon=True)
        asking.start()
        ends = dict(next_end() for _ in arrivals)
        asking.join()
    finally:
        batcher.close()
    return [ends[number] - moment for number, moment in enumerate(due)]


def by_request(engine: PlaygroundModel, arrivals: Sequence[Arrival], most: int) -> list[float]:
    """Whoever waits, up to `most`, is painted to the end before the next are taken."""
    started = time.perf_counter()
    due = [started + arrival.due for arrival in arrivals]
    waits: list[float] = []
    sizes = [1 << power for power in range(most.bit_length())]
    while len(waits) < len(due):
        first = len(waits)
        time.sleep(max(0.0, due[first] - time.perf_counter()))
        now = time.perf_counter()
        ready = min(most, max(1, sum(moment <= now for moment in due[first:])))
        batch = next(portions(list(arrivals[first : first + ready]), sizes))
        decoded(engine, stepped(engine, [arrival.request for arrival in batch]))
        finished = time.perf_counter()
        waits += [finished - moment for moment in due[first : first + len(batch)]]
    return waits


def in_painting_thread(bench: Bench, work: Callable[[], Any]) -> Any:
    """What `work` returns, in a thread that is set up as the painting thread is: only the way of serving differs."""
    with ThreadPoolExecutor(1, initializer=give_way, initargs=(bench.device,)) as pool:
        return pool.submit(work).result()


def _summary(arrivals: Sequence[Arrival], waits: Sequence[float]) -> dict[str, float]:
    """Seconds waited. `others / greedy`: the median wait of those who asked once, beside that of who asked for much."""
    ordered = sorted(waits)
    whole = max(arrival.due + waited for arrival, waited in zip(arrivals, waits, strict=True))
    figures = {
        "median, s": statistics.median(ordered),
        "p99, s": ordered[math.ceil(0.99 * len(ordered)) - 1],
        "pictures a second": len(waits) / whole,
    }
    pairs = list(zip(arrivals, waits, strict=True))
    greedy = [waited for arrival, waited in pairs if arrival.request.user == GREEDY]
    if greedy:
        others = [waited for arrival, waited in pairs if arrival.request.user != GREEDY]
        figures["others / greedy"] = statistics.median(others) / statistics.median(greedy)
    return figures
