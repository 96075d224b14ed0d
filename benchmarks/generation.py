"""How fast the painting engine is, against the stock diffusers pipeline, as ratios measured in one run.

    python -m benchmarks.generation                 # CUDA: the true Playground v2.5 architecture, random weights
    python -m benchmarks.generation --miniature     # anywhere, in about a minute: the bundled miniature

Part 1, throughput: the stock pipeline eager (what self-hosted bots use) and compiled, and this engine at batch sizes
1, 2, 4 and 8. Part 2, load: Poisson arrivals at 70 % of the engine's capacity, served by this engine (requests join at
every step), by request-level batching (a batch is gathered, painted to the end, then the next) and one at a time:
median and 99th percentile of the time from asking to the picture. The floor is the network's work over the matrix
multiplication rate measured in the same run. A table is printed, JSON goes to benchmarks/results/.
"""

import argparse
import json
import math
import platform
import random
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import (
    AutoencoderKL,
    EDMDPMSolverMultistepScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from rich.console import Console
from rich.table import Table
from torch.utils.flop_counter import FlopCounterMode

from core.generation.batcher import Batcher
from core.generation.factory import give_way
from core.generation.loading import Defaults, load_pipeline, quiet_libraries, read_defaults
from core.generation.placing import MOST_ON_A_PROCESSOR
from core.generation.playground import ModelIdentity, PictureInProgress, PlaygroundModel, PlaygroundOptions
from core.generation.presets import PRESETS
from core.generation.protocol import Failed, GenerationEvent, GenerationRequest, Painted
from core.models import ModelStore
from core.prompting.prompt import Prompt
from core.settings import CoreSettings, Speed

PROMPTS = ("a barking dog in a small room", "a train in the rain", "a singing bird", "a piano, in a sad mood")
Result = TypeVar("Result")
WARM = -1
RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Throughput:
    """One way of painting at one batch size."""

    name: str
    batch: int
    seconds_a_picture: float
    times_stock: float
    times_floor: float


@dataclass(frozen=True)
class Load:
    """One way of serving under Poisson arrivals; seconds from asking to the picture."""

    name: str
    arrivals_a_second: float
    pictures: int
    median_s: float
    p99_s: float
    pictures_a_second: float


@dataclass
class Report:
    """Everything that was measured."""

    device: str
    model: str
    size: tuple[int, int]
    steps: int
    teraflop_a_picture: float
    matmul_teraflops: float
    floor_s: float
    throughput: list[Throughput] = field(default_factory=list)
    load: list[Load] = field(default_factory=list)
    unloaded_s: float = 0.0
    peak_gigabytes: float | None = None
    torch: str = torch.__version__
    machine: str = platform.platform()


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--miniature", action="store_true", help="the bundled miniature instead of the true size")
    parser.add_argument("--steps", type=int, help="steps a picture (default: the model's own)")
    parser.add_argument("--pictures", type=int, default=None, help="pictures in each load run")
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled variants out")
    parser.add_argument("--seed", type=int, default=0, help="of the arrivals")
    options = parser.parse_args()
    report = measure(options)
    show(report)
    RESULTS.mkdir(exist_ok=True)
    where = "cuda" if torch.cuda.is_available() and not options.miniature else "miniature"
    path = RESULTS / f"generation-{where}.json"
    path.write_text(json.dumps(asdict(report), indent=2) + "\n")
    print(f"\n{path}")


def measure(options: argparse.Namespace) -> Report:
    """Both parts, in one process, on one loaded model."""
    quiet_libraries()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    pipeline, defaults = miniature(device) if options.miniature else true_architecture(device)
    pipeline.set_progress_bar_config(disable=True)
    steps = options.steps or defaults.steps
    side = pipeline.default_sample_size * pipeline.vae_scale_factor
    size = defaults.size or (side, side)
    # the stock pipeline first, before anything of ours has touched its networks
    stock_s = seconds(lambda: stock(pipeline, size, steps, 1), repeats=3)
    engine = make_model(pipeline, defaults, compile_model=False)
    work = teraflop(pipeline, size, steps)
    rate = matmul_rate(device)
    report = Report(
        device=torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads",
        model="playground-mini" if options.miniature else "Playground v2.5 architecture, random weights",
        size=size,
        steps=steps,
        teraflop_a_picture=work,
        matmul_teraflops=rate,
        floor_s=work / rate,
    )
    sizes = (1, 2, 4, 8)
    rows = [("stock pipeline, eager", 1, stock_s)]
    rows += [("this engine", n, seconds(lambda n=n: paint(engine, steps, n), repeats=3) / n) for n in sizes]
    if device.type == "cuda" and not options.no_compile:
        eager = pipeline.unet
        pipeline.unet = torch.compile(eager, mode="max-autotune-no-cudagraphs", dynamic=False)
        rows.append(("stock pipeline, compiled", 1, seconds(lambda: stock(pipeline, size, steps, 1), repeats=3)))
        pipeline.unet = eager
        engine = make_model(pipeline, defaults, compile_model=True)
        rows += [
            ("this engine, compiled", n, seconds(lambda n=n: paint(engine, steps, n), repeats=3) / n) for n in sizes
        ]
    report.throughput = [Throughput(name, n, each, stock_s / each, each / report.floor_s) for name, n, each in rows]
    report.unloaded_s = next(row.seconds_a_picture for row in report.throughput[::-1] if row.batch == 1)
    count = options.pictures or (24 if device.type == "cpu" else 100)
    report.load = under_load(engine, steps, count, options.seed, device)
    if device.type == "cuda":
        report.peak_gigabytes = torch.cuda.max_memory_allocated() / 1e9
    return report


def miniature(device: torch.device) -> tuple[StableDiffusionXLPipeline, Defaults]:
    """The bundled miniature."""
    located = ModelStore(CoreSettings(image_model="auto")).image_model(on_gpu=False)
    return load_pipeline(located, device, offline=True), read_defaults(located.source)


def true_architecture(device: torch.device) -> tuple[StableDiffusionXLPipeline, Defaults]:
    """Playground v2.5's networks as its published configuration has them, with random weights, in bfloat16.

    The text encoders, 0.03 % of the work, are left small; their outputs have the true shapes.
    """
    from benchmarks.architecture import PLAYGROUND_UNET, PLAYGROUND_VAE, text_encoders

    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    with torch.device(device):
        unet = UNet2DConditionModel(**PLAYGROUND_UNET).to(dtype)
        vae = AutoencoderKL(**PLAYGROUND_VAE).to(dtype)
    tokenizer, one, two = text_encoders()
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=one.to(device, dtype),
        text_encoder_2=two.to(device, dtype),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=EDMDPMSolverMultistepScheduler(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, rho=7.0),
        add_watermarker=False,
    )
    return pipeline, Defaults()


