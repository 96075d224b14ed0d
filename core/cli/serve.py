"""`imagine-sound serve`: a page on which sounds are recorded and painted, until it is stopped."""

import argparse
import asyncio
import webbrowser
from dataclasses import replace

from core.address import Address
from core.cli.common import load_settings
from core.ending import end_now
from core.hearing.decoding.walls import hide_this_process
from core.web.alone import serve_alone
from core.web.serving import DEFAULT, Opened


def run(options: argparse.Namespace) -> int:
    """Serve, and end the process: what a model's thread does may take for ever. Raises WrongSetting."""
    hide_this_process()  # the secrets in its environment are nobody else's business
    settings = load_settings()
    address = Address.of(settings.web_bind or DEFAULT)
    address = replace(
        address,
        host=options.host if options.host is not None else address.host,
        port=options.port if options.port is not None else address.port,
    )

    def opened(page: Opened) -> None:
        print(page.says, "Ctrl+C stops it.", sep="\n", flush=True)
        if options.open:
            asyncio.get_running_loop().run_in_executor(None, webbrowser.open, page.link)

    end_now(asyncio.run(serve_alone(settings, address, opened=opened)))
