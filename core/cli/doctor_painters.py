"""What the doctor finds of painters elsewhere: each that PAINTERS names is asked."""

import asyncio

import aiohttp

from core.findings import Finding, Mark
from core.fleet.remote import Refused, RemotePainter, Unreachable
from core.fleet.wire import PainterInfo
from core.settings import CoreSettings

LONGEST_S = 5.0


def painter(url: str, settings: CoreSettings) -> str | Finding:
    """One of them: whether it answers, with which model, how many places it has, and how much it has painted."""
    try:
        info = asyncio.run(_asked(url, settings))
    except Refused as error:
        return Finding(Mark.WRONG, str(error))
    except Unreachable as error:
        return Finding(
            Mark.WRONG, f"It does not paint now: {error}. See whether `imagine-sound paint-server` runs there."
        )
    says = f"{info.generator.model} {info.generator.revision}, {info.places} places, {_steps(info)} steps so far"
    if memory := info.figures.memory:
        says += f", {memory.used / 1e9:.1f} of {memory.total / 1e9:.1f} GB of the GPU's memory in use"
    if info.generator.is_miniature:
        return Finding(Mark.BETTER, f"{says}; `imagine-sound models pull` there fetches a real model.")
    return says


async def _asked(url: str, settings: CoreSettings) -> PainterInfo:
    async with aiohttp.ClientSession() as session:
        return await RemotePainter(url, session, settings.painter_secret, LONGEST_S).info()


def _steps(info: PainterInfo) -> str:
    return f"{sum(info.figures.steps.values()):,}"
