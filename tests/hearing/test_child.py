"""A child that is fed takes all of it, talks as it likes, and is gone as soon as nobody wants it any more."""

import sys
import threading
from collections.abc import Iterator

import pytest

from core.hearing.decoding.child import CannotStart, Ending, feed_child

PYTHON = (sys.executable, "-I", "-S", "-c")
FOREVER = 60.0


def test_it_gets_everything_and_is_heard_to_its_end() -> None:
    said = bytearray()

    def listen(piece: bytes) -> bool:
        said.extend(piece)
        return True

    count = "import sys; print(len(sys.stdin.buffer.read()), file=sys.stderr); sys.exit(3)"
    ended = feed_child([*PYTHON, count], (bytes(n) for n in range(0, 300_000, 999)), listen, patience_s=FOREVER)
    assert int(said) == sum(range(0, 300_000, 999))
    assert (ended.why, ended.status) == (Ending.BY_ITSELF, 3)


def test_one_that_talks_before_it_reads_does_not_hang() -> None:
    talk = (
        "import sys; sys.stderr.write('x' * 2_000_000); sys.stderr.flush(); sys.stdin.buffer.read(); print('x' * 99999)"
    )
    heard = 0

    def listen(piece: bytes) -> bool:
        nonlocal heard
        heard += len(piece)
        return True

    ended = feed_child([*PYTHON, talk], iter([bytes(1_000_000)] * 3), listen, patience_s=FOREVER)
    assert (ended.why, ended.status, heard) == (Ending.BY_ITSELF, 0, 2_000_000)


def test_one_that_ends_early_is_not_fed_further() -> None:
    fed = 0

    def pieces() -> Iterator[bytes]:
        nonlocal fed
        for _ in range(1000):
            fed += 1
            yield bytes(1 << 20)

    ended = feed_child([*PYTHON, "import sys; sys.exit(2)"], pieces(), lambda _: True, patience_s=FOREVER)
    assert (ended.why, ended.status) == (Ending.BY_ITSELF, 2)
    assert fed < 1000


@pytest.mark.parametrize("reads", ["", "sys.stdin.buffer.read(10);", "sys.stdin.buffer.read();"])
def test_one_that_takes_nothing_or_does_not_end_is_killed(reads: str) -> None:
    ended = feed_child(
        [*PYTHON, f"import sys, time; {reads} time.sleep(600)"], iter([bytes(1 << 20)]), lambda _: True, patience_s=2.0
    )
    assert ended.why is Ending.TIMED_OUT


def test_while_a_piece_is_made_its_time_does_not_run() -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(2):
            threading.Event().wait(3.0)
            yield b"piece"

    ended = feed_child([*PYTHON, "import sys; sys.stdin.read()"], slowly(), lambda _: True, patience_s=2.0)
    assert (ended.why, ended.status) == (Ending.BY_ITSELF, 0)


def test_a_stop_ends_it_while_it_is_fed() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    ended = feed_child(
        [*PYTHON, "import time; time.sleep(600)"], iter([bytes(1 << 20)]), lambda _: True, patience_s=FOREVER, stop=stop
    )
    assert ended.why is Ending.STOPPED


def test_an_error_of_what_feeds_it_comes_through_and_it_is_gone() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"piece"
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        feed_child([*PYTHON, "import time; time.sleep(600)"], pieces(), lambda _: True, patience_s=FOREVER)


def test_a_program_that_is_none_is_told() -> None:
    with pytest.raises(CannotStart):
        feed_child(["/no/such/program"], iter([]), lambda _: True, patience_s=FOREVER)
