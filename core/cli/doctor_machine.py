"""`imagine-sound doctor` on the machine: disk, hub, clock, and the port of the page."""

import errno
import http.client
import os
import socket
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from core.errors import ImagineSoundError, WrongSetting
from core.fetching import free_bytes
from core.findings import Finding, Mark
from core.hub import hub_cache
from core.official import PLAYGROUND_MODEL
from core.settings import CoreSettings

LITTLE_BYTES = 1_000_000_000
ANSWERS_WITHIN_S = 3.0
OFF_BY_S = 60.0
"""A clock is good enough for everything here until then; answers tell the time to a second."""


def models_disk(settings: CoreSettings) -> str | Finding:
    """What is free where models are kept."""
    places = dict.fromkeys((settings.model_cache, hub_cache()))
    free = ", ".join(f"{free_bytes(place) / 1e9:.0f} GB free in {place}" for place in places)
    for place, name in zip((settings.model_cache, hub_cache()), ("MODEL_CACHE", "HF_HOME"), strict=True):
        if free_bytes(place) < LITTLE_BYTES:
            return Finding(
                Mark.BETTER,
                f"less than 1 GB is free in {place}, so that no large model can be fetched; make room, or set {name} "
                "to another place.",
            )
    return f"{free} (Playground v2.5 needs {PLAYGROUND_MODEL.about_bytes / 1e9:.1f} GB in the last)"


def data_disk(directory: Path) -> str:
    """Whether something can be kept in DATA_DIR. Raises WrongSetting."""
    there = next(parent for parent in (directory, *directory.absolute().parents) if parent.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise WrongSetting(f"{directory} cannot be written; set DATA_DIR to a directory that this user may write to.")
    free = free_bytes(directory)
    if free < LITTLE_BYTES:
        raise WrongSetting(f"less than 1 GB is free in {directory}; make room, or set DATA_DIR to another place.")
    return f"{free / 1e9:.0f} GB free in {directory}"


@dataclass(frozen=True)
class Answer:
    """How the hub answered: in how many seconds, and how far this computer's clock is ahead of its; or `why` not."""

    why: str | None
    seconds: float = 0.0
    ahead_s: float | None = None


def ask(address: str) -> Answer:
    """Ask the server at `address` for nothing. It tells the time with any answer."""
    import requests

    began = time.time()
    try:
        answered = requests.head(address, timeout=ANSWERS_WITHIN_S, allow_redirects=False)
    except requests.RequestException as error:
        return Answer(type(error).__name__)
    if answered.status_code >= 500:
        return Answer(f"HTTP {answered.status_code}")
    try:
        there = parsedate_to_datetime(answered.headers.get("Date", "")).timestamp()
    except ValueError:
        return Answer(None, time.time() - began)
    return Answer(None, time.time() - began, time.time() - there)


def ask_hub(settings: CoreSettings) -> Answer | None:
    """How the hub answers; None where nothing may be fetched from it."""
    from huggingface_hub import constants

    return ask(constants.ENDPOINT) if settings.download_models and not constants.HF_HUB_OFFLINE else None


def hub(answer: Answer | None, settings: CoreSettings) -> str | Finding:
    """Whether models could be fetched."""
    from huggingface_hub import constants

    if answer is None:
        return "is not asked: " + ("HF_HUB_OFFLINE is set" if settings.download_models else "DOWNLOAD_MODELS is off")
    if answer.why is None:
        return f"{constants.ENDPOINT} answers in {answer.seconds:.1f} s"
    return Finding(
        Mark.BETTER,
        f"{constants.ENDPOINT} cannot be reached ({answer.why}), so that no model can be fetched; check the network, "
        "HTTPS_PROXY and HF_ENDPOINT, or set DOWNLOAD_MODELS=off.",
    )


def clock(ahead_s: float | None) -> str | Finding:
    """What it means that the clock is so far ahead of somebody else's; None: nobody was asked."""
    if ahead_s is None:
        return "was not compared: nobody who tells the time was reached"
    if abs(ahead_s) < OFF_BY_S:
        return "is right"
    minutes, way = abs(ahead_s) / 60, "ahead" if ahead_s > 0 else "behind"
    return Finding(Mark.BETTER, f"this computer's clock is {minutes:.0f} minutes {way}; set it (NTP).")


def port(bind: str) -> str:
    """Whether the page can listen at host:port, or does already. Raises WrongSetting."""
    host, _, number = bind.strip().rpartition(":")
    host = host.strip("[]")
    if not host or not number.isdecimal() or int(number) > 65535:
        raise WrongSetting(f"WEB_BIND is {bind}, but has to be host:port; write 127.0.0.1:8080, say.")
    try:
        family, *_, address = socket.getaddrinfo(host, int(number), type=socket.SOCK_STREAM)[0]
        with socket.create_server(address[:2], family=family):
            return f"{bind} is free for the page"
    except OSError as error:
        if error.errno == errno.EADDRINUSE and _answers(host, int(number)):
            return f"the page answers at {bind}"
        raise _no_port(bind, error) from error


def _no_port(bind: str, error: OSError) -> ImagineSoundError:
    if error.errno == errno.EADDRINUSE:
        return WrongSetting(f"another program listens at {bind}; end it, or set WEB_BIND to another port.")
    if error.errno == errno.EACCES:
        return WrongSetting(f"this user may not listen at {bind}; set WEB_BIND to a port above 1023.")
    return WrongSetting(f"this computer has no address {bind}; correct WEB_BIND.")


def _answers(host: str, number: int) -> bool:
    """Whether the page itself listens there."""
    asked = http.client.HTTPConnection(
        {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), number, timeout=ANSWERS_WITHIN_S
    )
    try:
        asked.request("GET", "/healthz")
        return asked.getresponse().status in (200, 503)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        asked.close()
