"""What every job under way works with."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import discord

from bot.discord_api.pacing import EditLimiter
from bot.discord_api.recent_tokens import RecentTokens
from bot.jobs.places import Places
from bot.jobs.recordings import Recordings
from bot.jobs.speakers import Speakers
from bot.jobs.turns import Turns
from bot.storage.store import Store
from bot.views.texts import Texts
from core.engine import Engine
from core.options import PictureCheck
from core.pace import Pace
from core.prompting.words import WordList
from core.stories.events import StoryEvent
from core.stories.story import StoryOptions


class Tell(Protocol):
    """Tells stories as `core.stories.story.tell` does."""

    def __call__(
        self,
        engine: Engine,
        recording: bytes | Path,
        options: StoryOptions,
        *,
        user: str,
        refuses: Callable[[str], bool],
        allows_words: Callable[[], bool],
        check: PictureCheck | None,
    ) -> AsyncGenerator[StoryEvent, None]:
        """The stream of a story's events."""
        ...


@dataclass(frozen=True)
class JobServices:
    """`tell` tells stories, `refused_words` are not painted anywhere, `now` tells the time."""

    client: discord.Client
    engine: Engine
    tell: Tell
    store: Store
    texts: Texts
    edit_limiter: EditLimiter
    places: Places
    recordings: Recordings
    turns: Turns
    pace: Pace
    tokens: RecentTokens
    refused_words: WordList
    speakers: Speakers
    now: Callable[[], datetime]
