"""How far messages have been read: nothing counts as read before all that came earlier is dealt with."""

import pytest

from bot.requests.cursor import Cursor


def test_it_stands_before_the_oldest_message_at_hand() -> None:
    cursor = Cursor()
    assert cursor.position == 0
    with cursor.dealing_with(10):
        with cursor.dealing_with(12):
            assert cursor.position == 9 or cursor.position == 0
        assert cursor.position == 9
        assert not cursor.is_idle
    assert (cursor.position, cursor.is_idle) == (12, True)


def test_message_over_which_reading_failed_is_not_read() -> None:
    cursor = Cursor()
    with pytest.raises(ValueError, match="fault"), cursor.dealing_with(10):
        raise ValueError("fault")
    with cursor.dealing_with(11):
        pass
    assert cursor.position == 9