def make_model(pipeline: StableDiffusionXLPipeline, defaults: Defaults, *, compile_model: bool) -> PlaygroundModel:
    """This engine over `pipeline`."""
    return PlaygroundModel(
        pipeline,
        ModelIdentity("benchmark", "", is_miniature=False),
        PlaygroundOptions(
            defaults=defaults,
            speed=PRESETS[Speed.EXACT],
            adapters_dir=Path("no-adapters"),
            preview_every=0,
            compile_model=compile_model,
        ),
    )


def request(steps: int, seed: int) -> GenerationRequest:
    """One of a few prompts, so that the prompt cache is used as in life."""
    return GenerationRequest(Prompt(PROMPTS[seed % len(PROMPTS)], "text"), seed, steps, 3.0)


def stock(pipeline: StableDiffusionXLPipeline, size: tuple[int, int], steps: int, batch: int) -> None:
    """What self-hosted bots do."""
    pipeline(
        list(PROMPTS[:batch]),
        negative_prompt=["text"] * batch,
        num_inference_steps=steps,
        guidance_scale=3.0,
        width=size[0],
        height=size[1],
    )


def paint(engine: PlaygroundModel, steps: int, batch: int) -> None:
    """`batch` pictures side by side."""
    states: list[PictureInProgress] = [engine.prepare(request(steps, seed)) for seed in range(batch)]
    while not engine.is_finished(states[0]):
        states = engine.step(states)
    for start in range(0, batch, 4):
        engine.decode(states[start : start + 4])


def seconds(work: Callable[[], None], *, repeats: int) -> float:
    """The median of `repeats` runs after one to warm up, the device's work included."""
    times: list[float] = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def teraflop(pipeline: StableDiffusionXLPipeline, size: tuple[int, int], steps: int) -> float:
    """Operations of one guided picture, counted on the real networks: the UNet twice a step, and one decoding."""
    unet, vae = pipeline.unet, pipeline.vae
    scale = pipeline.vae_scale_factor
    latent = torch.zeros(1, 4, size[1] // scale, size[0] // scale, device=unet.device, dtype=unet.dtype)
    context = torch.zeros(1, 77, unet.config.cross_attention_dim, device=unet.device, dtype=unet.dtype)
    pooled_width = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    added = {
        "text_embeds": torch.zeros(1, pooled_width, device=unet.device, dtype=unet.dtype),
        "time_ids": torch.zeros(1, 6, device=unet.device, dtype=unet.dtype),
    }
    with FlopCounterMode(display=False) as network, torch.inference_mode():
        unet(latent, torch.tensor([0.1], device=unet.device), encoder_hidden_states=context, added_cond_kwargs=added)
    with FlopCounterMode(display=False) as decoder, torch.inference_mode():
        vae.decode(latent)
    return (2 * steps * network.get_total_flops() + decoder.get_total_flops()) / 1e12


def matmul_rate(device: torch.device) -> float:
    """TFLOP/s of a large matrix product: bfloat16 on CUDA, float32 on the CPU."""
    side, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (1536, torch.float32)
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: torch.mm(a, b), repeats=10) / 1e12


