"""The bot's program with something that hangs: `python -m tests.bot.hanging painter`. Only Discord is a stand-in."""

import asyncio
import re
import sys
import time
from collections.abc import Awaitable, Callable
from unittest.mock import patch

from bot import __main__ as program
from bot.client import ImagineBot
from core.engine import Engine
from core.errors import PainterLost
from core.generation.batcher import Batcher
from core.generation.watch import Patience
from core.prompting.prompt import Prompt
from core.settings import CoreSettings
from tests.generation.scripted import ScriptedModel, State

FOR_EVER_S = 10_000


async def painter(bot: ImagineBot) -> None:
    """A step hangs, and so does a thread that the event loop and the interpreter wait for at their ends."""
    asyncio.get_running_loop().run_in_executor(None, time.sleep, FOR_EVER_S)
    try:
        async for _ in bot.services.engine.paint(Prompt("hangs", "")):
            pass
    except PainterLost:
        print("told", flush=True)


async def loop(_: ImagineBot) -> None:
    """Somebody waits on the event loop."""
    time.sleep(FOR_EVER_S)  # noqa: ASYNC251 - that is the fault


async def lock(_: ImagineBot) -> None:
    """Somebody holds the interpreter's lock."""
    re.match(r"(a+)+$", "a" * 64 + "b")


async def thread(_: ImagineBot) -> None:
    """Only a thread hangs that the event loop and the interpreter wait for."""
    asyncio.get_running_loop().run_in_executor(None, time.sleep, FOR_EVER_S)
    print("connected", flush=True)


HANGS: dict[str, Callable[[ImagineBot], Awaitable[None]]] = {
    each.__name__: each for each in (painter, loop, lock, thread)
}


def make_engine(settings: CoreSettings) -> Engine:
    """The real engine and batcher around a model whose steps hang on demand."""

    def make(*_: object) -> Batcher[State]:
        return Batcher(ScriptedModel, max_batch=1, max_waiting=10, patience=Patience(stall_s=0.5))

    return Engine(settings, make_generator=make)


def main(what: str) -> int:
    """As `bot.__main__.main`."""

    async def start(bot: ImagineBot, token: str, *, reconnect: bool = True) -> None:
        hanging = asyncio.ensure_future(HANGS[what](bot))
        await asyncio.Event().wait()
        await hanging

    program.make_engine = make_engine
    program.LOOP_STALL_S = 2.0  # type: ignore[attr-defined]  # where the bot looks it up
    with patch.object(ImagineBot, "start", new=start):
        return program.main([])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
