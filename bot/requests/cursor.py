"""How far the messages have been read: up to where nothing is left to be looked at, whatever comes in which order.

It knows messages by their ids only, which grow with time.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class Cursor:
    """The newest message id up to which every message that was seen has been dealt with."""

    def __init__(self) -> None:
        self._newest = 0
        self._at_hand: set[int] = set()

    @property
    def is_idle(self) -> bool:
        """Whether no message is being dealt with."""
        return not self._at_hand

    @property
    def position(self) -> int:
        """Everything seen up to here is done; 0 before anything was."""
        return min(self._newest, *(number - 1 for number in self._at_hand)) if self._at_hand else self._newest

    def begin_at(self, message_id: int) -> None:
        """Take everything up to here for read."""
        self._newest = max(self._newest, message_id)

    @contextmanager
    def dealing_with(self, message_id: int) -> Iterator[None]:
        """While this lasts, the message is not done; nor is it if this fails."""
        self._at_hand.add(message_id)
        yield
        self._at_hand.discard(message_id)
        self._newest = max(self._newest, message_id)
