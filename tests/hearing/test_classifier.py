"""A classifier that nobody closed is freed without anybody waiting for it."""

import gc
import threading

from core.hearing.classifier import SoundClassifier
from core.models import ModelStore
from core.settings import CoreSettings

PATIENCE_S = 20


class Owner:
    """In a circle with itself, so that only the garbage collector frees it."""

    def __init__(self) -> None:
        self.classifier = SoundClassifier(ModelStore(CoreSettings()).yamnet().path)
        self.itself = self


def test_classifier_that_was_left_to_the_garbage_collector_stops_nobody() -> None:
    del Owner().itself  # one that is freed at once
    owner = Owner()
    freed = threading.Event()
    del owner

    def collect() -> None:
        gc.collect()
        freed.set()

    threading.Thread(target=collect, daemon=True).start()
    assert freed.wait(PATIENCE_S), "the collector waits for MediaPipe"
