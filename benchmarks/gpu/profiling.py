"""Stage 8: where the time goes: the profiler's ten largest, the device's idle share, and all but the steps."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch._C._autograd import DeviceType  # which torch.autograd has, too, but does not export
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.bench import Bench, once, seconds, stepped, wait
from core.prompting.prompt import Prompt

LARGEST = 10
MOST_LETTERS = 80
PROFILED_STEPS = 5


def where_time_goes(bench: Bench) -> Iterator[tuple[str, Any]]:
    """Of steps at the largest batch; then decoding, prompts and previews, in milliseconds."""
    torch.set_float32_matmul_precision("high")
    pipeline, residence = bench.placed()
    engine = bench.engine(pipeline, residence, preview_every=1)
    size = engine.info().size
    batch = min(residence.max_batch, engine.step_limit(size))
    steps = PROFILED_STEPS + 2
    states = engine.step([engine.prepare(request) for request in bench.requests(batch, steps)])
    step_s = seconds(lambda: engine.step(states), repeats=bench.scale.repeats)
    yield f"step of {batch}, ms", 1000 * step_s

    activities = {ProfilerActivity.CPU, ProfilerActivity.CUDA} if bench.on_gpu else {ProfilerActivity.CPU}
    profiled = PROFILED_STEPS if bench.on_gpu else 1
    with profile(activities=activities) as profiler:
        going = states
        for _ in range(profiled):
            going = engine.step(going)
        wait()
    events = profiler.key_averages()
    if bench.on_gpu:
        on_device = [event for event in events if event.device_type == DeviceType.CUDA and not event.is_user_annotation]
        kernels = {event.key: event.self_device_time_total for event in on_device}
        # beside the time without the profiler, which slows down what starts the kernels
        yield "idle share of the GPU", 1 - sum(kernels.values()) / 1e6 / (profiled * step_s)
        yield "largest kernels, share", _largest(kernels)
        operations = [(event, event.self_device_time_total) for event in events if event.device_type == DeviceType.CPU]
    else:
        operations = [(event, event.self_cpu_time_total) for event in events]
    yield "largest operations, share", _largest({event.key: spent for event, spent in operations})

    few = stepped(engine, bench.requests(1, bench.scale.few_steps))
    whole = engine.decode_limit(size) > 0
    decoding = seconds(lambda: engine.decode(few, tiled=not whole), repeats=bench.scale.repeats)
    yield "decoding one, ms", 1000 * decoding
    going = engine.step([engine.prepare(request) for request in bench.requests(1, 2)])
    yield "preview, ms", 1000 * seconds(lambda: engine.progress(going[0]), repeats=bench.scale.repeats)
    new = [replace(bench.requests(1, 1)[0], prompt=Prompt(f"a dog, the {n}th", "text")) for n in range(2)]
    engine.prepare(new[0])
    yield "new prompt, ms", 1000 * once(lambda: engine.prepare(new[1]))
    yield "known prompt, ms", 1000 * once(lambda: engine.prepare(new[1]))


def _largest(spent: Mapping[str, float]) -> dict[str, float]:
    """The largest of `spent`, as shares of the whole."""
    whole = sum(spent.values())
    ordered = sorted(spent.items(), key=lambda pair: -pair[1])
    return {name[:MOST_LETTERS]: microseconds / whole for name, microseconds in ordered[:LARGEST]}
