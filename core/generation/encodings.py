"""Encoded prompts: made where they are asked for, or begun before in another thread, and remembered.

It knows nothing of models.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from core.threads import in_daemon_thread

Key = TypeVar("Key", bound=Hashable)
Encoded = TypeVar("Encoded")

LONGEST_CLOSING_S = 1.0
"""How long closing waits for what is being encoded."""


class Encodings(Generic[Key, Encoded]):
    """What `encode` makes of the last `most` keys, or `encode_aside` in other threads. For one thread to call."""

    def __init__(self, encode: Callable[[Key], Encoded], encode_aside: Callable[[Key], Encoded], most: int) -> None:
        self._encode, self._encode_aside, self._most = encode, encode_aside, most
        self._known: OrderedDict[Key, Future[Encoded]] = OrderedDict()

    def begin(self, key: Key) -> Future[Encoded]:
        """Encode `key` in another thread, where it is not known or under way; `get` finds it."""
        if key not in self._known:
            self._remember(key, in_daemon_thread(lambda: self._encode_aside(key), "encoding"))
        return self._known[key]

    def get(self, key: Key) -> Encoded:
        """What is known of `key`, or was begun, or else is made now. Raises what `encode` raises, and forgets that."""
        if key not in self._known:
            made: Future[Encoded] = Future()
            made.set_result(self._encode(key))
            self._remember(key, made)
        self._known.move_to_end(key)
        try:
            return self._known[key].result()
        except Exception:
            del self._known[key]
            raise

    def settle(self) -> None:
        """Wait for all that was begun."""
        wait(self._known.values())

    def close(self) -> None:
        """Forget everything; what was begun has a moment to end."""
        wait(self._known.values(), LONGEST_CLOSING_S)
        self._known.clear()

    def _remember(self, key: Key, encoded: Future[Encoded]) -> None:
        self._known[key] = encoded
        oldest = next((known for known, future in self._known.items() if future.done()), None)
        if oldest is not None and len(self._known) > self._most:
            del self._known[oldest]
