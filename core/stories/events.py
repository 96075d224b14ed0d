"""The stream of a story: Cut, then ScenePaints, ScenePainted or SceneLost for each scene, Filming, and last Filmed.

What of it outlives the stream is the Film; nothing here knows who reads.
"""

from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from core.errors import ImagineSoundError
from core.generation.protocol import Loading, Painted, Painting, Queued
from core.hearing.categories import TopCategory
from core.prompting.prompt import Prompt
from core.prompting.scene import Scene


@dataclass(frozen=True)
class StoryScene:
    """What is heard from `begins_s` to `ends_s`, in seconds of the film, and how it is told.

    `title` is a short English name. `words` are what somebody said in it, where they are seen in the picture.
    `balance` is where it sounds from: -1 left, 0 the middle, 1 right.
    """

    begins_s: float
    ends_s: float
    title: str
    top: tuple[TopCategory, ...]
    scene: Scene
    prompt: Prompt
    words: str = ""
    balance: float = 0.0


@dataclass(frozen=True)
class Cut:
    """The recording was heard and is cut into `scenes`; one scene alone is but a short, moving picture.

    The film is `duration_s` long and begins at `begins_s` of the recording, which was longer where `shortened` says so.
    `seed` is that of all pictures.
    """

    scenes: tuple[StoryScene, ...]
    duration_s: float
    seed: int
    begins_s: float = 0.0
    shortened: bool = False


@dataclass(frozen=True)
class ScenePaints:
    """What `event` says of scene `number`, from 0."""

    number: int
    event: Loading | Queued | Painting


@dataclass(frozen=True)
class ScenePainted:
    """Scene `number` is painted."""

    number: int
    painted: Painted


@dataclass(frozen=True)
class SceneLost:
    """Scene `number` could not be painted, twice; the picture beside it stands in for it. `error` says why."""

    number: int
    error: ImagineSoundError


@dataclass(frozen=True)
class Filming:
    """So many seconds of the film are made."""

    done_s: float
    of_s: float


@dataclass(frozen=True)
class Film:
    """An MP4 at `path`, with its `poster`; `scenes` are its chapters, in order, without those that were lost.

    `size`: width and height in pixels.
    """

    path: Path
    poster: Image
    scenes: tuple[StoryScene, ...]
    duration_s: float
    size: tuple[int, int]


@dataclass(frozen=True)
class Filmed:
    """The film is there, until the stream is closed; nothing follows."""

    film: Film


StoryEvent = Cut | ScenePaints | ScenePainted | SceneLost | Filming | Filmed
