"""Cancel means kill: no child, no thread and no person waits for what nobody wants any more."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import HearingStopped, ShuttingDown
from core.hearing.audio import load_clip
from core.hearing.decoding.child import Ending, run_child
from core.hearing.samples import siren, write_wav
from core.settings import CoreSettings
from tests.hostile.cancelling import (
    bomb,
    cancel_at_random,
    children,
    close_under_way,
    next_after_two_cancelled,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


async def test_a_cancelled_jobs_child_is_gone_at_once(settings: CoreSettings) -> None:
    assert max(await cancel_at_random(settings, tries=5)) <= 0.5


async def test_closing_waits_for_no_recording_and_says_so_to_whoever_waits(settings: CoreSettings) -> None:
    took, ended, left = await close_under_way(settings, bombs=8)
    assert took <= 2
    assert [type(error) for error in ended] == [ShuttingDown] * 8
    assert left == set()


async def test_the_next_person_is_heard_at_once_after_two_were_cancelled(
    settings: CoreSettings, tmp_path: Path, ffmpeg: Callable[..., None]
) -> None:
    ffmpeg("-i", write_wav(tmp_path / "siren.wav", siren()), tmp_path / "siren.mp3")
    assert await next_after_two_cancelled(settings, tmp_path / "siren.mp3") <= 1


def test_a_reading_that_is_stopped_before_it_begins_starts_nothing(siren_wav: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(HearingStopped):
        load_clip(siren_wav, stop=stop)


def test_a_reading_is_stopped_from_another_thread() -> None:
    stop, before = threading.Event(), children()
    threading.Timer(0.3, stop.set).start()
    begun = time.monotonic()
    with pytest.raises(HearingStopped):
        load_clip(bomb(), stop=stop)
    assert time.monotonic() - begun < 1.5
    assert children() == before


SLEEPER = "import time; print('x' * 100_000, flush=True); time.sleep(60)"
TALKER = "import sys; [sys.stderr.write('x' * 1000) for _ in range(1000)]; print('done')"


@pytest.mark.parametrize(
    ("program", "taken", "heard", "until_s", "why"),
    [
        (SLEEPER, 1, None, 30, Ending.ENOUGH),
        (SLEEPER, None, None, 0.5, Ending.TIMED_OUT),
        (TALKER, None, 5000, 30, Ending.OVERLONG_TALK),
        (TALKER, None, None, 30, Ending.BY_ITSELF),
    ],
)
def test_a_child_ends_for_one_reason_and_is_waited_for(
    program: str, taken: int | None, heard: int | None, until_s: float, why: Ending, siren_wav: Path
) -> None:
    got = {"out": 0, "said": 0}

    def take(piece: bytes) -> bool:
        got["out"] += len(piece)
        return taken is None or got["out"] < taken

    def listen(piece: bytes) -> bool:
        got["said"] += len(piece)
        return heard is None or got["said"] < heard

    before, begun = children(), time.monotonic()
    with siren_wav.open("rb") as recording:
        ended = run_child([sys.executable, "-c", program], recording, take, listen, until=begun + until_s)
    assert ended.why is why
    assert (ended.status == 0) == (why is Ending.BY_ITSELF)
    assert ended.cpu_s > 0
    assert children() == before
    assert time.monotonic() - begun < until_s + 1.5


@pytest.mark.parametrize("fault", [MemoryError, OSError], ids=["no memory", "the disk is full"])
def test_a_fault_in_whoever_takes_the_output_leaves_no_child(fault: type[Exception], siren_wav: Path) -> None:
    def fail(_: bytes) -> bool:
        raise fault

    before = children()
    with siren_wav.open("rb") as recording, pytest.raises(fault):
        run_child([sys.executable, "-c", SLEEPER], recording, fail, lambda _: True, until=time.monotonic() + 30)
    assert children() == before


def test_a_child_has_nothing_in_its_environment_and_ends_with_no_signal_of_the_terminal(
    siren_wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    said = bytearray()

    def take(piece: bytes) -> bool:
        said.extend(piece)
        return True

    show = "import os; print('DISCORD_TOKEN' in os.environ, os.getpgid(0) == os.getpid())"
    with siren_wav.open("rb") as recording:
        run_child(
            [sys.executable, "-c", show],
            recording,
            take,
            lambda _: True,
            until=time.monotonic() + 30,
        )
    assert said.split() == [b"False", b"True"]
