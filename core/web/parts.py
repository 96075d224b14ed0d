"""What the page tells of how the program is: each part in one sentence with one of three marks.

Whatever runs in the same process and is not the page's business (a store, a gateway) comes in as a Part.
"""

from typing import Protocol

from core.findings import Finding


class Part(Protocol):
    """A part of the program that can be looked at, at any time, without waiting for it."""

    @property
    def name(self) -> str:
        """A word or two, as a heading."""
        ...

    async def look(self) -> Finding:
        """How it is now. It takes a second at most and raises nothing."""
        ...
