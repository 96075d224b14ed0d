"""From what was heard to the scenes of its story: cut where the sound changes, and where something else is said.

What is said needs the engine, so that this is asyncio's; what is pure of it lies in `cutting`, `pauses` and `hand`. It
paints nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.engine import Engine
from core.events import Heard, Understood
from core.hearing.sound import frame_levels
from core.options import ImagineOptions
from core.prompting.prompt import title_of
from core.speech.spoken import Outcome
from core.stories.balance import balances
from core.stories.cutting import MOST_SCENES, SHORTEST_S, Span, cut
from core.stories.events import StoryScene
from core.stories.hand import in_one_hand
from core.stories.pauses import at_pauses

SPOKEN_SHARE = 0.5
"""Of a span in which somebody speaks for so much of it, the sentences may be scenes of their own."""


@dataclass(frozen=True)
class _Part:
    """A span, what is heard in it, and what of its words is seen."""

    span: Span
    heard: Heard
    understood: Understood | None = None


@dataclass
class Listening:
    """Who understands what, for whom: `options` are for all scenes, `user` is whom recognition is fair to.

    `refuses`, `allows_words`: see Engine.imagine. Where words once came too late no more are recognised: each would be
    waited for as long again.
    """

    engine: Engine
    options: ImagineOptions
    user: str
    refuses: Callable[[str], bool]
    allows_words: Callable[[], bool]
    _is_too_late: bool = False

    async def part(self, heard: Heard, span: Span) -> Heard:
        """What is heard in `span`."""
        return await self.engine.part(heard, span.begins_s, span.ends_s, self.options)

    async def understand(self, heard: Heard) -> Understood | None:
        """What is said there, if anything of it is seen."""
        if self._is_too_late:
            return None
        understood = await self.engine.understand(
            heard, self.options, user=self.user, refuses=self.refuses, allows=self.allows_words
        )
        if understood is None:
            return None
        self._is_too_late = understood.spoken.outcome is Outcome.TOO_LATE
        return understood if understood.spoken.outcome is Outcome.SEEN else None


async def scenes_of(listening: Listening, heard: Heard, sound: Path) -> tuple[StoryScene, ...]:
    """The scenes of what was `heard`, whose sound is the WAV `sound`. Raises ShuttingDown, OSError."""
    spans = await asyncio.to_thread(cut, heard.summary.windows, heard.clip.samples)
    if heard.voice is not None:
        await listening.engine.know_painter()  # what is said is told in words that he knows
    parts: list[_Part] = []
    for number, span in enumerate(spans, 1):
        left_to_others = len(parts) + len(spans) - number
        parts += await _parts_of(listening, heard, span, most=MOST_SCENES - left_to_others)
    scenes = in_one_hand(
        [part.understood.scene if part.understood else part.heard.scene for part in parts],
        [part.span.seconds for part in parts],
    )
    leans = await asyncio.to_thread(balances, sound, [part.span for part in parts])
    return tuple(
        [
            StoryScene(
                begins_s=part.span.begins_s,
                ends_s=part.span.ends_s,
                title=title_of(scene),
                top=part.heard.summary.top,
                scene=scene,
                prompt=await listening.engine.words_for(scene, listening.options),
                words=part.understood.spoken.words if part.understood else "",
                balance=lean,
            )
            for part, scene, lean in zip(parts, scenes, leans, strict=True)
        ]
    )


async def _parts_of(listening: Listening, heard: Heard, span: Span, most: int) -> Sequence[_Part]:
    """A span as one scene, or as several, `most` at most, where different things to see are said in it."""
    whole = _Part(span, await listening.part(heard, span))
    voice = whole.heard.voice
    if voice is None:
        return [whole]
    pieces: Sequence[Span] = (span,)
    if voice.seconds >= SPOKEN_SHARE * span.seconds and span.seconds >= 2 * SHORTEST_S:
        pieces = at_pauses(frame_levels(heard.clip.samples), span, most)
    told: list[_Part] = []
    for piece in pieces:
        part = whole if piece == span else _Part(piece, await listening.part(heard, piece))
        understood = await listening.understand(part.heard)
        if understood is not None:
            told.append(replace(part, understood=understood))
        elif told:  # nothing to see is said there: what was seen before stays
            told[-1] = replace(told[-1], span=Span(told[-1].span.begins_s, piece.ends_s))
    if not told:
        return [whole]
    told[0] = replace(told[0], span=Span(span.begins_s, told[0].span.ends_s))
    return told
