"""Recording in, stream of a story's events out: heard once, painted scene by scene, filmed.

It asks the engine for everything but the cut and the film, and knows nothing of who asks.
"""

import asyncio
import logging
import secrets
import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from PIL.Image import Image

from core.engine import Engine
from core.errors import InvalidOptions, NothingHeard, PaintingError, PictureBlocked
from core.generation.protocol import MAX_SEED, Painted
from core.options import ImagineOptions, PictureCheck
from core.stories.events import (
    Cut,
    Film,
    Filmed,
    Filming,
    SceneLost,
    ScenePainted,
    ScenePaints,
    StoryEvent,
    StoryScene,
)
from core.stories.film import FilmOptions, Shot, make_film
from core.stories.scenes import Listening, scenes_of
from core.stories.soundtrack import extract
from core.stories.workplace import workplace
from core.telling import can_be_painted, check_words, labels_in_recipe
from core.threads import in_daemon_thread, yield_to_others

log = logging.getLogger(__name__)

SHORTEST_FILM_S = 1.0
"""What is shorter ends in silence."""
TRIES = 2
"""So often a scene is tried before it is lost."""
STOPPING_S = 5.0
"""How long a thread that was told to stop is waited for."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class StoryOptions:
    """What somebody chose for a story: `imagine` for its pictures, of which one seed and one style are for all.

    The film is no larger than `max_bytes`. `captions`: whether each scene's title is written into the picture.
    `painted` are pictures of scenes that were painted before a restart, by number: with the same recording, options
    and seed these are not painted again, and no event comes of them.
    """

    imagine: ImagineOptions = field(default_factory=ImagineOptions)
    max_bytes: int | None = None
    captions: bool = False
    painted: Mapping[int, Image] = field(default_factory=dict)


async def tell(
    engine: Engine,
    recording: bytes | Path,
    options: StoryOptions,
    *,
    user: str = "",
    refuses: Callable[[str], bool] = lambda text: False,
    allows_words: Callable[[], bool] = lambda: True,
    check: PictureCheck | None = None,
) -> AsyncGenerator[StoryEvent, None]:
    """The story of `recording`: see `events.py`. Its film lies in a directory that is removed when the stream ends.

    `refuses`, `allows_words`, `check`: see Engine.imagine. Raises as that does, and StoryError where the film cannot be
    made.
    """
    seed = secrets.randbelow(MAX_SEED) if options.imagine.seed is None else options.imagine.seed
    imagine = replace(options.imagine, seed=seed, near=None, count=1, prompt=None, said=None)
    check_words(refuses, imagine.negative_prompt)
    async with workplace() as directory:
        cut, sound = await _cut(Listening(engine, imagine, user, refuses, allows_words), recording, directory)
        check_words(refuses, *(text for scene in cut.scenes for text in (scene.title, scene.prompt.text)))
        yield cut
        teller = _Teller(engine, cut.scenes, imagine, user, check, dict(options.painted))
        async with aclosing(teller.paint()) as events:
            async for event in events:
                yield event
        if not teller.model:  # all was painted before a restart
            teller.model = (await engine.info()).model
        async with aclosing(_film(teller, sound, directory / "story.mp4", options)) as frames:
            async for frame in frames:
                yield frame


async def _cut(listening: Listening, recording: bytes | Path, directory: Path) -> tuple[Cut, Path]:
    """What was heard, in scenes, and its sound."""
    engine, options = listening.engine, listening.options
    heard = await engine.hear(recording, options, longest_s=engine.settings.story_seconds)
    if not can_be_painted(heard.summary, options):
        raise NothingHeard
    clip, sound = heard.clip, directory / "sound.wav"
    duration_s = max(clip.duration_s, SHORTEST_FILM_S)
    limits = engine.settings.audio_limits
    await _in_thread(
        lambda stop: extract(recording, sound, begins_s=clip.begins_s, seconds=duration_s, limits=limits, stop=stop)
    )
    scenes = await scenes_of(listening, heard, sound)
    scenes = (*scenes[:-1], replace(scenes[-1], ends_s=duration_s))
    assert options.seed is not None
    return Cut(scenes, duration_s, options.seed, clip.begins_s, clip.shortened), sound


class _Teller:
    """Paints the scenes one after the other; `images` are those that are there, by number."""

    def __init__(
        self,
        engine: Engine,
        scenes: Sequence[StoryScene],
        options: ImagineOptions,
        user: str,
        check: PictureCheck | None,
        images: dict[int, Image],
    ) -> None:
        self.scenes = scenes
        self.images = images
        self.model = ""
        """What painted, as recipes name it; empty where all was painted before."""
        self._engine = engine
        self._options = options
        self._user = user
        self._check = check

    async def paint(self) -> AsyncGenerator[ScenePaints | ScenePainted | SceneLost, None]:
        """All that are not painted yet; raises the last error where none could be painted at all."""
        lost: SceneLost | None = None
        for number in range(len(self.scenes)):
            if number in self.images:
                continue
            async with aclosing(self._scene(number)) as events:
                async for event in events:
                    lost = event if isinstance(event, SceneLost) else lost
                    yield event
        if not self.images and lost is not None:
            raise lost.error

    async def _scene(self, number: int) -> AsyncGenerator[ScenePaints | ScenePainted | SceneLost, None]:
        for tries_left in reversed(range(TRIES)):
            try:
                async with aclosing(self._painting(number)) as events:
                    async for event in events:
                        yield event
                return
            except InvalidOptions:  # no scene can be painted so
                raise
            except PaintingError as error:
                if tries_left == 0 or isinstance(error, PictureBlocked):
                    log.warning("a scene of a story could not be painted: %s", error)
                    yield SceneLost(number, error)
                    return

    async def _painting(self, number: int) -> AsyncGenerator[ScenePaints | ScenePainted, None]:
        scene = self.scenes[number]
        events = self._engine.paint(
            scene.prompt, self._options, heard=labels_in_recipe(scene.top), user=self._user, check=self._check
        )
        async with aclosing(events):
            async for event in events:
                match event:
                    case Painted(picture):
                        self.images[number] = picture.image
                        self.model = picture.recipe.model
                        yield ScenePainted(number, event)
                    case _:
                        yield ScenePaints(number, event)  # type: ignore[arg-type]

    def shown(self) -> tuple[StoryScene, ...]:
        """The scenes that are painted, each up to the next of them, the first from the beginning."""
        numbers = sorted(self.images)
        begins = [0.0, *(self.scenes[number].begins_s for number in numbers[1:])]
        ends = [*begins[1:], self.scenes[-1].ends_s]
        return tuple(
            replace(self.scenes[number], begins_s=begin, ends_s=end)
            for number, begin, end in zip(numbers, begins, ends, strict=True)
        )


async def _film(
    teller: _Teller, sound: Path, target: Path, options: StoryOptions
) -> AsyncGenerator[Filming | Filmed, None]:
    scenes = teller.shown()
    images = [teller.images[number] for number in sorted(teller.images)]
    duration_s = scenes[-1].ends_s
    shots = [
        Shot(image, scene.begins_s, scene.ends_s, scene.title, scene.balance)
        for image, scene in zip(images, scenes, strict=True)
    ]
    title = " · ".join(scene.title for scene in scenes)
    wanted = FilmOptions(title, teller.model, options.max_bytes, options.captions)
    loop = asyncio.get_running_loop()
    made: asyncio.Queue[float | None] = asyncio.Queue()

    def tell_made(seconds: float) -> None:
        loop.call_soon_threadsafe(made.put_nowait, seconds)

    def work(stop: threading.Event) -> tuple[int, int]:
        yield_to_others()
        return make_film(shots, sound, target, wanted, progress=tell_made, stop=stop)

    task = asyncio.create_task(_in_thread(work), name="film")
    task.add_done_callback(lambda _: made.put_nowait(None))
    try:
        while (seconds := await made.get()) is not None:
            yield Filming(seconds, duration_s)
        size = await task
    finally:
        task.cancel()
        await asyncio.wait((task,))
    yield Filmed(Film(target, images[0], scenes, duration_s, size))


async def _in_thread(work: Callable[[threading.Event], Result]) -> Result:
    """`work` in a thread of its own, which is told to stop, and waited for, where nobody waits any more."""
    stop = threading.Event()
    future = asyncio.wrap_future(in_daemon_thread(partial(work, stop), "story"))
    try:
        return await asyncio.shield(future)
    finally:
        stop.set()
        await asyncio.wait((future,), timeout=STOPPING_S)
