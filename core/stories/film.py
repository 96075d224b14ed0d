"""Pictures and a sound become an MP4: the camera's frames go to the encoder one by one, whatever the film's length.

It knows neither how the pictures were painted nor what was heard, and blocks: asyncio calls it in a thread.
"""

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from core import __version__
from core.errors import Cancelled, FilmFailed, StoryError
from core.hearing.decoding.walls import Workshop
from core.provenance.mp4_xmp import append_xmp
from core.provenance.xmp import made_by
from core.stories.budget import VideoBudget, most_bytes, too_large, video_budget
from core.stories.camera import Shot, film_size, frames
from core.stories.captions import plate, write
from core.stories.chapters import as_ffmetadata
from core.stories.encoder import Encoder, telling_of_full_disks
from core.stories.loudness import level

log = logging.getLogger(__name__)

FPS = 12
_QUALITY = 23
"""x264's constant quality (crf), where there is room for it."""
_LOOKAHEAD = 10
"""Frames that x264 holds to decide; with more it needs more memory, and the films look the same."""
_MEMORY, _PIXEL_MEMORY = 96 << 20, 160
"""Bytes of data that the encoder may have, and how many more for each pixel of a frame: 175 MiB at 720x720, where it
works from 120 on, and 237 at 1280x720, where it works from 163 on."""
_KEYFRAME_FRAMES = 5 * FPS
_SECOND_TRY = 0.8
"""Of the first rate."""
_COLOURS = ("-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709", "-color_range", "tv")
_TO_YUV = (
    "scale=out_color_matrix=bt709:out_range=tv:flags=bicubic+accurate_rnd+full_chroma_int,format=yuv420p,"
    "setparams=color_primaries=bt709:color_trc=bt709"
)


@dataclass(frozen=True)
class FilmOptions:
    """`title` and `model`, which painted the pictures, are written into the file, which is `max_bytes` large at most.

    `captions`: whether each shot's title is written into its picture.
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
    try:
        with (
            telling_of_full_disks(),
            tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as folder,
        ):
            making = _Making(shots, options, Path(folder), stop)
            made = making.make(sound, progress)
            if stop.is_set():
                raise Cancelled
            made.replace(target)
            return making.size
    except (StoryError, Cancelled):
        raise
    except Exception as error:
        log.exception("no film")
        raise FilmFailed from error


class _Making:
    """One film on its way, in a folder of its own."""

    def __init__(self, shots: Sequence[Shot], options: FilmOptions, folder: Path, stop: threading.Event) -> None:
        self.size = film_size(shots[0].image)
        self._shots = shots
        self._options = options
        self._folder = folder
        self._frame_count = max(1, round(shots[-1].ends_s * FPS))
        self._seconds = self._frame_count / FPS
        self._stop = stop
        memory = _MEMORY + _PIXEL_MEMORY * self.size[0] * self.size[1]
        self._encoder = Encoder(Workshop(folder, memory, most_bytes(self._seconds)), self._seconds, stop)

    def make(self, sound: Path, progress: Callable[[float], None]) -> Path:
        """The finished file."""
        most = self._options.max_bytes
        audio, film = self._folder / "sound.m4a", self._folder / "film.mp4"
        level(self._encoder, sound, audio, self._seconds, most)
        text = as_ffmetadata(self._options.title, self._shots)
        (self._folder / "titles.txt").write_text(text, encoding="utf-8", newline="\n")
        budget = video_budget(audio.stat().st_size, self._seconds, FPS, most)
        for share in (1.0, _SECOND_TRY):
            rates = VideoBudget(int(budget.rate * share), int(budget.buffer * share))
            self._encoder.feed(self._frames(progress), self._arguments(rates))
            append_xmp(film, made_by(self._options.model, f"imagine-sound {__version__}"))
            if most is None or film.stat().st_size <= most:
                return film
            log.warning("the film has %d bytes of %d with %s", film.stat().st_size, most, rates)
        assert most is not None
        raise too_large(most)

    def _frames(self, progress: Callable[[float], None]) -> Iterator[bytes]:
        """Each frame as RGB bytes. A frame shows the middle of its time, so that fades are symmetrical."""
        plates = [plate(shot.title, self.size) if self._options.captions else None for shot in self._shots]

        def finish(number: int, picture: Image) -> None:
            if (shown := plates[number]) is not None:
                write(shown, picture)

        times_s = ((number + 0.5) / FPS for number in range(self._frame_count))
        for number, frame in enumerate(frames(self._shots, self.size, times_s, finish), 1):
            if self._stop.is_set():
                raise Cancelled
            yield frame.tobytes()
            if number % FPS == 0 or number == self._frame_count:
                progress(number / FPS)

    def _arguments(self, budget: VideoBudget) -> list[str]:
        width, height = self.size
        frames_come = ("-thread_queue_size", "1", "-f", "rawvideo", "-pixel_format", "rgb24", "-video_size")
        x264 = f"threads=1:rc-lookahead={_LOOKAHEAD}:sync-lookahead=0"
        return [
            *("-protocol_whitelist", "pipe", *frames_come, f"{width}x{height}", "-framerate", str(FPS), "-i", "pipe:0"),
            *("-protocol_whitelist", "file", "-f", "mov", "-i", f"file:{self._folder / 'sound.m4a'}"),
            *("-protocol_whitelist", "file", "-f", "ffmetadata", "-i", f"file:{self._folder / 'titles.txt'}"),
            *("-map", "0:v", "-map", "1:a", "-map_metadata", "2", "-map_chapters", "2", "-vf", _TO_YUV),
            *("-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-g", str(_KEYFRAME_FRAMES)),
            *("-crf", str(_QUALITY), "-maxrate", str(budget.rate), "-bufsize", str(budget.buffer)),
            *("-x264-params", x264, *_COLOURS, "-c:a", "copy"),
            *("-movflags", "+faststart", "-f", "mp4", f"file:{self._folder / 'film.mp4'}"),
        ]


__all__ = ["FPS", "FilmOptions", "Shot", "make_film"]
