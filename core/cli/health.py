"""`imagine-sound health`: asks the page that runs here whether it is well; for a container's health check."""

import argparse
import sys

import requests

from core.address import Address
from core.cli.common import load_settings
from core.errors import ExitCode
from core.web.serving import DEFAULT

LONGEST_S = 5.0


def run(options: argparse.Namespace) -> int:
    """0 if it is well, 1 if it is not or does not answer."""
    url = Address.of(load_settings().web_bind or DEFAULT).url
    try:
        answer = requests.get(f"{url}/healthz", timeout=LONGEST_S)
    except requests.RequestException as error:
        print(f"imagine-sound: {url} does not answer ({type(error).__name__}).", file=sys.stderr)
        return ExitCode.FAULT
    print(answer.text)
    return ExitCode.DONE if answer.ok else ExitCode.FAULT
