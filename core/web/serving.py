"""The page at an address: bound, with a password where others could reach it, and told to whoever started it."""

import logging
import os
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from core.address import Address
from core.engine import Engine
from core.errors import WrongSetting
from core.loop_lag import LoopLag
from core.server_log import server_log
from core.settings import CoreSettings
from core.web.app import create_app
from core.web.parts import Part

log = logging.getLogger(__name__)

DEFAULT = "127.0.0.1:8080"
TOKEN_FILE = "web-token"
CLOSING_S = 5.0
"""How long connections may take to end."""


@dataclass(frozen=True)
class Opened:
    """The page is there. `link` opens it, with the password where that was made just now; `says` is for whoever
    started it."""

    link: str
    says: str


@asynccontextmanager
async def serving(
    engine: Engine, settings: CoreSettings, address: Address, parts: Sequence[Part] = (), *, lag: LoopLag | None = None
) -> AsyncIterator[Opened]:
    """The page at `address` until the end of the context. Raises WrongSetting where that cannot be."""
    token, is_new = settings.web_token, False
    if token is None and not address.is_of_this_machine_alone:
        token, is_new = _kept_token(settings.data_dir / TOKEN_FILE)
        settings = settings.model_copy(update={"web_token": token})
    app = create_app(engine, settings, parts, lag=lag)
    runner = web.AppRunner(
        app, access_log=None, handler_cancellation=True, shutdown_timeout=CLOSING_S, logger=server_log()
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, address.host, address.port).start()
        except OSError as error:
            raise WrongSetting(
                f"the page cannot listen on {address.host}:{address.port} ({error.strerror or error}); choose another "
                "with WEB_BIND or --port."
            ) from error
        yield _opened(address, settings, token, is_new=is_new)
    finally:
        await runner.cleanup()


def _opened(address: Address, settings: CoreSettings, token: SecretStr | None, *, is_new: bool) -> Opened:
    if token is None:
        return Opened(address.url, f"The page is at {address.url}, for this machine alone.")
    if is_new:
        link = f"{address.url}/log-in?token={token.get_secret_value()}"
        return Opened(
            link,
            f"The page is at {link}\nThis link holds its password, which is shown this once and kept in "
            f"{settings.data_dir / TOKEN_FILE}; WEB_TOKEN sets another.",
        )
    return Opened(address.url, f"The page is at {address.url}; it asks for the password.")


def _kept_token(path: Path) -> tuple[SecretStr, bool]:
    """The password that was made for this page, and whether that is just now. Raises WrongSetting."""
    try:
        kept = path.read_text(encoding="ascii").strip() if path.exists() else ""
        if kept:
            return SecretStr(kept), False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = secrets.token_urlsafe(16)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
            file.write(made + "\n")
        path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise WrongSetting(f"the page's password cannot be kept in {path} ({error}); set WEB_TOKEN.") from error
    return SecretStr(made), True
