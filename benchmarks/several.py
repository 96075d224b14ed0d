"""What four pictures at once take beside one: `python -m benchmarks.several`, with the bundled miniature.

One and four are painted in turns, and the medians are compared. On a processor a step costs what its pictures cost,
since one picture keeps it busy; what a GPU makes of a batch is measured by `benchmarks.gpu`.
"""

import argparse
import asyncio
import statistics
import time

from core.engine import Engine
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

DOG = Prompt("a barking dog", "")


async def seconds(engine: Engine, count: int, seed: int) -> float:
    """How long so many pictures take, from being asked for to the last one."""
    began = time.monotonic()
    async for _ in engine.paint(DOG, ImagineOptions(seed=seed, count=count)):
        pass
    return time.monotonic() - began


async def main() -> None:
    """Measure in turns, so that whatever else the machine does falls on both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=10)
    turns = parser.parse_args().turns
    settings = CoreSettings(device="cpu", download_models=False)
    async with Engine(settings) as engine:
        await seconds(engine, 4, 0)  # everything is loaded and warm
        pairs = [(await seconds(engine, 1, turn), await seconds(engine, 4, turn)) for turn in range(turns)]
    one, four = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(four / one for one, four in pairs)
    print(f"one {one:.2f} s, four {four:.2f} s: {ratio:.2f} times as long")


if __name__ == "__main__":
    asyncio.run(main())
