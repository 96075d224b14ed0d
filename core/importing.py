"""Importing large libraries without garbage collections, sparing what they brought from later ones, and none of them
telling its makers that it is used.

It knows nothing of which libraries they are.
"""

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SILENCED = ("ORT_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY")
"""Variables by which libraries tell nobody: ONNX Runtime, which comes with what recognises speech and is imported by
diffusers as well, otherwise sends events to Microsoft from the moment that it is imported."""


def silence_libraries() -> None:
    """Switch off what libraries tell their makers; to be called before they are imported."""
    for name in SILENCED:
        os.environ[name] = "1"


@contextmanager
def without_collections() -> Iterator[None]:
    """Within, nothing is collected; what was imported within is never looked through by a collection.

    The libraries of the models bring half a million objects that live as long as the process. While they come, Python
    goes through all that are there again and again, and once more when the process ends: a third of the processor time
    of `imagine-sound imagine`. What is imported already costs nothing here, and changes nothing. Several threads may be
    within at once; the last to leave lets collections begin again.
    """
    known = len(sys.modules)
    _COLLECTIONS.stop()
    try:
        yield
    finally:
        if len(sys.modules) > known:
            gc.freeze()
        _COLLECTIONS.go_on()


def spare_from_collections() -> None:
    """Take all objects that are there out of Python's garbage collections.

    The model libraries bring about a million objects that live as long as the program; every full collection goes
    through all of them while the event loop stands. For programs that stay: what is frozen is never freed.
    """
    gc.collect()
    gc.freeze()


class _Collections:
    """Python's switch for them, which the whole process has in common, and how many want it off."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._within = 0
        self._were_on = False

    def stop(self) -> None:
        with self._lock:
            if self._within == 0:
                self._were_on = gc.isenabled()
                gc.disable()
            self._within += 1

    def go_on(self) -> None:
        with self._lock:
            self._within -= 1
            if self._within == 0 and self._were_on:
                gc.enable()


_COLLECTIONS = _Collections()
