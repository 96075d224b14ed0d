"""What the bot remembers, as plain values: jobs, what was heard, recipes, server settings.

They know neither Discord's objects nor the database; `store.py` keeps them.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from bot.storage.story import Story
from core.events import HeardSummary
from core.generation.protocol import Note
from core.hearing.palette import Palette
from core.options import ImagineOptions
from core.prompting.styles import Style
from core.recipe import Recipe


class JobState(StrEnum):
    """Where a job stands. WAITING covers everything from accepted to being painted."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    FORGOTTEN = "forgotten"
    """Nothing is left but by what it was known, so that Discord's telling of it again does not bring it back."""


class Listening(StrEnum):
    """Where a server lets the bot take up recordings by itself; asking it by name works everywhere."""

    EVERYWHERE = "everywhere"
    CHOSEN = "chosen"
    MENTIONED = "mentioned"
    NOWHERE = "nowhere"


class Taken(StrEnum):
    """What the bot takes up by itself: most videos are not posted for their sound."""

    VOICE = "voice"
    SOUNDS = "sounds"
    VIDEOS = "videos"


class RestrictedCheck(StrEnum):
    """What becomes of pictures that should not be shown to everybody, in a server's age-restricted channels."""

    OFF = "off"
    SPOILER = "spoiler"
    BLOCK = "block"


class SpeechUse(StrEnum):
    """What becomes of what people say in a server."""

    PAINTED = "painted"
    ASKED = "asked"
    """It is painted when the speaker asks for that."""
    NEVER = "never"


class Films(StrEnum):
    """Whether films are made of recordings in a server."""

    MADE = "made"
    NEVER = "never"


class SpeechChoice(StrEnum):
    """What somebody allows with what they say, everywhere."""

    NEVER = "never"
    """It is not recognised."""
    MINE = "mine"
    """It is painted when they ask for it, and told to nobody else. Posting a recording where the bot listens is
    asking."""
    ANYONE = "anyone"
    """Others may read it and have it painted, too."""


class OwnWords(StrEnum):
    """Who may say what is painted, instead of leaving that to the sound."""

    EVERYONE = "everyone"
    ROLES = "roles"
    """Those with one of `GuildSettings.own_words_roles`, and the moderators."""
    MODERATORS = "moderators"
    NOBODY = "nobody"


@dataclass(frozen=True)
class ReplyAddress:
    """Where a job's message is. With `token` it can be reached through an interaction only, until `expires`.

    `confined`: the place is age-restricted or a private thread, and what is shown there goes nowhere else.
    """

    channel_id: int
    message_id: int
    token: str | None = None
    expires: datetime | None = None
    confined: bool = False


@dataclass(frozen=True)
class Outcome:
    """A finished picture: its recipe, what a person should know about it, and the colours of its sound's strip.

    `more` are the recipes of those that were painted together with it.
    """

    recipe: Recipe
    seconds: float
    is_miniature: bool
    notes: tuple[Note, ...] = ()
    palette: Palette | None = None
    more: tuple[Recipe, ...] = ()

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """One for each picture, in the order in which they are shown."""
        return (self.recipe, *self.more)


@dataclass(frozen=True)
class AttachmentAddress:
    """Where an attachment's bytes can be fetched, for a while, and how many they are."""

    id: int
    url: str
    size: int


@dataclass(frozen=True)
class InteractionAddress:
    """An interaction whose answer is a job's message. Until `expires` it can be reached with `token`.

    `only_way`: the bot itself does not see the place. `confined`: see ReplyAddress.
    """

    id: int
    token: str
    expires: datetime
    only_way: bool = False
    confined: bool = False

    def reply(self, channel_id: int, message_id: int) -> ReplyAddress:
        """The address of the message that answers it."""
        if not self.only_way:
            return ReplyAddress(channel_id, message_id, confined=self.confined)
        return ReplyAddress(channel_id, message_id, self.token, self.expires, self.confined)


@dataclass(frozen=True)
class Place:
    """Where a job's message belongs: in the thread on the message `source_id`, or in the channel.

    `marker` is the number by which the message is known there, whoever has its id.
    """

    channel_id: int
    guild_id: int | None
    source_id: int | None
    marker: int
    interaction: InteractionAddress | None = None


@dataclass(frozen=True)
class Erasure:
    """A message that is to be removed, from the moment `since` on.

    Without `reply` it has to be looked for in `place`, if it was ever posted.

    `but_picture`: only what it tells is to be removed.
    """

    id: int
    job_id: int
    since: datetime
    place: Place | None
    reply: ReplyAddress | None
    but_picture: bool = False


@dataclass(frozen=True)
class Ending:
    """How a job ends without a picture, and the sentence that says so, in its asker's language."""

    state: JobState
    sentence: str


class How(StrEnum):
    """How a picture was made from another one."""

    AGAIN = "again"
    CHANGE = "change"
    FOUR = "four"
    CLOSER = "closer"
    """Four that keep its composition."""
    PICKED = "picked"
    """It is one of several, in a message of its own."""
    LARGER = "larger"
    """It is the same picture with more pixels."""
    SAID = "said"
    """What is said is painted, which was not known before."""
    SOUNDS = "sounds"
    """The sounds are painted instead of what is said."""
    FILM = "film"
    """A film is made of its recording."""


