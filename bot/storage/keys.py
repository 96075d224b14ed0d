"""Which key marks pictures after a restore, and what becomes of the others: none that has marked anything is lost.

It lays files ready, and knows neither archives nor how files are taken into use. Everything here blocks.
"""

import shutil
from collections.abc import Collection
from enum import Enum, auto
from pathlib import Path

from bot.storage.archive import ArchiveUnusable
from core.provenance.key_file import KEY_FILE, former_name, is_name, is_sound, key_in

DAMAGED = f"{KEY_FILE}.damaged"
_FROM_HERE = "here-"
"""What files of this installation are called in the folder of those that are laid ready."""


class MarksBy(Enum):
    """Which key marks pictures once a backup is back."""

    SAME = auto()
    OF_THE_BACKUP = auto()
    OF_THE_BACKUP_NOW = auto()
    """Another one marked until now."""
    STILL_THE_PRESENT = auto()
    """There is none in the backup."""
    A_NEW_ONE = auto()
    """There is none anywhere."""


def lay_keys(place: Path, names: Collection[str], directory: Path) -> tuple[dict[str, Path], MarksBy]:
    """Where each key among `names` in `place` belongs, and the one in `directory` that it replaces.

    Raises ArchiveUnusable for a damaged one in the backup, OSError.
    """
    targets: dict[str, Path] = {}
    for name in filter(is_name, names):
        if not is_sound(place / name) or name not in (KEY_FILE, former_name(key_in(place / name))):
            raise ArchiveUnusable(f"its {name}, a key for marking pictures, is damaged")
        if not _is_here(directory / name, key_in(place / name).name):
            targets[name] = Path(name)
    here = directory / KEY_FILE
    if KEY_FILE not in names:
        return targets, MarksBy.STILL_THE_PRESENT if here.is_file() else MarksBy.A_NEW_ONE
    if KEY_FILE not in targets:
        return targets, MarksBy.SAME
    if not here.is_file():
        return targets, MarksBy.OF_THE_BACKUP
    shutil.copyfile(here, place / f"{_FROM_HERE}{KEY_FILE}")
    targets[f"{_FROM_HERE}{KEY_FILE}"] = Path(_kept_as(here))
    return targets, MarksBy.OF_THE_BACKUP_NOW


def _is_here(path: Path, name: str) -> bool:
    return is_sound(path) and key_in(path).name == name


def _kept_as(path: Path) -> str:
    return former_name(key_in(path)) if is_sound(path) else DAMAGED
