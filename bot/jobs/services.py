"""What every job under way works with."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

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
from core.pace import Pace
from core.prompting.words import WordList


@dataclass(frozen=True)
class JobServices:
    """`refused_words` are not painted anywhere, `now` tells the time."""

    client: discord.Client
    engine: Engine
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
