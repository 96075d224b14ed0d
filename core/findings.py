"""How the program and its machine are: one finding a check, with one of three marks and one sentence.

Pure, so that a terminal, JSON and a page say the same. What is looked at is not known here.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from core.errors import ImagineSoundError
from core.log_lines import one_line

log = logging.getLogger(__name__)


class Mark(StrEnum):
    """How something is."""

    FINE = "fine"
    BETTER = "better"
    """It works, and could be better."""
    WRONG = "wrong"


@dataclass(frozen=True)
class Finding:
    """How something is, and the sentence that says so: where it is not fine, with the one thing to do."""

    mark: Mark
    sentence: str

    @property
    def is_ready(self) -> bool:
        """Whether requests can be answered as far as this goes."""
        return self.mark is not Mark.WRONG


Check = Callable[[], str | Finding]
"""Looks at one thing: a sentence where it is fine, else a finding or ImagineSoundError, whose sentence says what to do.
"""


def found(check: Check) -> Finding:
    """What a check finds. One that fails keeps no other from being made."""
    try:
        says = check()
    except ImagineSoundError as error:
        return Finding(Mark.WRONG, str(error))
    except Exception as error:
        log.debug("a check failed", exc_info=True)
        fault = one_line(f"{type(error).__name__}: {error}")
        return Finding(Mark.WRONG, f"a fault of the program ({fault}); LOG_LEVEL=DEBUG shows where.")
    return says if isinstance(says, Finding) else Finding(Mark.FINE, says)


def all_found(checks: Iterable[tuple[str, Check]]) -> Iterator[tuple[str, Finding]]:
    """Each check's name with what it finds, one after the other."""
    for name, check in checks:
        yield name, found(check)
