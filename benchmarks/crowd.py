"""How soon everybody in a crowd has a first answer, while pictures are painted: `python -m benchmarks.crowd DIR`.

Forty recordings from DIR, five seconds of each, are heard at once by one engine that paints them, too. Printed: how
long it takes until what was heard could be shown, how late the event loop comes round (and how much of that was waiting
for a processor, so that a busy machine is not taken for a standing loop), and what each stage costs.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from pathlib import Path

from core.engine import Engine
from core.events import Heard
from core.importing import spare_from_collections
from core.loop_lag import Lag, LoopLag
from core.options import ImagineOptions
from core.settings import CoreSettings

COUNT, SECONDS = 40, 5.0
LONGEST_S = 300.0
ENDINGS = frozenset({".wav", ".ogg", ".oga", ".mp3", ".flac", ".m4a", ".opus", ".webm"})
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Crowd:
    """What was measured, in seconds. `cpu_s`: by stage, of all recordings together."""

    first_words_s: tuple[float, ...]
    strips_s: tuple[float, ...]
    passes: tuple[int, ...]
    pictures: int
    lag: Lag
    cpu_s: dict[str, float]


async def measure(recordings: Sequence[Path], settings: CoreSettings, *, painting_s: float) -> Crowd:
    """Hear all of `recordings` at once, and go on painting until `painting_s` have passed."""
    options = ImagineOptions(max_seconds=SECONDS)
    async with Engine(settings, after_loading=spare_from_collections) as engine:
        await engine.info()
        await engine.hear(recordings[0], options)  # everything is loaded
        with LoopLag() as lag:
            before, began = _cpu_by_stage(), time.monotonic()
            first_words: list[float] = []
            passes: list[int] = []
            strips: list[float] = []
            all_heard = asyncio.Event()
            painted: list[float] = []

            async def imagine(path: Path, number: int) -> None:
                async with aclosing(engine.imagine(path, options, user=str(number))) as events:
                    async for event in events:
                        if isinstance(event, Heard):
                            first_words.append(time.monotonic() - began)
                            passes.append(event.summary.passes)
                            await engine.weave(event)
                            strips.append(time.monotonic() - began)
                            if len(strips) == len(recordings):
                                all_heard.set()
                painted.append(time.monotonic() - began)

            asked = [asyncio.create_task(imagine(path, number)) for number, path in enumerate(recordings)]
            heard = asyncio.create_task(all_heard.wait())
            async with asyncio.timeout(LONGEST_S):
                while not heard.done():
                    done, _ = await asyncio.wait({heard, *(task for task in asked if not task.done())},
                                                 return_when=asyncio.FIRST_COMPLETED)  # fmt: skip
                    for task in done:
                        task.result()  # what fails ends it
            after = _cpu_by_stage()
            await asyncio.wait(asked, timeout=painting_s)
            measured = lag.last_minute()
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        cpu = {stage: seconds - before.get(stage, 0.0) for stage, seconds in after.items()}
        return Crowd(tuple(sorted(first_words)), tuple(sorted(strips)), tuple(passes), len(painted), measured, cpu)


def _cpu_by_stage() -> dict[str, float]:
    """Seconds of processor time so far: by kind of thread, and of ffmpeg."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    spent: Counter[str] = Counter()
    for stat in Path("/proc/self/task").glob("*/stat"):
        fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        name = names.get(int(stat.parent.name), "libraries")
        spent[name.partition("_")[0].partition("-")[0]] += (int(fields[11]) + int(fields[12])) / TICKS
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {**spent, "ffmpeg": children.ru_utime + children.ru_stime}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--painting", type=float, default=10.0, metavar="S", help="seconds of painting afterwards")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    chosen = parser.parse_args(arguments)
    found = sorted(path for path in chosen.directory.rglob("*") if path.suffix.lower() in ENDINGS)
    if not found:
        parser.error(f"there are no recordings in {chosen.directory}")
    step = max(1, len(found) // chosen.count)
    recordings = (found[::step] * chosen.count)[: chosen.count]
    crowd = asyncio.run(measure(recordings, CoreSettings(), painting_s=chosen.painting))
    words, lag = crowd.first_words_s, crowd.lag
    print(f"{len(words)} recordings of {SECONDS:g} s at once on {os.cpu_count()} cores, {crowd.pictures} pictures")
    print(f"first words: median {statistics.median(words):.2f} s, last {words[-1]:.2f} s; looks: {set(crowd.passes)}")
    print(f"strips: median {statistics.median(crowd.strips_s):.2f} s, last {crowd.strips_s[-1]:.2f} s")
    print(
        f"event loop: 99 % of its turns under {1000 * lag.p99_s:.0f} ms, worst {1000 * lag.worst_s:.0f} ms "
        f"({1000 * lag.waited_s:.0f} ms of it for want of a processor), "
        f"largest collection {1000 * lag.largest_collection_s:.0f} ms"
    )
    for stage, seconds in sorted(crowd.cpu_s.items(), key=lambda pair: -pair[1]):
        if seconds >= 0.01:
            print(f"  {stage:12} {seconds:6.2f} s CPU")
    if chosen.json:
        chosen.json.write_text(json.dumps(asdict(crowd), indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
