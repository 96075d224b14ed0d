"""Which of a file's sound tracks is heard.

The rule: the track that the file marks as the default one, or its first; if that one is silent or cannot be read, the
first of the others, in the file's order, that can be read and has sound. So neither a silent track nor one whose codec
nobody knows hides one that can be heard. If none has sound, it is the default one that is answered for.
It knows nothing of how a track is read.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from core.hearing.decoding.account import Track


class Attempt(Protocol):
    """One track as it was read."""

    @property
    def tracks(self) -> Sequence[Track]:
        """The file's sound tracks, as far as they are known."""
        ...

    @property
    def has_sound(self) -> bool:
        """Whether it could be read and is not silent."""
        ...


Read = TypeVar("Read", bound=Attempt)


def in_order(tracks: Sequence[Track]) -> tuple[int, ...]:
    """The tracks' numbers in the order in which they are to be tried; the first track where nothing is known."""
    default = next((track.number for track in tracks if track.default), 0)
    return (default, *(track.number for track in tracks if track.number != default))


def first_with_sound(read: Callable[[int], Read]) -> tuple[int, Read]:
    """The number of the track that is to be heard, and what `read` gave for it; few files need a second reading."""
    first: Read | None = (begun := read(0))
    order = in_order(begun.tracks)
    if order[0] != 0:
        first = None  # two whole tracks at once would be much to hold
    del begun
    answer: Read | None = None
    for number in order:
        found = read(number) if first is None or number != 0 else first
        if found.has_sound:
            return number, found
        answer = answer or found
    assert answer is not None
    return order[0], answer
