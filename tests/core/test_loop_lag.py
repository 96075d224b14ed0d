"""A loop that stands is noticed, and the log says for how long and why."""

import asyncio
import gc
import logging
import threading
import time
from pathlib import Path

import pytest

from core import loop_lag
from core.loop_lag import Lag, LoopLag


async def test_loop_that_stands_is_measured() -> None:
    with LoopLag() as lag:
        await asyncio.sleep(0.2)
        time.sleep(0.3)  # noqa: ASYNC251 - what must not happen
        await asyncio.sleep(0.1)
        assert lag.last_minute().worst_s > 0.2


async def test_waiting_for_a_processor_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tmp_path / "schedstat"
    told.write_text("900 0 3")
    monkeypatch.setattr(loop_lag, "_SCHEDSTAT", told)
    with LoopLag() as lag:
        await asyncio.sleep(0.2)
        told.write_text("900 200000000 4")
        time.sleep(0.3)  # noqa: ASYNC251 - what must not happen
        await asyncio.sleep(0.1)
        assert lag.last_minute().waited_s == pytest.approx(0.2)


async def test_collection_is_measured() -> None:
    with LoopLag() as lag:
        gc.collect()
        await asyncio.sleep(0.2)
        assert lag.last_minute().largest_collection_s > 0


async def test_nothing_measured_is_no_lag() -> None:
    assert LoopLag().last_minute() == Lag(0.0, 0.0, 0.0, 0.0)


async def test_log_is_told_of_a_loop_that_stood(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with LoopLag(beats=4):
        await asyncio.sleep(0.06)
        time.sleep(0.2)  # noqa: ASYNC251 - what must not happen
        await asyncio.sleep(0.4)
    assert "the event loop stood for up to" in caplog.text


async def test_thread_ends_with_the_measuring() -> None:
    with LoopLag():
        await asyncio.sleep(0.1)
    await asyncio.sleep(0.2)
    assert "loop lag" not in {thread.name for thread in threading.enumerate()}
