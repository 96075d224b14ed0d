"""`imagine-sound paint-server`: paints for bots and pages on other machines, until it is stopped."""

import argparse
import asyncio
import sys
import threading
from contextlib import suppress

from core.address import Address
from core.cli.common import load_settings
from core.ending import end_now, stop_signal
from core.errors import ExitCode
from core.fleet.alone import paint_for_others
from core.hearing.decoding.walls import hide_this_process


def run(options: argparse.Namespace) -> int:
    """Paint, and end the process: what a model's thread does may take for ever. Raises WrongSetting."""
    hide_this_process()  # the secrets in its environment are nobody else's business
    settings = load_settings()

    def opened(url: str) -> None:
        print(f"The painter is at {url}; PAINTERS={url} where the bot runs. Ctrl+C stops it.", flush=True)

    async def paint() -> ExitCode:
        stop = stop_signal()
        if options.with_parent:
            _end_with_input(stop)
        return await paint_for_others(settings, Address(options.host, options.port), stop, opened=opened)

    end_now(asyncio.run(paint()))


def _end_with_input(stop: asyncio.Event) -> None:
    """Whoever started this process holds the other end of its input, and lets go of it however it ends."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(OSError, ValueError):
            while sys.stdin.read(1024):
                pass
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=read, name="input", daemon=True).start()
