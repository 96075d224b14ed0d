"""A painter for others as a process of its own: until a signal comes, or it is lost."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from aiohttp import web

from core.address import Address
from core.ending import LOOP_STALL_S, LoopWatch, end_within, stopped_or_lost
from core.errors import ExitCode, WrongSetting
from core.fleet.service import create_service
from core.generation.protocol import ImageGenerator
from core.importing import spare_from_collections, without_collections
from core.models import ModelStore
from core.painter import Painter
from core.server_log import server_log
from core.settings import CoreSettings

log = logging.getLogger(__name__)

CLOSING_S = 5.0
LONGEST_CLOSING_S = 20.0


async def paint_for_others(
    settings: CoreSettings, address: Address, stop: asyncio.Event, *, opened: Callable[[str], None]
) -> ExitCode:
    """Serve the painter that the settings choose until `stop`, or until it is lost: RESTART then.

    `opened` is told the address once somebody listens there. Raises WrongSetting.
    """
    if settings.painters:
        raise WrongSetting("PAINTERS names other painters, and this is to be one; leave it empty here.")
    token = settings.painter_secret
    if token is None and not address.is_of_this_machine_alone:
        raise WrongSetting(
            "A painter that others reach needs PAINTER_TOKEN, a long secret of your choice, the same here and where "
            "PAINTERS names it."
        )
    painter = Painter(partial(_loaded, settings, ModelStore(settings, tell=lambda share: painter.tell(share))))
    runner = web.AppRunner(
        create_service(painter, token=token),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=CLOSING_S,
        logger=server_log(),
    )
    with LoopWatch(LOOP_STALL_S):
        await runner.setup()
        try:
            opened((await _listen(runner, address)).url)
            status = await stopped_or_lost(stop, painter.lost())
            late = end_within(LONGEST_CLOSING_S, status)
        finally:
            await runner.cleanup()
            await painter.close()
        late.cancel()
    return status


async def _listen(runner: web.AppRunner, address: Address) -> Address:
    """Where it listens, with the port that was found for 0."""
    try:
        await web.TCPSite(runner, address.host, address.port).start()
    except OSError as error:
        raise WrongSetting(
            f"the painter cannot listen on {address.host}:{address.port} ({error.strerror or error}); choose another "
            "with --host and --port."
        ) from error
    return replace(address, port=runner.addresses[0][1])


def _loaded(settings: CoreSettings, models: ModelStore) -> ImageGenerator:
    with without_collections():
        from core.generation.factory import make_generator  # torch and diffusers load here, not before
    made = make_generator(settings, models)
    spare_from_collections()
    return made
