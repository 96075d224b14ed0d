"""What a fleet of painters gains and costs: `python -m benchmarks.cluster`.

The painters sleep as a GPU would work, so that all of them may be on this machine: a step takes 0.2 s, whoever else is
painted, four pictures at once. Printed: pictures a second with 1, 2 and 4 painters as shares of one; how much later the
first event of a picture comes through a fleet than from the same painter in this process, median of a hundred; and the
processor time of a fleet of four that nobody asks anything for a minute; and what a picture costs the bot.
"""

import argparse
import io
import queue
import statistics
import time
from collections.abc import Sequence
from importlib import resources

import numpy as np
from PIL import Image

from core.fleet.binary import png, to_image
from core.fleet.fleet import Fleet
from core.generation.protocol import GenerationEvent, GenerationRequest, ImageGenerator, Painted, Painting, Picture
from core.pictures import encode_picture
from core.prompting.prompt import Prompt
from core.recipe import Recipe
from tests.fleet.served import Loop, serve
from tests.generation.scripted import ScriptedModel

STEP_S, STEPS, BATCH = 0.2, 20, 4
WAVES = 4
"""So many batches of each painter are timed."""


def asked(painter: ImageGenerator, seed: int, steps: int) -> "queue.Queue[GenerationEvent]":
    """The events of one picture."""
    events: queue.Queue[GenerationEvent] = queue.Queue()
    painter.submit(GenerationRequest(Prompt("a dog", ""), seed, steps), events.put)
    return events


def seconds_until(events: "queue.Queue[GenerationEvent]", kind: type) -> float:
    """From now until such an event."""
    began = time.perf_counter()
    while not isinstance(events.get(timeout=120), kind):
        pass
    return time.perf_counter() - began


def pictures_a_second(loop: Loop, painters: int) -> float:
    """With so many painters, from the end of the first wave on, while more wait than they can take."""
    services = [
        serve(loop, ScriptedModel(on_step=lambda: time.sleep(STEP_S), batch=BATCH), batch=BATCH)
        for _ in range(painters)
    ]
    fleet = Fleet([service.url for service in services], token=None, max_waiting=10_000)
    while any(painter.says for painter in fleet.painters()):
        time.sleep(0.05)
    wave = painters * BATCH
    painted: queue.Queue[float] = queue.Queue()

    def listen(event: GenerationEvent) -> None:
        if isinstance(event, Painted):
            painted.put(time.perf_counter())

    for seed in range(wave * (WAVES + 3)):
        fleet.submit(GenerationRequest(Prompt("a dog", ""), seed, STEPS), listen)
    ended = [painted.get(timeout=120) for _ in range(wave * (WAVES + 1))]
    seconds = ended[-1] - ended[wave - 1]
    fleet.close()
    for service in services:
        service.stop()
    return wave * WAVES / seconds


def added_latency_s(loop: Loop, repeats: int) -> float:
    """How much later the first step of a picture is told through a fleet than here."""
    service = serve(loop, ScriptedModel(), batch=BATCH)
    fleet = Fleet([service.url], token=None, max_waiting=100)
    here = service.make()
    pairs = [
        (seconds_until(asked(fleet, seed, 1), Painting), seconds_until(asked(here, seed, 1), Painting))
        for seed in range(repeats)
    ]
    here.close()
    fleet.close()
    service.stop()
    return statistics.median(there - near for there, near in pairs)


def idle_cost(loop: Loop, seconds: float) -> float:
    """The share of a processor that four painters and their fleet take while nobody asks."""
    services = [serve(loop, ScriptedModel(), batch=BATCH) for _ in range(4)]
    fleet = Fleet([service.url for service in services], token=None, max_waiting=100)
    before = time.process_time()
    time.sleep(seconds)
    cost = (time.process_time() - before) / seconds
    fleet.close()
    for service in services:
        service.stop()
    return cost


def costs_of_a_picture() -> tuple[float, float, float]:
    """Of one with 1024 pixels a side, with a camera's noise in it: megabytes on the wire, and the processor's seconds
    for reading it and for making a file of it."""
    data = resources.files("core.web").joinpath("static", "thunderstorm.webp").read_bytes()
    large = Image.open(io.BytesIO(data)).convert("RGB").resize((1024, 1024), Image.Resampling.LANCZOS)
    noisy = np.asarray(large) + np.random.default_rng(0).normal(0, 3, (1024, 1024, 3))
    image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    sent = png(image)
    began = time.process_time()
    to_image(sent)
    read = time.process_time()
    encode_picture(Picture(image, Recipe(Prompt("", ""), 0, 50, 3.0, image.size, "", "", None, ()), 1.0), 10_000_000)
    return len(sent) / 1e6, read - began, time.process_time() - read


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--idle-s", type=float, default=60.0)
    options = parser.parse_args(arguments)
    sent_mb, read_s, encode_s = costs_of_a_picture()
    print(f"a picture of 1024 pixels: {sent_mb:.1f} MB on the wire, {read_s:.2f} s to read, {encode_s:.2f} s to encode")
    loop = Loop()
    rates = {painters: pictures_a_second(loop, painters) for painters in (1, 2, 4)}
    for painters, rate in rates.items():
        print(f"{painters} painters: {rate:.2f} pictures a second, {rate / rates[1]:.2f} of one")
    print(f"first step, through a fleet over here: {1000 * added_latency_s(loop, 100):.1f} ms later")
    print(f"idle: {100 * idle_cost(loop, options.idle_s):.2f} % of a processor for four painters and their fleet")
    loop.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