@dataclass(frozen=True)
class Origin:
    """The job whose picture another one was made from."""

    job_id: int
    how: How


@dataclass(frozen=True)
class NewJob:
    """A request about to be accepted.

    `asked`: somebody wanted it; the bot did not take the recording up by itself. `strip_of` names the job that the
    sound's strip is kept with. `request_key` is what the request is known by, however often Discord tells of it.
    `author_id` sent the recording; None: whoever asks. `origin`: the picture that this one is made from. `outcome`: it
    is painted already, and `attachment` is where. `story`: a film is to be made of the recording.
    """

    user_id: int
    guild_id: int | None
    channel_id: int
    locale: str
    filename: str
    source_id: int | None = None
    attachment: AttachmentAddress | None = None
    asked: bool = True
    options: ImagineOptions = field(default_factory=ImagineOptions)
    heard: HeardSummary | None = None
    reply: ReplyAddress | None = None
    strip_of: int | None = None
    request_key: str | None = None
    interaction: InteractionAddress | None = None
    author_id: int | None = None
    origin: Origin | None = None
    outcome: Outcome | None = None
    story: Story | None = None

    @property
    def speaker_id(self) -> int:
        """Who is taken to speak in the recording."""
        return self.user_id if self.author_id is None else self.author_id

    @property
    def pictures(self) -> int:
        """How many pictures limits count it as."""
        if self.story is not None:
            return self.story.most
        return 0 if self.origin is not None and self.origin.how is How.PICKED else self.options.count


@dataclass(frozen=True)
class Job:
    """An accepted request: what was asked, how far it is, and what came of it. `run` is the start that accepted it.

    `attempts` counts how often the process ended while it was worked on. `picture` names the file of a picture that is
    painted, or of a film, and has not been shown yet. With an `ending`, only that is still to be said.
    """

    id: int
    state: JobState
    attempts: int
    created: datetime
    user_id: int
    guild_id: int | None
    channel_id: int
    locale: str
    filename: str
    author_id: int | None
    source_id: int | None
    attachment: AttachmentAddress | None
    asked: bool
    options: ImagineOptions
    heard: HeardSummary | None
    reply: ReplyAddress | None
    strip_of: int | None
    request_key: str | None
    run: int
    outcome: Outcome | None
    picture: str | None
    ending: Ending | None
    interaction: InteractionAddress | None
    origin: Origin | None
    story: Story | None

    @property
    def shown(self) -> HeardSummary | None:
        """What was heard in it, with what was said if that is painted."""
        return self.heard if self.heard is None or self.options.spoken_words else replace(self.heard, spoken=None)

    @property
    def speaker_id(self) -> int:
        """Who is taken to speak in the recording."""
        return self.user_id if self.author_id is None else self.author_id


@dataclass(frozen=True)
class Waiting:
    """A job that is not ended."""

    id: int
    attempts: int
    created: datetime
    run: int


@dataclass(frozen=True)
class GuildSettings:
    """What a server's moderators chose; None and empty stand for the bot's own defaults."""

    listening: Listening = Listening.EVERYWHERE
    channels: tuple[int, ...] = ()
    taken: Taken = Taken.SOUNDS
    style: Style | None = None
    seconds: float | None = None
    pictures_per_user_hour: int | None = None
    roles: tuple[int, ...] = field(default=())
    """Who may use the bot; empty: everybody."""
    own_words: OwnWords = OwnWords.EVERYONE
    own_words_roles: tuple[int, ...] = ()
    adapters: tuple[str, ...] | None = None
    """Which adapters may be chosen; None: all that there are."""
    log_channel: int | None = None
    """Where the moderators are told of reports."""
    language: str | None = None
    """What the bot's messages are said in, as a Discord locale; None: what the asker speaks, where that is known."""
    refused_words: tuple[str, ...] = ()
    """What is not painted in this server, beside what whoever runs the bot refuses everywhere."""
    speech: SpeechUse = SpeechUse.PAINTED
    speech_language: str | None = None
    """What is spoken there, as Whisper calls it; None: what whoever runs the bot says, or what it seems to be."""
    restricted_check: RestrictedCheck = RestrictedCheck.OFF
    films: Films = Films.MADE
    gallery: int | None = None
    """The channel that pictures are shared in."""
    gallery_stars: int = 0
    """So many people share a picture by marking it; 0: only the asker shares it."""


@dataclass(frozen=True)
class GalleryCopy:
    """A picture's copy in a server's gallery, the channel `gallery_id`; by the message that it is a copy of.

    Without a `copy_id` it is on its way there, where it is looked for by its `marker` among the messages after
    `after_id`; or `is_removed`: somebody has taken it out, and it does not come back. `parent_id` is the channel that
    the thread `channel_id` is in. For `user_id` it was painted, from a recording of `author_id`.
    """

    original_id: int
    channel_id: int
    parent_id: int | None
    guild_id: int
    job_id: int
    user_id: int
    author_id: int | None
    gallery_id: int
    marker: int
    after_id: int
    copy_id: int | None = None
    is_removed: bool = False

    @property
    def place(self) -> Place:
        """Where it is looked for."""
        return Place(self.gallery_id, self.guild_id, self.after_id, self.marker)
