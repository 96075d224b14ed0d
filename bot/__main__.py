"""`imagine-sound-bot`: starts the bot and stops it in order on SIGTERM and SIGINT, or when its painter is lost.

Without a token it serves the page alone.

Whoever started it is to start it again where it ends with RESTART; what had not been answered is answered then.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import aiohttp
import discord

from bot.client import ImagineBot
from bot.discord_api.library_log import tell_broken_connections_in_a_line
from bot.maintain import add_database_commands, maintain
from bot.parts import Current, Gateway, NoGateway, StorePart
from bot.restarts import Restarts
from bot.settings import BotSettings
from bot.storage.database import StoreUnusable
from bot.storage.lock import InstanceLock
from core.address import Address
from core.ending import LOOP_STALL_S, LoopWatch, end_now, end_within
from core.engine import Engine
from core.env_file import complaints
from core.errors import ExitCode, PainterLost, WrongSetting
from core.generation.adapter_header import bad_adapters
from core.hearing.decoding.walls import hide_this_process
from core.importing import silence_libraries, spare_from_collections
from core.log_lines import FULL, one_line, set_up_log
from core.loop_lag import LoopLag
from core.models import ModelStore
from core.reading_settings import read_together
from core.settings import CoreSettings
from core.speech.factory import said_at_start
from core.web.alone import serve_alone
from core.web.parts import Part
from core.web.serving import DEFAULT, Opened, serving

log = logging.getLogger("bot")

NO_TOKEN = """\
There is no Discord token, so there is the page alone. To add Discord:
1. Open https://discord.com/developers/applications, make an application, and under "Bot" choose "Reset Token".
2. Write DISCORD_TOKEN=<the token> into the file .env here, and start again. docs/discord.md shows every step."""

NO_CONTENT = """\
Discord does not let this bot read messages: it answers commands, the message menu, mentions and direct messages only.
To let it take up recordings by itself: https://discord.com/developers/applications, your application, "Bot",
"Message Content Intent" on; then start again. To have it this way without this text: MESSAGE_CONTENT=false in .env."""

BAD_TOKEN = "Discord does not know this token; make a new one (see docs/discord.md) and write it into .env."

UNREACHABLE = (
    "Discord cannot be reached ({error}); I try again in {pause} s. If it stays so, check this computer's network."
)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 60.0
"""Between two attempts to reach Discord at the start."""

LONGEST_CLOSING_S = 30.0
"""How long closing may take beside the pictures in the making. It takes a few seconds, unless Discord is away."""

LEAVING_S = 1.0
"""How long the event loop may take to end once everything is closed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal comes or the painter is lost, then end the process; returns what there is to mend before.

    It ends hard: what a driver or a thread that hangs does while the interpreter is taken down may take for ever.
    """
    chosen = _parser().parse_args(arguments)
    silence_libraries()
    hide_this_process()  # the tokens in its environment are nobody else's business
    for complaint in complaints():  # first, since what is missing may have been mistyped
        print(complaint, file=sys.stderr)
    try:
        settings, core_settings = read_together(BotSettings, CoreSettings)
    except WrongSetting as error:
        print(f"{error}\n.env.example describes every setting.", file=sys.stderr)
        return ExitCode.BAD_INPUT
    if chosen.command == "doctor":
        from bot import doctor  # which asks Discord, and loads what hears and paints

        return doctor.run(settings, core_settings, as_json=chosen.json)
    if chosen.command == "db":
        return maintain(settings, core_settings, chosen)
    secrets = (settings.discord_token, core_settings.hf_token, core_settings.web_token)
    set_up_log(core_settings.log_level, FULL, [secret.get_secret_value() for secret in secrets if secret is not None])
    tell_broken_connections_in_a_line()
    try:
        if settings.discord_token is None:
            print(NO_TOKEN, file=sys.stderr)
            end_now(asyncio.run(_serve_alone(core_settings)))
        end_now(asyncio.run(_run_watched(settings, core_settings)))
    except WrongSetting as error:
        print(f"imagine-sound: {error}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    except KeyboardInterrupt:  # where signals cannot be handled otherwise
        return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imagine-sound-bot", description="The Discord bot. Its settings come from the environment and .env."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    add_database_commands(commands)
    doctor = commands.add_parser("doctor", help="check this machine, the settings, the token and the store")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


async def _serve_alone(settings: CoreSettings) -> ExitCode:
    """The page without Discord, which it says is not there."""
    return await serve_alone(settings, Address.of(settings.web_bind or DEFAULT), [NoGateway()], opened=_tell_opened)


def _tell_opened(page: Opened) -> None:
    print(page.says, file=sys.stderr, flush=True)


async def _run_watched(settings: BotSettings, core_settings: CoreSettings) -> ExitCode:
    """As `run`, and the process ends even where the event loop stands or its threads do not end."""
    status = ExitCode.FAULT
    try:
        with LoopWatch(LOOP_STALL_S, before_end=Restarts(settings.data_dir).note), LoopLag() as lag:
            status = await run(settings, core_settings, lag)
    except StoreUnusable as error:
        print(error, file=sys.stderr)
        status = ExitCode.BAD_INPUT
    finally:
        end_within(LEAVING_S, status)
    return status


async def run(settings: BotSettings, core_settings: CoreSettings, lag: LoopLag | None = None) -> ExitCode:
    """Run the bot, and the page beside it where WEB_BIND says so; without the message content intent where Discord does
    not grant it. `lag` measures the event loop."""
    for name, why in bad_adapters(core_settings.adapters_dir).items():
        log.warning("the adapter %s in %s %s; whoever chooses it is told so", name, core_settings.adapters_dir, why)
    for sentence in said_at_start(core_settings, ModelStore(core_settings)):
        log.warning("%s", sentence)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # on Windows, where Ctrl+C is a KeyboardInterrupt that `main` handles
            loop.add_signal_handler(number, stop.set)
    current = Current()
    async with (
        InstanceLock(settings.data_dir),
        make_engine(core_settings) as engine,
        _page(engine, core_settings, current, lag),
    ):
        return await _connect(stop, settings, engine, current)


@asynccontextmanager
async def _page(engine: Engine, settings: CoreSettings, current: Current, lag: LoopLag | None) -> AsyncIterator[None]:
    """The page with the same engine, where there is to be one. It stays while Discord is away, and says so."""
    if settings.web_bind is None:
        yield
        return
    parts: list[Part] = [Gateway(current), StorePart(current)]
    async with serving(engine, settings, Address.of(settings.web_bind), parts, lag=lag) as page:
        _tell_opened(page)
        yield


async def _connect(stop: asyncio.Event, settings: BotSettings, engine: Engine, current: Current) -> ExitCode:
    """Run until `stop`; where Discord cannot be reached, try again until it can."""
    pause = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            current.bot = ImagineBot(settings, engine)
            await run_until(stop, current.bot)
            return ExitCode.DONE
        except PainterLost:
            return ExitCode.RESTART
        except discord.PrivilegedIntentsRequired:
            print(NO_CONTENT, file=sys.stderr)
            settings = settings.model_copy(update={"message_content": False})
            continue
        except discord.LoginFailure:
            print(BAD_TOKEN, file=sys.stderr)
            return ExitCode.BAD_INPUT
        except (aiohttp.ClientError, discord.GatewayNotFound, discord.HTTPException, OSError) as error:
            if isinstance(error, discord.HTTPException) and error.status < 500:
                raise
            log.debug("no connection", exc_info=error)
            print(UNREACHABLE.format(error=one_line(str(error)), pause=f"{pause:g}"), file=sys.stderr)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)
    return ExitCode.DONE


def make_engine(settings: CoreSettings) -> Engine:
    """The engine of a program that stays."""
    return Engine(settings, after_loading=spare_from_collections)


async def run_until(stop: asyncio.Event, bot: ImagineBot) -> None:
    """Run `bot` until `stop` is set, its connection ends or its painter is lost; each time it is closed in order.

    Raises PainterLost.
    """
    assert bot.services.settings.discord_token is not None
    async with bot:
        running = asyncio.create_task(bot.start(bot.services.settings.discord_token.get_secret_value()))
        stopping = asyncio.create_task(stop.wait())
        losing = asyncio.create_task(bot.services.engine.lost())
        try:
            await asyncio.wait({running, stopping, losing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            log.info("stopping")
            is_lost = losing.done()
            if is_lost:
                Restarts(bot.services.settings.data_dir).note()
            late = end_within(
                bot.services.settings.drain_seconds + LONGEST_CLOSING_S,
                ExitCode.RESTART if is_lost else ExitCode.FAULT,
            )
            stopping.cancel()
            losing.cancel()
            await bot.close()
            running.cancel()  # where it still waits for Discord; otherwise it has ended
            await asyncio.wait({running, stopping, losing})
            late.cancel()
    if is_lost:
        raise PainterLost
    if not running.cancelled():
        running.result()


if __name__ == "__main__":
    sys.exit(main())
