"""Recording in, stream of a story's events out: heard once, painted scene by scene, filmed.

It asks the engine for everything but the cut and the film, and knows nothing of who asks.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL.Image import Image

from core.engine import Engine
from core.options import ImagineOptions, PictureCheck
from core.stories.events import StoryEvent


@dataclass(frozen=True)
class StoryOptions:
    """What somebody chose for a story: `imagine` for its pictures, of which one seed and one style are for all.

    The film is no larger than `max_bytes`. `captions`: whether each scene's title is written into the picture.
    """

    imagine: ImagineOptions = field(default_factory=ImagineOptions)
    max_bytes: int | None = None
    captions: bool = False


async def tell(
    engine: Engine,
    recording: bytes | Path,
    options: StoryOptions,
    *,
    user: str = "",
    painted: Mapping[int, Image] | None = None,
    refuses: Callable[[str], bool] = lambda text: False,
    check: PictureCheck | None = None,
) -> AsyncGenerator[StoryEvent, None]:
    """The story of `recording`: see `events.py`. Its film lies in a directory that is removed when the stream ends.

    `painted` are pictures of scenes that were painted before a restart, by number: with the same recording, options
    and seed these are not painted again, and no event comes of them. `refuses`, `check`: see Engine.imagine. Raises as
    Engine.imagine does, and StoryError where the film cannot be made.
    """
    raise NotImplementedError
    yield
