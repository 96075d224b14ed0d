"""A story for tests: told as `core.stories.story.tell` tells them, at once or when it may go on, without any model."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from simcord.env import Env

from core.engine import Engine
from core.errors import PaintingError
from core.generation.protocol import Note, Painted, Painting, Picture, Queued
from core.hearing.categories import TopCategory
from core.options import PictureCheck
from core.prompting.prompt import Prompt
from core.prompting.scene import Scene
from core.recipe import Recipe
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
from core.stories.story import StoryOptions

COLOURS = ("teal", "orange", "purple", "olive")
CUT, FILM = -1, 99
"""What may be held beside a scene by its number."""


@dataclass(frozen=True)
class Told:
    """One telling: what was asked for."""

    recording: bytes
    options: StoryOptions
    user: str
    painted: tuple[int, ...]
    refuses: Callable[[str], bool]
    check: PictureCheck | None


class ScriptedStory:
    """Tells of `labels`, a scene each of 5 s. What is in `held` waits until `go_on`."""

    def __init__(self) -> None:
        self.env: Env | None = None
        self.labels = ["Dog", "Rain", "Siren"]
        self.told: list[Told] = []
        self.painted: list[int] = []
        """The numbers of all scenes that were painted, in order, over all tellings."""
        self.lost: set[int] = set()
        self.errors: dict[int, Exception] = {}
        self.notes: tuple[Note, ...] = ()
        self.film = b"a film"
        self.directories: list[Path] = []
        self._held: dict[int, asyncio.Event] = {}

    def hold(self, stage: int) -> None:
        """Wait at this scene, at the CUT or at the FILM."""
        self._held[stage] = asyncio.Event()

    def go_on(self) -> None:
        """Nothing is held any more."""
        for gate in self._held.values():
            gate.set()
        self._held.clear()

    def hold_no_other(self) -> None:
        """What is held stays so for whoever waits, and for nobody who comes later: they wait in a process that ends."""
        self._held.clear()

    async def tell(
        self,
        engine: Engine,
        recording: bytes | Path,
        options: StoryOptions,
        *,
        user: str = "",
        refuses: Callable[[str], bool] = lambda text: False,
        allows_words: Callable[[], bool] = lambda: True,
        check: PictureCheck | None = None,
    ) -> AsyncGenerator[StoryEvent, None]:
        data = recording if isinstance(recording, bytes) else await asyncio.to_thread(recording.read_bytes)
        there = dict(options.painted)
        self.told.append(Told(data, options, user, tuple(sorted(there)), refuses, check))
        with tempfile.TemporaryDirectory() as directory:
            self.directories.append(Path(directory))
            await self._pass(CUT)
            scenes = tuple(_scene(number, label) for number, label in enumerate(self.labels))
            yield Cut(scenes, scenes[-1].ends_s, options.imagine.seed or 0)
            for number, scene in enumerate(scenes):
                if number not in there:
                    async for event in self._paint(number, scene, options.imagine.seed or 0):
                        yield event
            yield Filming(2.0, scenes[-1].ends_s)
            await self._pass(FILM)
            path = Path(directory) / "story.mp4"
            path.write_bytes(self.film)
            poster = Image.new("RGB", (64, 64))
            yield Filmed(Film(path, poster, scenes, scenes[-1].ends_s, (64, 64)))

    async def _paint(self, number: int, scene: StoryScene, seed: int) -> AsyncGenerator[StoryEvent, None]:
        yield ScenePaints(number, Queued(1))
        yield ScenePaints(number, Painting(0, 4))
        yield ScenePaints(number, Painting(2, 4, b"preview"))
        await self._pass(number)
        if number in self.lost:
            yield SceneLost(number, PaintingError())
            return
        recipe = Recipe(scene.prompt, seed, 4, 3.0, (64, 64), "scripted", "1", None, ())
        image = Image.new("RGB", (64, 64), COLOURS[number % len(COLOURS)])
        self.painted.append(number)
        yield ScenePainted(number, Painted(Picture(image, recipe, 1.5, False, self.notes)))

    async def _pass(self, stage: int) -> None:
        gate = self._held.get(stage)
        if gate is not None:
            assert self.env is not None
            await self.env.external_wait(gate.wait(), reason="storyteller")
        if stage in self.errors:
            raise self.errors[stage]


def _scene(number: int, label: str) -> StoryScene:
    top = (TopCategory(label, 0.9, 1.0, 0, 0.0, certainty=0.9),)
    return StoryScene(5.0 * number, 5.0 * (number + 1), label, top, Scene(()), Prompt(label.lower(), ""))
