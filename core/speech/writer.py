"""The scene in somebody's words: by a language model if one is named, else, and whenever it fails, by rules.

What the rules are, and how the model is asked, is not known here. No words are logged.
"""

import asyncio
import logging
from collections.abc import Callable

from core.speech.served import LIMIT_S, NotServed, ServedWriter
from core.speech.spoken import SaidScene

log = logging.getLogger(__name__)

RULES_S = 0.2
"""What is left of the time for the rules, which take a few milliseconds."""


class SceneWriter:
    """Finds the scene in words. `rules` take English words and may block; None: there are none.

    `close` it in the end.
    """

    def __init__(self, *, rules: Callable[[str], SaidScene] | None, served: ServedWriter | None) -> None:
        self._rules = rules
        self._served = served

    async def write(self, words: str, english: str, language: str, *, within_s: float) -> SaidScene:
        """The scene in `words` of `language`, which are `english` in English; `by` says who found it.

        Takes at most about `within_s` seconds, and raises nothing but CancelledError.
        """
        limit_s = min(LIMIT_S, within_s - RULES_S)
        if self._served is not None and words.strip() and limit_s > 0:
            try:
                return await self._served.write(words, language, within_s=limit_s)
            except NotServed as error:
                log.warning("the language model found no scene, the rules look for one: %s", error)
        if self._rules is None or not english.strip():
            return SaidScene()
        return await asyncio.to_thread(_by, self._rules, english)

    async def close(self) -> None:
        """Close the connections to the language model."""
        if self._served is not None:
            await self._served.close()


def _by(rules: Callable[[str], SaidScene], english: str) -> SaidScene:
    try:
        return rules(english)
    except Exception as error:  # its text, and its traceback's, may hold the words
        log.warning("the rules failed at what was said: %s", type(error).__name__)
        return SaidScene()
