"""The scenes of a story under way: what of them is painted, and what is shown until the film is there.

It knows neither the store nor Discord. What takes long here blocks: run it in a thread.
"""

import io
from collections.abc import Iterable, Mapping, Sequence

from PIL.Image import Image

from bot.storage.story import PaintedScene, ToldScene
from core.checker import COVERED
from core.events import HeardSummary
from core.generation.protocol import Painting, Picture
from core.hearing.categories import TopCategory
from core.pictures import read_image
from core.prompting.prompt import Prompt
from core.stories.events import Cut

SMALL = (384, 384)
"""Pixels of what is shown of a scene until the film is there."""
HARDLY_S = 0.5
"""Scenes that begin within so many seconds are the same."""


class Scenes:
    """What is known of the scenes of one story, by their numbers."""

    def __init__(self) -> None:
        self.pictures: dict[int, Picture] = {}
        self.lost: set[int] = set()
        self._shown: dict[int, tuple[str, bytes]] = {}

    def note_step(self, number: int, event: Painting) -> None:
        """Show the newest preview of a scene."""
        if event.preview is not None:
            self._shown[number] = f"preview-{number + 1}-{event.step}.jpg", event.preview

    def add(self, number: int, picture: Picture) -> None:
        """A scene is painted. It is shown, unless it is to be covered. Blocks."""
        self.pictures[number] = picture
        self.lost.discard(number)
        self._shown.pop(number, None)
        if COVERED not in picture.notes:
            self._shown[number] = f"preview-{number + 1}.jpg", _small(picture.image)

    def lose(self, number: int) -> None:
        """A scene could not be painted."""
        self.lost.add(number)
        self._shown.pop(number, None)

    @property
    def images(self) -> Mapping[int, Image]:
        """The pictures of those that are painted."""
        return {number: picture.image for number, picture in self.pictures.items()}

    @property
    def previews(self) -> dict[str, bytes]:
        """What is shown of each, by file name, in order."""
        return dict(self._shown[number] for number in sorted(self._shown))


def painted_scene(number: int, picture: Picture) -> PaintedScene:
    """What is written down of a scene's picture, beside its file."""
    return PaintedScene(number, picture.recipe, picture.seconds, picture.is_miniature, picture.notes)


def painted_before(scene: PaintedScene, data: bytes) -> Picture:
    """The picture of which `scene` was written down, from its file. Blocks."""
    return Picture(read_image(data), scene.recipe, scene.seconds, scene.is_miniature, scene.notes)


def as_png(image: Image) -> bytes:
    """A scene's picture as it is, to go on with after a restart. Blocks."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def told_scenes(cut: Cut) -> tuple[ToldScene, ...]:
    """What its message tells of the scenes."""
    return tuple(
        ToldScene(scene.begins_s, scene.ends_s, scene.title, scene.top, is_said=bool(scene.words))
        for scene in cut.scenes
    )


def is_cut_so(cut: Cut, scenes: Sequence[ToldScene]) -> bool:
    """Whether it is cut into `scenes`, as near as one could hear."""
    return len(cut.scenes) == len(scenes) and all(
        abs(one.begins_s - other.begins_s) < HARDLY_S for one, other in zip(cut.scenes, scenes, strict=True)
    )


def summary_of(cut: Cut) -> HeardSummary:
    """What was heard in the whole of it, without its windows and words."""
    return HeardSummary(
        title=cut.scenes[0].title,
        top=_surest(category for scene in cut.scenes for category in scene.top),
        windows=(),
        duration_s=cut.duration_s,
        prompt=Prompt("", ""),
        style=None,
        shortened=cut.shortened,
        begins_s=cut.begins_s,
    )


def _surest(heard: Iterable[TopCategory]) -> tuple[TopCategory, ...]:
    """Each label once, as sure as it ever is, the surest first."""
    best: dict[str, TopCategory] = {}
    for category in heard:
        if category.name not in best or category.certainty > best[category.name].certainty:
            best[category.name] = category
    return tuple(sorted(best.values(), key=lambda category: -category.certainty))


def _small(image: Image) -> bytes:
    small, buffer = image.convert("RGB"), io.BytesIO()
    small.thumbnail(SMALL)
    small.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
