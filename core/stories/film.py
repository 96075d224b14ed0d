"""Pictures and a sound become an MP4: the camera's frames go to the encoder one by one, whatever the film's length.

It knows neither how the pictures were painted nor what was heard, and blocks: asyncio calls it in a thread.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image


@dataclass(frozen=True)
class Shot:
    """One picture and when it is seen, in seconds of the film; shots follow each other without gaps.

    `title` names its chapter. `balance`: where it sounds from, -1 left to 1 right; the camera leans there.
    """

    image: Image
    begins_s: float
    ends_s: float
    title: str = ""
    balance: float = 0.0


@dataclass(frozen=True)
class FilmOptions:
    """`title` and the `model` that painted go into the film's metadata; it is no larger than `max_bytes`.

    `captions`: whether each shot's title is written into the picture.
    """

    title: str
    model: str
    max_bytes: int | None = None
    captions: bool = False


def make_film(
    shots: Sequence[Shot],
    sound: Path,
    target: Path,
    options: FilmOptions,
    *,
    progress: Callable[[float], None],
    stop: threading.Event,
) -> tuple[int, int]:
    """Write the film of `shots` under the WAV `sound` to `target`; returns its width and height in pixels.

    `progress` is told how many seconds are made. Raises FilmFailed, FilmTooLarge, NoSpaceForFilm; Cancelled once `stop`
    is set. Where it raises there is no `target`.
    """
    raise NotImplementedError
