"""`imagine-sound-bot doctor`: token, intents and store, which only Discord needs, and all that core's doctor finds."""

import asyncio
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import aiohttp
import discord

from bot.discord_api.clock import DiscordClock
from bot.settings import BotSettings
from bot.storage.database import StoreUnusable
from bot.storage.maintenance import examine
from core.cli.doctor import checks as core_checks
from core.cli.doctor import show
from core.cli.doctor_machine import clock
from core.errors import ExitCode, WrongSetting
from core.findings import Check, Finding, Mark, all_found
from core.settings import CoreSettings

LOGGED_IN_WITHIN_S = 10.0
PORTAL = "https://discord.com/developers/applications"


@dataclass(frozen=True)
class LoggedIn:
    """Who the token belongs to, whether Discord lets them read messages, and how far this clock is ahead of its."""

    name: str
    reads_messages: bool
    ahead_s: float


def run(settings: BotSettings, core_settings: CoreSettings, *, as_json: bool) -> ExitCode:
    """Print what each check finds; says whether something is wrong."""
    return show(all_found(checks(settings, core_settings)), as_json=as_json)


def checks(settings: BotSettings, core_settings: CoreSettings) -> Iterator[tuple[str, Check]]:
    """Each check by name: Discord's own, then the core's."""
    attempt = functools.cache(lambda: _attempt(settings))
    yield "token", lambda: _token(attempt())
    yield "intents", lambda: _intents(settings, attempt())
    yield "store", lambda: _store(settings)
    for name, check in core_checks(core_settings):
        if name == "clock":
            yield name, lambda: clock(found.ahead_s if isinstance(found := attempt(), LoggedIn) else None)
        else:
            yield name, check


def _attempt(settings: BotSettings) -> LoggedIn | WrongSetting:
    try:
        return asyncio.run(log_in(settings))
    except WrongSetting as error:
        return error


def _token(attempt: LoggedIn | WrongSetting) -> str:
    if isinstance(attempt, WrongSetting):
        raise attempt
    return f"Discord knows it as {attempt.name}"


async def log_in(settings: BotSettings) -> LoggedIn:
    """Log in as the bot does, without its connection to the gateway. Raises WrongSetting."""
    if settings.discord_token is None:
        raise WrongSetting(f"there is none; make one at {PORTAL} and write it into .env as DISCORD_TOKEN.")
    clock_there = DiscordClock(lambda: datetime.now(UTC))
    client = discord.Client(intents=discord.Intents(guilds=True), max_messages=None, http_trace=clock_there.trace())
    try:
        async with asyncio.timeout(LOGGED_IN_WITHIN_S):
            await client.login(settings.discord_token.get_secret_value())
    except (discord.LoginFailure, ValueError) as error:  # such a thing cannot even be sent
        raise WrongSetting(f"Discord does not know it; make a new one at {PORTAL} and write it into .env.") from error
    except (aiohttp.ClientError, discord.HTTPException, OSError, TimeoutError) as error:
        why = f"HTTP {error.status}" if isinstance(error, discord.HTTPException) else type(error).__name__
        raise WrongSetting(
            f"Discord cannot be reached ({why}); check this computer's network and try again."
        ) from error
    finally:
        await client.close()
    assert client.application is not None  # known since login
    flags = client.application.flags
    reads_messages = flags.gateway_message_content or flags.gateway_message_content_limited
    ahead = datetime.now(UTC) - clock_there.now()
    return LoggedIn(str(client.user), reads_messages, ahead.total_seconds())


def _intents(settings: BotSettings, attempt: LoggedIn | WrongSetting) -> str | Finding:
    if not settings.message_content:
        return "without the message content intent, as MESSAGE_CONTENT=false says"
    if isinstance(attempt, WrongSetting):
        return Finding(Mark.BETTER, "are not known without a log-in; see what is said of the token.")
    if attempt.reads_messages:
        return "Discord lets the bot read messages"
    return Finding(
        Mark.BETTER,
        "Discord does not let the bot read messages, so that it takes up no recordings by itself; switch the Message "
        f"Content Intent on ({PORTAL}, Bot), or set MESSAGE_CONTENT=false.",
    )


def _store(settings: BotSettings) -> str | Finding:
    try:
        return examine(settings.database)
    except StoreUnusable as error:
        return Finding(Mark.WRONG, str(error))
