"""Starts the real bot against the stand-in: `python -m tests.loopback.launch --api http://127.0.0.1:PORT`.

Only the addresses in discord.py point elsewhere, and the engine gets a painter that is quick and the same each time; it
is taken to hang after STALL_S seconds.
`--clock FILE` adds the seconds that stand in FILE to the bot's clock. The process is otherwise what
`imagine-sound-bot` is.
"""

import argparse
import os
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import discord
import yarl
from discord import asset, gateway, http

from bot import __main__ as program
from bot.discord_api import files
from core.engine import Engine
from core.generation.batcher import Batcher
from core.generation.watch import STALL_SECONDS, Patience
from core.importing import spare_from_collections
from core.settings import CoreSettings
from tests.generation.scripted import skipping_clock
from tests.loopback.painter import ScriptedModel, State


def main() -> int:
    """As `bot.__main__.main`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", required=True)
    parser.add_argument("--painter", choices=("scripted", "miniature"), default="scripted")
    parser.add_argument("--clock", type=Path)
    arguments = parser.parse_args()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    http.Route.BASE = f"{arguments.api}/api/v10"
    asset.Asset.BASE = arguments.api
    files.ORIGINS = frozenset({yarl.URL(arguments.api)})
    gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(arguments.api.replace("http", "ws"))
    if arguments.clock is not None:
        _set_clock(arguments.clock)
    if arguments.painter == "scripted":
        program.make_engine = _make_engine
    return program.main([])


def _make_engine(settings: CoreSettings) -> Engine:
    """Painted by whom PAINTERS names, if it names anybody."""
    if settings.painters:
        return Engine(settings, after_loading=spare_from_collections)

    def make(settings: CoreSettings, _: object) -> Batcher[State]:
        return Batcher(
            ScriptedModel,
            max_batch=settings.max_batch,
            max_waiting=settings.max_waiting,
            patience=Patience(stall_s=float(os.environ.get("STALL_S", STALL_SECONDS))),
            clock=skipping_clock(),
        )

    return Engine(settings, make_generator=make, after_loading=spare_from_collections)


def _end_with_parent(parent: int) -> None:
    """When the bench is killed, its bots shall not go on for ever."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _set_clock(offset: Path) -> None:
    """Let the wall clock differ by what stands in the file; it is read each time, so that it can step."""
    true_time, true_utcnow = time.time, discord.utils.utcnow

    def seconds() -> float:
        return float(offset.read_text())

    time.time = lambda: true_time() + seconds()
    discord.utils.utcnow = lambda: true_utcnow() + timedelta(seconds=seconds())


if __name__ == "__main__":
    sys.exit(main())
