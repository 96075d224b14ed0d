"""What the bot remembers, as plain values: jobs, what was heard, recipes, server settings.

They know neither Discord's objects nor the database; `store.py` keeps them.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.generation.protocol import Note
from core.hearing.categories import TopCategory
from core.prompting.prompt import Prompt
from core.prompting.styles import Style
from core.recipe import Recipe


class JobState(StrEnum):
    """Where a job stands. WAITING covers everything from accepted to being painted."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Listening(StrEnum):
    """Where a server lets the bot take up recordings by itself; asking it by name works everywhere."""

    EVERYWHERE = "everywhere"
    CHOSEN = "chosen"
    MENTIONED = "mentioned"
    NOWHERE = "nowhere"


@dataclass(frozen=True)
class ReplyAddress:
    """Where a job's message is. With `token` it can be reached through an interaction only, until `expires`.

    `sheltered`: the place is age-restricted or a private thread, and what is shown there goes nowhere else.
    """

    channel_id: int
    message_id: int
    token: str | None = None
    expires: datetime | None = None
    sheltered: bool = False


@dataclass(frozen=True)
class JobOptions:
    """What the asker chose for one picture; None stands for the server's or the model's default."""

    style: Style | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    seed: int | None = None
    seconds: float | None = None
    adapter: str | None = None
    unasked: bool = False
    """The bot took the recording up by itself: where it cannot be painted, nobody wants to know."""


@dataclass(frozen=True)
class Window:
    """The likeliest labels of one window of the recording, best first, as (name, score)."""

    timestamp_ms: int
    labels: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class HeardRecord:
    """What was heard, as far as the replies and a new prompt need it."""

    title: str
    top: tuple[TopCategory, ...]
    windows: tuple[Window, ...]
    duration_s: float
    shortened: bool
    spoken: str = ""


@dataclass(frozen=True)
class Outcome:
    """A finished picture: its recipe, and what a person should know about it.

    `notes`: sentences in the language of whoever asked, and notes to be said in the language of whoever reads.
    """

    recipe: Recipe
    seconds: float
    is_miniature: bool
    notes: tuple[str | Note, ...] = ()


@dataclass(frozen=True)
class NewJob:
    """A request about to be accepted. `figure_of` names the job whose figure shows what was heard."""

    user_id: int
    guild_id: int | None
    channel_id: int
    locale: str
    filename: str
    source_id: int | None = None
    options: JobOptions = JobOptions()
    heard: HeardRecord | None = None
    prompt: Prompt | None = None
    reply: ReplyAddress | None = None
    figure_of: int | None = None


@dataclass(frozen=True)
class Job:
    """An accepted request: what was asked, how far it is, and what came of it."""

    id: int
    state: JobState
    attempts: int
    created: datetime
    user_id: int
    guild_id: int | None
    channel_id: int
    locale: str
    filename: str
    source_id: int | None
    options: JobOptions
    heard: HeardRecord | None
    prompt: Prompt | None
    reply: ReplyAddress | None
    figure_of: int | None
    outcome: Outcome | None


@dataclass(frozen=True)
class GuildSettings:
    """What a server's moderators chose; None and empty stand for the bot's own defaults."""

    listening: Listening = Listening.EVERYWHERE
    channels: tuple[int, ...] = ()
    style: Style | None = None
    seconds: float | None = None
    pictures_per_user_hour: int | None = None
    roles: tuple[int, ...] = field(default=())
    """Who may use the bot; empty: everybody."""
