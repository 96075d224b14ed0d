"""A story for those who show stories: three scenes and a film that is none, at once or when told to."""

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from core.engine import Engine
from core.errors import ImagineSoundError
from core.generation.protocol import Loading, Note, Painted, Painting, Picture, Queued
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

TITLES = ("Birdsong", "Siren", "Thunderstorm")
SCENE_S = 5.0


@dataclass
class ScriptedStory:
    """Stands in for core.stories.story.tell. It waits at "painting", "filming" or "filmed" for what `gates` has there;
    `errors` has what comes instead of them. Scene `lost` is not painted;
    the others have `notes`.
    """

    gates: dict[str, asyncio.Event] = field(default_factory=dict)
    errors: dict[str, ImagineSoundError] = field(default_factory=dict)
    lost: int | None = None
    notes: tuple[Note, ...] = ()
    content: bytes = b"a film"
    asked: list[tuple[bytes, StoryOptions]] = field(default_factory=list)
    ended: int = 0
    directory: Path | None = None

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
        data = recording if isinstance(recording, bytes) else recording.read_bytes()  # noqa: ASYNC240 - a test's file
        self.asked.append((data, options))
        self.directory = Path(tempfile.mkdtemp())
        try:
            async for event in self._events(self.directory):
                yield event
        finally:
            shutil.rmtree(self.directory)
            self.ended += 1

    async def _events(self, directory: Path) -> AsyncGenerator[StoryEvent, None]:
        scenes = tuple(scene(number, title) for number, title in enumerate(TITLES))
        length = scenes[-1].ends_s
        await self._pass("cut")
        yield Cut(scenes, length, 7, begins_s=65.0, shortened=True)
        for number, each in enumerate(scenes):
            yield ScenePaints(number, Loading())
            yield ScenePaints(number, Queued(1))
            yield ScenePaints(number, Painting(2, 4))
            await self._pass("painting")
            if number == self.lost:
                yield SceneLost(number, ImagineSoundError("The painter has no more paint."))
            else:
                yield ScenePainted(number, Painted(picture(each, self.notes)))
        yield Filming(4.2, length)
        await self._pass("filming")
        yield Filming(length, length)
        path = directory / "film.mp4"
        path.write_bytes(self.content)
        await self._pass("filmed")
        yield Filmed(Film(path, Image.new("RGB", (64, 64), "teal"), scenes, length, (64, 64)))

    async def _pass(self, gate: str) -> None:
        if gate in self.gates:
            await self.gates[gate].wait()
        if gate in self.errors:
            raise self.errors[gate]


def scene(number: int, title: str) -> StoryScene:
    """The scene of that number."""
    prompt = Prompt(f"{title.lower()}, painted", "")
    return StoryScene(number * SCENE_S, (number + 1) * SCENE_S, title, (), Scene(()), prompt)


def picture(told: StoryScene, notes: tuple[Note, ...] = ()) -> Picture:
    """Its picture."""
    recipe = Recipe(told.prompt, 7, 4, 3.0, (64, 64), "scripted", "1", None, ())
    return Picture(Image.new("RGB", (64, 64), "teal"), recipe, 1.5, notes=notes)


def real_film(size: tuple[int, int], seconds: float) -> bytes:
    """A film that browsers play, with a tone."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "film.mp4"
        pictures = f"testsrc=s={size[0]}x{size[1]}:r=12:d={seconds}"
        tone = f"sine=f=440:d={seconds}"
        made = ["-f", "lavfi", "-i", pictures, "-f", "lavfi", "-i", tone]
        encoded = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart"]
        subprocess.run([get_ffmpeg_exe(), "-v", "error", *made, *encoded, str(path)], check=True, timeout=60)
        return path.read_bytes()
