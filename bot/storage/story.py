"""What the bot remembers of a story, as plain values: how it is cut, and which of its scenes are painted.

They know neither Discord's objects nor the database; `stories.py` keeps them.
"""

from dataclasses import dataclass

from core.generation.protocol import Note
from core.hearing.categories import TopCategory
from core.recipe import Recipe


@dataclass(frozen=True)
class ToldScene:
    """A scene as its message tells it: in seconds of the film, with what is heard in it.

    `is_said`: its `title` is the scene of what somebody says, which is painted.
    """

    begins_s: float
    ends_s: float
    title: str
    top: tuple[TopCategory, ...]
    is_said: bool = False


@dataclass(frozen=True)
class PaintedScene:
    """A scene that is painted: its number, from 0, and what its picture's file does not hold."""

    number: int
    recipe: Recipe
    seconds: float
    is_miniature: bool
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Story:
    """How far a story is; limits count it as `most` pictures until its scenes are known.

    The scenes `lost` could not be painted.
    """

    most: int = 0
    scenes: tuple[ToldScene, ...] = ()
    painted: tuple[PaintedScene, ...] = ()
    lost: tuple[int, ...] = ()


NOT_BEGUN = Story()
