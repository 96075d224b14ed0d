"""Several cards in one machine: one painting process a card, started, watched and started again, behind one fleet.

A card that is lost costs its own process, not the bot. Each process is `imagine-sound paint-server` on this machine
alone, with a token of its own that is drawn anew each time, and ends with the process that started it. It knows
nothing of requests.
"""

import logging
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from core.errors import ModelUnusable, PainterLost
from core.fleet.fleet import Fleet
from core.settings import CoreSettings

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
LISTING_S = 10.0
LISTENING_S = 60.0
"""A process listens before it loads its model; that takes a second or two."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""Between the end of a process and its next start: twice as long after each that did not last."""
LASTED_S = 600.0
ENDING_S = 2.0


@dataclass(frozen=True)
class Card:
    """What one process paints on: its name for people, and what its environment says of it."""

    name: str
    environment: Mapping[str, str]


def cards_of(device: str, visible: Sequence[str]) -> list[Card]:
    """Those that DEVICE names: `all`, or names separated by commas. `visible`: the GPUs as CUDA_VISIBLE_DEVICES may
    list them, of which cuda:0 is the first.

    Raises ModelUnusable for one that is not there.
    """
    names = [f"cuda:{number}" for number in range(len(visible))] if device == "all" else device.split(",")
    if not names:
        raise ModelUnusable("DEVICE is all, but nvidia-smi lists no GPU here; install the driver or name the cards.")
    return [_card(name, visible) for name in names]


def _card(name: str, visible: Sequence[str]) -> Card:
    if name == "cpu":
        return Card(name, {"DEVICE": "cpu"})
    number = int(name.removeprefix("cuda:"))
    if number >= len(visible):
        raise ModelUnusable(f"DEVICE names {name}, but there are {len(visible)} GPUs here (nvidia-smi -L); correct it.")
    return Card(name, {"DEVICE": "cuda", VISIBLE: visible[number]})


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that may be used, as CUDA_VISIBLE_DEVICES lists them, or as the driver does."""
    if listed := environment.get(VISIBLE):
        return [name.strip() for name in listed.split(",")]
    try:
        found = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=LISTING_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [str(number) for number, line in enumerate(filter(str.strip, found.stdout.splitlines()))]


class Worker:
    """One process, as long as it is wanted. Creation returns once it listens; raises PainterLost if it never does."""

    def __init__(self, card: Card, token: str) -> None:
        self._card, self._token = card, token
        self._ends = threading.Event()
        self._process = self._started(port=0)
        self.url = self._listens(self._process)
        threading.Thread(target=self._watch, name=f"watching {card.name}", daemon=True).start()

    def close(self) -> None:
        """End it; one that hangs is killed."""
        self._ends.set()
        with suppress(OSError):
            self._process.terminate()
        try:
            self._process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._drop(self._process)

    def _started(self, port: int) -> subprocess.Popen[str]:
        environment = {**os.environ, **self._card.environment, "PAINTER_TOKEN": self._token, "PAINTERS": "local"}
        command = [sys.executable, "-m", "core", "paint-server", "--port", str(port), "--with-parent"]
        return subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )

    def _listens(self, process: subprocess.Popen[str]) -> str:
        """Its address, once it listens there."""
        timer = threading.Timer(LISTENING_S, process.kill)
        timer.start()
        assert process.stdout is not None
        said = process.stdout.readline()
        timer.cancel()
        if "http://" not in said:
            process.kill()
            raise PainterLost
        return said[said.index("http://") :].split()[0].rstrip(";")

    def _watch(self) -> None:
        pause = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            status = self._process.wait()
            if self._ends.is_set():
                return
            pause = FIRST_PAUSE_S if time.monotonic() - began > LASTED_S else min(2 * pause, LONGEST_PAUSE_S)
            log.error("the painter on %s has ended with %d; another is started in %g s", self._card.name, status, pause)
            self._drop(self._process)
            if self._ends.wait(pause):
                return
            self._process = self._started(int(self.url.rpartition(":")[2]))
            with suppress(PainterLost):
                self._listens(self._process)

    @staticmethod
    def _drop(process: subprocess.Popen[str]) -> None:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def fleet_of_devices(settings: CoreSettings, gpus: Callable[[], Sequence[str]] = visible_gpus) -> Fleet:
    """One process for each card that DEVICE names, as one painter. Raises ModelUnusable, PainterLost."""
    token = secrets.token_urlsafe(32)
    workers: list[Worker] = []

    def close() -> None:
        for worker in workers:
            worker.close()

    try:
        for card in cards_of(settings.device, gpus()):
            workers.append(Worker(card, token))
            log.info("a painter on %s is at %s", card.name, workers[-1].url)
        urls = [worker.url for worker in workers]
        return Fleet(urls, token=token, max_waiting=settings.max_waiting, after_close=close)
    except BaseException:
        close()
        raise
