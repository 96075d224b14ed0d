"""A model that was found: its name, where it lies, and why that one. It never opens a model."""

from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path

MINIATURE_PAINTER = "playground-mini"


class Origin(StrEnum):
    """Where a model was found."""

    SETTING = "setting"
    CACHE = "cache"
    DOWNLOAD = "download"
    HUB = "hub"
    PACKAGE = "package"
    BUNDLED = "bundled"


@dataclass(frozen=True)
class LocatedModel:
    """A model that can be loaded. `source` is a path, or a hub name for a model that the hub's client fetches.

    `revision` is the hub's, None for the newest.
    """

    name: str
    source: str
    origin: Origin
    why: str
    revision: str | None = None

    @property
    def path(self) -> Path:
        """`source` as a path."""
        return Path(self.source)

    @property
    def is_miniature(self) -> bool:
        """Whether it is one of the small ones that come with the package."""
        return self.origin is Origin.BUNDLED


def miniature_path(directory: str) -> Path:
    """Where a bundled model lies."""
    return Path(str(resources.files("core"))) / "miniatures" / directory


def bundled_painter() -> Path:
    """The directory of the miniature that paints."""
    return miniature_path(MINIATURE_PAINTER)
