"""Who has said while the bot runs that nothing they say is to be recognised: it counts for what is under way, too.

What people said before, the store knows; a request that is accepted has been asked about there.
"""


class Speakers:
    """By their ids; asked from any thread."""

    def __init__(self) -> None:
        self._silent: set[int] = set()

    def allow(self, user_id: int) -> bool:
        """Whether what somebody says may be recognised, as far as is known here."""
        return user_id not in self._silent

    def silence(self, user_id: int) -> None:
        """It may not, from now on."""
        self._silent.add(user_id)

    def unsilence(self, user_id: int) -> None:
        """It may again."""
        self._silent.discard(user_id)