def under_load(engine: PlaygroundModel, steps: int, count: int, seed: int, device: torch.device) -> list[Load]:
    """Part 2: three ways of serving the same arrivals."""
    # all in a thread as the engine's own, with as many processors: only the way of serving differs
    most = most_at_once(device)
    capacity = most / in_painting_thread(lambda: seconds(lambda: paint(engine, steps, most), repeats=3), device)
    rate = 0.7 * capacity
    draw = random.Random(seed)
    gaps = [draw.expovariate(rate) for _ in range(count)]
    ways = (
        ("one at a time", lambda: in_painting_thread(lambda: serve_by_request(engine, steps, gaps, most=1), device)),
        (
            "batches painted to the end",
            lambda: in_painting_thread(lambda: serve_by_request(engine, steps, gaps, most=most), device),
        ),
        (
            "this engine, step by step",
            lambda: serve_by_step(engine, steps, gaps, device),
        ),  # the last: it closes the engine
    )
    return [_summary(name, rate, *serve()) for name, serve in ways]


def most_at_once(device: torch.device) -> int:
    """As many as the product begins with where memory is no matter."""
    return 8 if device.type == "cuda" else MOST_ON_A_PROCESSOR


def in_painting_thread(work: Callable[[], Result], device: torch.device) -> Result:
    """What `work` returns, run in a thread that is set up as the painting thread is."""
    with ThreadPoolExecutor(1, initializer=give_way, initargs=(device,)) as pool:
        return pool.submit(work).result()


def serve_by_step(
    engine: PlaygroundModel, steps: int, gaps: Sequence[float], device: torch.device
) -> tuple[list[float], float]:
    """The real batcher: requests join at the next step. Returns each one's seconds and the whole time.

    Closes `engine`, as the batcher does with its model.
    """

    def load() -> PlaygroundModel:
        give_way(device)
        return engine

    batcher: Batcher[PictureInProgress] = Batcher(load, max_batch=most_at_once(device), max_waiting=10_000)

    waits: list[float] = []
    all_done, warm = threading.Event(), threading.Event()
    failures: list[Exception] = []

    def ask(number: int) -> None:
        asked = time.perf_counter()

        def listen(event: GenerationEvent) -> None:
            if isinstance(event, Failed):
                failures.append(event.error)
                all_done.set()
            if isinstance(event, Painted):
                waits.append(time.perf_counter() - asked)
                if len(waits) == len(gaps) + 1:
                    all_done.set()
                if number == WARM:
                    warm.set()

        batcher.submit(request(steps, max(0, number)), listen)

    ask(WARM)  # one picture before the clock starts, so that nobody's wait includes warming up
    if not warm.wait(timeout=3600):
        raise TimeoutError("the engine was not warm within an hour")
    started = time.perf_counter()
    for number, gap in enumerate(gaps):
        time.sleep(gap)
        ask(number)
    if not all_done.wait(timeout=3600):
        raise TimeoutError("the load run did not finish within an hour")
    whole = time.perf_counter() - started
    batcher.close()
    if failures:
        raise failures[0]
    return waits[1:], whole


def serve_by_request(
    engine: PlaygroundModel, steps: int, gaps: Sequence[float], *, most: int
) -> tuple[list[float], float]:
    """Whoever waits, up to `most`, is painted to the end before the next are taken."""
    started = time.perf_counter()
    due = [started + sum(gaps[: n + 1]) for n in range(len(gaps))]
    waits: list[float] = []
    while len(waits) < len(due):
        first = len(waits)
        time.sleep(max(0.0, due[first] - time.perf_counter()))
        now = time.perf_counter()
        ready = min(most, sum(moment <= now for moment in due[first:]))
        batch = 2 ** math.floor(math.log2(max(1, ready)))
        paint(engine, steps, batch)
        finished = time.perf_counter()
        waits += [finished - moment for moment in due[first : first + batch]]
    return waits, time.perf_counter() - started


def _summary(name: str, rate: float, waits: Sequence[float], whole: float) -> Load:
    ordered = sorted(waits)
    p99 = ordered[min(len(ordered) - 1, math.ceil(0.99 * len(ordered)) - 1)]
    return Load(name, rate, len(waits), statistics.median(ordered), p99, len(waits) / whole)


def show(report: Report) -> None:
    """The tables."""
    console = Console()
    console.print(
        f"{report.model} on {report.device}: {report.size[0]}x{report.size[1]}, {report.steps} steps, guidance 3\n"
        f"{report.teraflop_a_picture:.3g} TFLOP a picture at {report.matmul_teraflops:.3g} TFLOP/s (measured): "
        f"floor {report.floor_s:.3g} s"
    )
    table = Table("way", "batch", "s a picture", "x stock", "x floor", title="Throughput")
    for row in report.throughput:
        table.add_row(
            row.name, str(row.batch), f"{row.seconds_a_picture:.3f}", f"{row.times_stock:.2f}", f"{row.times_floor:.2f}"
        )
    console.print(table)
    table = Table("way", "median s", "p99 s", "p99 / unloaded", "pictures/s", title="Load, 70 % of capacity")
    for load in report.load:
        table.add_row(
            load.name, f"{load.median_s:.2f}", f"{load.p99_s:.2f}", f"{load.p99_s / report.unloaded_s:.2f}",
            f"{load.pictures_a_second:.3f}",
        )  # fmt: skip
    console.print(table)


if __name__ == "__main__":
    main()
