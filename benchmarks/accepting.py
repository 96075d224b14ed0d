"""How long a crowd waits to be written down: `python -m benchmarks.accepting`.

With a library in LD_PRELOAD that makes each fsync slow (`slow_sync` in tests/loopback/storage_rows.py), on a slow disk.

Prints the longest and the mean wait of 500 requests that come within ten seconds, as shares of those ten seconds.
"""

import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bot.storage.records import NewJob
from bot.storage.store import Store

COUNT, WITHIN_S = 500, 10.0


async def measure(directory: Path) -> list[float]:
    """The seconds that each request waited."""
    store = Store(directory / "store.sqlite3")
    await store.open()
    waits: list[float] = []

    async def ask(number: int) -> None:
        began = time.monotonic()
        new = NewJob(number, 10, 20, "en-US", "a.ogg", request_key=f"m:{number}")
        await store.accept(new, datetime.now(UTC), lambda usage: None)
        waits.append(time.monotonic() - began)

    async with asyncio.TaskGroup() as asking:
        for number in range(COUNT):
            asking.create_task(ask(number))
            await asyncio.sleep(WITHIN_S / COUNT)
    await store.close()
    return waits


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as directory:
        waits = asyncio.run(measure(Path(directory)))
    longest, mean = max(waits) / WITHIN_S, sum(waits) / len(waits) / WITHIN_S
    print(f"{COUNT} requests in {WITHIN_S:g} s: the longest wait is {longest:.1%} of that, the mean {mean:.1%}")


if __name__ == "__main__":
    main()
