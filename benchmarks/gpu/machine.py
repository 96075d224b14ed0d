"""Stages 0 and 1: what the machine is and can do at best, and the model from its directory to the device."""

import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.nn.attention import sdpa_kernel

from benchmarks.gpu.bench import RANDOM, Bench, check, once, seconds, stepped, wait
from benchmarks.gpu.directory import SMALL_SHAPES, build
from core.generation.loading import best_dtype, device_name, read_pipeline
from core.generation.placing import weights_of
from core.generation.residence import PLAYGROUND_WEIGHTS, Residence
from core.generation.unet import FASTEST_ATTENTION
from core.located import LocatedModel, Origin

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "torchao", "triton")
RATE_REPEATS = 10


def machine(bench: Bench) -> Iterator[tuple[str, Any]]:
    """The device, its memory, versions, and how fast it multiplies, convolves and attends at the UNet's shapes."""
    yield "device", device_name(bench.device)
    yield "processor cores", os.cpu_count()
    yield "system", platform.platform()
    yield "versions", {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}}
    if bench.on_gpu:
        free, total = torch.cuda.mem_get_info()
        yield "memory, GB", {"free": free / 1e9, "total": total / 1e9}
        yield "compute capability", ".".join(map(str, torch.cuda.get_device_capability()))
        yield "CUDA and driver", [torch.version.cuda, _driver()]
    yield "dtype", str(best_dtype(bench.device))
    yield "matmul, TFLOP/s", matmul_rate(bench)
    yield "convolution, TFLOP/s", _convolution_rate(bench)
    yield "attention, TFLOP/s", _attention_rate(bench)


def load(bench: Bench) -> Iterator[tuple[str, Any]]:
    """The directory, built where it is random, read and placed by the product's loader; and one step."""
    if bench.model == RANDOM:
        yield "directory built, s", once(bench.build)
    elif not bench.model:
        yield from _small_directory(bench)
    files = [path for path in bench.directory.rglob("*.safetensors") if path.is_file()]
    yield "weight files, GB", {path.parent.name: path.stat().st_size / 1e9 for path in files}
    started = time.perf_counter()
    pipeline, residence = bench.placed()
    wait()
    yield "read and placed, s", time.perf_counter() - started
    yield "plan", residence.says
    yield "weights, GB, counted and planned", _weights(pipeline, residence)
    started = time.perf_counter()
    engine = bench.engine(pipeline, residence)
    yield "engine made, s", time.perf_counter() - started
    yield "one picture of few steps, s", once(lambda: stepped(engine, bench.requests(1, bench.scale.few_steps)))
    yield "peak of main memory, GB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    if bench.on_gpu:
        yield "peak of the GPU's memory, GB", torch.cuda.max_memory_allocated() / 1e9


def matmul_rate(bench: Bench) -> float:
    """TFLOP/s of a large matrix product in the floats that the device is best at."""
    side = 8192 if bench.on_gpu else 512
    one, other = (_random(bench, side, side) for _ in range(2))
    return 2 * side**3 / seconds(lambda: torch.mm(one, other), repeats=RATE_REPEATS) / 1e12


def _convolution_rate(bench: Bench) -> dict[str, float]:
    """TFLOP/s of 3 x 3 convolutions at the three levels of SDXL's UNet, for eight rows."""
    levels = ((320, 128), (640, 64), (1280, 32)) if bench.on_gpu else ((32, 32),)
    rates: dict[str, float] = {}
    for channels, side in levels:
        rows = _random(bench, 8, channels, side, side).to(memory_format=torch.channels_last)
        kernel = _random(bench, channels, channels, 3, 3).to(memory_format=torch.channels_last)
        took = seconds(lambda: torch.conv2d(rows, kernel, padding=1), repeats=RATE_REPEATS)  # noqa: B023 - called at once
        rates[f"{channels} channels, {side} x {side}"] = 2 * 8 * 9 * channels**2 * side**2 / took / 1e12
    return rates


def _attention_rate(bench: Bench) -> dict[str, float]:
    """TFLOP/s of self-attention at two levels of SDXL's UNet, for eight rows, with the product's choice of kernels."""
    levels = ((10, 4096), (20, 1024)) if bench.on_gpu else ((4, 256),)
    rates: dict[str, float] = {}
    for heads, tokens in levels:
        query, key, value = (_random(bench, 8, heads, tokens, 64) for _ in range(3))
        with sdpa_kernel(FASTEST_ATTENTION, set_priority=True):
            took = seconds(
                lambda: torch.nn.functional.scaled_dot_product_attention(query, key, value),  # noqa: B023
                repeats=RATE_REPEATS,
            )
        rates[f"{heads} heads, {tokens} tokens"] = 4 * 8 * heads * tokens**2 * 64 / took / 1e12
    return rates


def _small_directory(bench: Bench) -> Iterator[tuple[str, Any]]:
    """What the true size goes through, on a few hundred kilobytes."""
    with TemporaryDirectory(dir=bench.work) as work:
        directory = Path(work) / "small"
        yield "small directory built, s", once(lambda: build(directory, SMALL_SHAPES, bench.device))
        located = LocatedModel("small", str(directory), Origin.SETTING, "")
        pipeline = read_pipeline(located, bench.device, offline=True)
        drawn = pipeline.unet.conv_in.weight.detach().float()
        yield "small directory read, deviation of its weights", check(float(drawn.std()), at_least=1e-3)


def _weights(pipeline: Any, residence: Residence) -> dict[str, Any]:
    counted = weights_of(pipeline)
    planned = PLAYGROUND_WEIGHTS
    return {
        "UNet": [counted.unet / 1e9, planned.unet / 1e9],
        "text encoders": [counted.text_encoders / 1e9, planned.text_encoders / 1e9],
        "autoencoder": [counted.autoencoder / 1e9, planned.autoencoder / 1e9],
        "UNet is stored as": residence.unet.value,
    }


def _random(bench: Bench, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, device=bench.device, dtype=best_dtype(bench.device))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _driver() -> str | None:
    """What nvidia-smi says; None where there is none."""
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
