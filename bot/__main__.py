"""`imagine-sound-bot`: starts the bot and stops it in order on SIGTERM and SIGINT, or when its painter is lost.

Whoever started it is to start it again where it ends with RESTART; what had not been answered is answered then.
"""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import discord
from pydantic import ValidationError

from bot.client import ImagineBot
from bot.discord_api.library_log import tell_broken_connections_in_a_line
from bot.ending import LoopWatch, end_now, end_within
from bot.loop_lag import LoopLag
from bot.settings import BotSettings
from bot.storage import maintenance
from bot.storage.database import StoreUnusable
from bot.storage.lock import InstanceLock
from core.engine import Engine, spare_from_collections
from core.errors import ExitCode, PainterLost, WrongSetting
from core.generation.adapter_header import bad_adapters
from core.hearing.decoding.walls import hide_this_process
from core.log_lines import FULL, one_line, set_up_log
from core.models import ModelStore
from core.settings import CoreSettings, read_settings
from core.speech.factory import said_at_start

log = logging.getLogger("bot")

NO_TOKEN = """\
There is no Discord token. To get one:
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

LOOP_STALL_S = 60.0
"""The event loop comes round many times a second; one that stands for so long never will."""

LEAVING_S = 1.0
"""How long the event loop may take to end once everything is closed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until a signal comes or the painter is lost, then end the process; returns what there is to mend before.

    It ends hard: what a driver or a thread that hangs does while the interpreter is taken down may take for ever.
    """
    chosen = _parser().parse_args(arguments)
    hide_this_process()  # the tokens in its environment are nobody else's business
    try:
        settings, core_settings = read_settings(BotSettings), read_settings(CoreSettings)
    except WrongSetting as error:
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    except ValidationError as error:
        for problem in error.errors():
            print(f"{'.'.join(map(str, problem['loc'])).upper()}: {problem['msg']}", file=sys.stderr)
        return ExitCode.BAD_INPUT
    if chosen.command == "db":
        return _maintain(settings.database, chosen)
    if settings.discord_token is None:
        print(NO_TOKEN, file=sys.stderr)
        return ExitCode.BAD_INPUT
    token, hub_token = settings.discord_token.get_secret_value(), core_settings.hub_token
    set_up_log(core_settings.log_level, FULL, filter(None, (token, hub_token)))
    tell_broken_connections_in_a_line()
    try:
        end_now(asyncio.run(_run_watched(settings, core_settings)))
    except KeyboardInterrupt:  # where signals cannot be handled otherwise
        return ExitCode.DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="imagine-sound-bot", description="The Discord bot. Its settings come from the environment and .env."
    )
    commands = parser.add_subparsers(dest="command", metavar="command")
    database = commands.add_parser("db", help="look after the bot's database, without starting the bot")
    what = database.add_subparsers(dest="what", required=True)
    what.add_parser("check", help="list what is still owed, and whether the file is sound")
    what.add_parser("upgrade", help="bring the file to this version, as the next start would")
    what.add_parser("backup", help="copy the file, also while the bot runs").add_argument("file", type=Path)
    return parser


def _maintain(database: Path, chosen: argparse.Namespace) -> ExitCode:
    """`imagine-sound-bot db ...`."""
    try:
        match chosen.what:
            case "upgrade":
                asyncio.run(maintenance.bring_up_to_date(database))
                print(f"{database} is up to date.")
            case "backup":
                maintenance.copy(database, chosen.file)
                print(f"{database} is copied to {chosen.file}.")
            case "check":
                owed = maintenance.look(database)
                print("\n".join(maintenance.describe(owed, datetime.now(UTC))))
                return ExitCode.FAULT if owed.damage else ExitCode.DONE
    except StoreUnusable as error:
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    return ExitCode.DONE


async def _run_watched(settings: BotSettings, core_settings: CoreSettings) -> ExitCode:
    """As `run`, and the process ends even where the event loop stands or its threads do not end."""
    status = ExitCode.FAULT
    try:
        with LoopWatch(LOOP_STALL_S), LoopLag():
            status = await run(settings, core_settings)
    except StoreUnusable as error:
        print(error, file=sys.stderr)
        status = ExitCode.BAD_INPUT
    finally:
        end_within(LEAVING_S, status)
    return status


async def run(settings: BotSettings, core_settings: CoreSettings) -> ExitCode:
    """Run the bot; without the message content intent where Discord does not grant it."""
    for name, why in bad_adapters(core_settings.adapters_dir).items():
        log.warning("the adapter %s in %s %s; whoever chooses it is told so", name, core_settings.adapters_dir, why)
    for sentence in said_at_start(core_settings, ModelStore(core_settings)):
        log.warning("%s", sentence)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # on Windows, where Ctrl+C is a KeyboardInterrupt that `main` handles
            loop.add_signal_handler(number, stop.set)
    async with InstanceLock(settings.data_dir):
        return await _connect(stop, settings, core_settings)


async def _connect(stop: asyncio.Event, settings: BotSettings, core_settings: CoreSettings) -> ExitCode:
    """Run until `stop`; where Discord cannot be reached, try again until it can."""
    pause = FIRST_PAUSE_S
    while not stop.is_set():
        try:
            await run_until(stop, ImagineBot(settings, make_engine(core_settings)))
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
