"""A broken connection is a line in the log; a fault of a library keeps its traceback."""

import logging

import pytest

from bot.discord_api.library_log import InALine


@pytest.mark.parametrize(("error", "has_traceback"), [(ConnectionResetError("gone"), False), (KeyError("fault"), True)])
def test_only_a_networks_error_loses_its_traceback(
    caplog: pytest.LogCaptureFixture, error: Exception, has_traceback: bool
) -> None:
    log = logging.getLogger("a library")
    log.addFilter(InALine())
    try:
        raise error
    except Exception:
        log.exception("reconnecting in %d s", 3)
    (record,) = caplog.records
    assert bool(record.exc_info) is has_traceback
    assert record.getMessage().startswith("reconnecting in 3 s")
    assert ("gone" in record.getMessage()) is not has_traceback
