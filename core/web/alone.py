"""The page as a process of its own: until a signal comes, or its painter is lost."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from core.address import Address
from core.ending import LOOP_STALL_S, LoopWatch, end_within, stop_signal, stopped_or_lost
from core.engine import Engine
from core.errors import ExitCode, ImagineSoundError
from core.importing import spare_from_collections
from core.loop_lag import LoopLag
from core.settings import CoreSettings
from core.web.parts import Part
from core.web.serving import Opened, serving

log = logging.getLogger(__name__)

LONGEST_CLOSING_S = 20.0


async def serve_alone(
    settings: CoreSettings, address: Address, parts: Sequence[Part] = (), *, opened: Callable[[Opened], None]
) -> ExitCode:
    """Serve until SIGTERM or SIGINT, or until the painter is lost: RESTART then. The models are loaded at once, since
    there is nothing else to do. `opened` is told when the page is there. Raises WrongSetting."""
    stop = stop_signal()
    late = None
    with LoopWatch(LOOP_STALL_S), LoopLag() as lag:
        try:
            async with (
                Engine(settings, after_loading=spare_from_collections) as engine,
                serving(engine, settings, address, parts, lag=lag) as page,
            ):
                opened(page)
                loading = asyncio.create_task(_load(engine))
                status = await stopped_or_lost(stop, engine.lost())
                late = end_within(LONGEST_CLOSING_S, status)
                loading.cancel()
                await asyncio.wait([loading])
        finally:
            if late is not None:
                late.cancel()
    return status


async def _load(engine: Engine) -> None:
    """Whoever comes first shall not wait for it."""
    try:
        await engine.ears()
        await engine.generator()
    except ImagineSoundError as error:
        log.warning("%s", error)
