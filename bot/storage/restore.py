"""Brings a backup back: whole or not at all, and without what was forgotten on request since it was made.

Everything is made ready beside what is there: unpacked, checked, brought up to date, forgotten anew; then all of it is
taken into use as one (`replacing.py`). What was there stays as a copy for a week.
"""

import filecmp
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import DatabaseError

from bot.storage import archive, copies, replacing
from bot.storage.archive import ArchiveUnusable
from bot.storage.backup import Installation, back_up, settings_text
from bot.storage.database import StoreUnusable
from bot.storage.forgotten import ListDamaged, merged, read_list, write_list
from bot.storage.keys import MarksBy, lay_keys
from bot.storage.lock import InstanceLock
from bot.storage.old_database import make_fit

SETTINGS_OF_THEN = "settings-of-the-backup.env"


@dataclass(frozen=True)
class Restored:
    """What became of a backup. `kept`: where that is which was there before. `forgotten`: how many requests, people and
    servers in it were forgotten again. `other_settings`: the names of the settings that are not as they were then.
    `marks_by`: which key marks pictures now."""

    kept: Path | None
    forgotten: int
    adapters: tuple[str, ...]
    other_settings: tuple[str, ...]
    marks_by: MarksBy


async def restore(file: Path, to: Installation, now: datetime, give_up_after: timedelta) -> Restored:
    """Bring the backup in `file` back. Raises StoreUnusable, also while a bot runs; then all is as it was."""
    async with InstanceLock(to.database.parent, wait_s=0):
        try:
            replacing.finish_replacing(to.database.parent)
            return _restore(file, to, now, now - give_up_after)
        except replacing.Unfinished as error:
            raise StoreUnusable(
                f"{file} is back but for what cannot be written now ({error}); mend that, and start the bot or run "
                "`imagine-sound-bot db upgrade`: either ends it."
            ) from error
        except ListDamaged as error:
            raise _unusable(file, f"the list of what was forgotten is damaged, in it or at {to.forgotten}") from error
        except OSError as error:
            raise _unusable(file, f"{error.filename}: {error.strerror}") from error
        except (ArchiveUnusable, StoreUnusable, DatabaseError, sqlite3.DatabaseError) as error:
            raise _unusable(file, str(error)) from error


def _unusable(file: Path, why: str) -> StoreUnusable:
    return StoreUnusable(f"{file} cannot be brought back: {why}. Nothing was changed.")


def _restore(file: Path, to: Installation, now: datetime, answered_since: datetime) -> Restored:
    with replacing.laid_ready(to.database.parent) as place:
        names = archive.unpack(file, place)
        chapters = merged(read_list(to.forgotten), read_list(place / archive.FORGOTTEN))
        forgotten = make_fit(place / archive.DATABASE, to.database, chapters, now, answered_since)
        if chapters:
            write_list(place / archive.FORGOTTEN, chapters)
        keys, marks_by = lay_keys(place, names, to.database.parent)
        targets = _targets(place, names, to) | keys
        other_settings = _other_settings(place, to)
        kept = _keep_present(to, targets, now)
        replacing.plan(place, targets)
    adapters = tuple(sorted(name for name in targets if name.startswith(archive.ADAPTERS)))
    return Restored(kept, forgotten, adapters, other_settings, marks_by)


def _other_settings(place: Path, to: Installation) -> tuple[str, ...]:
    """The names of those that differ. They are whoever runs the bot's to change, and are laid beside the database."""
    then = place / archive.SETTINGS
    if not then.exists():
        return ()
    before, today = (set(text.splitlines()) for text in (then.read_text("utf-8"), settings_text(to.settings)))
    return tuple(sorted({line.partition("=")[0] for line in before ^ today}))


def _targets(place: Path, names: frozenset[str], to: Installation) -> dict[str, Path]:
    """Where each file that was laid ready belongs; an adapter that is there already is left alone."""
    beside = {archive.WORDS: archive.WORDS, archive.FORGOTTEN: archive.FORGOTTEN, archive.SETTINGS: SETTINGS_OF_THEN}
    found = {name: Path(target) for name, target in beside.items() if (place / name).exists()}
    for name in names:
        if name.startswith(archive.ADAPTERS):
            target = to.adapters_dir.absolute() / name.removeprefix(archive.ADAPTERS)
            if not target.is_file() or not filecmp.cmp(place / name, target, shallow=False):
                found[name] = target
    return found | {archive.DATABASE: Path(to.database.name)}


def _keep_present(to: Installation, replaced: Mapping[str, Path], now: datetime) -> Path | None:
    """A copy of what is there: a backup, or of a database that cannot be read its files as they are."""
    if not to.database.is_file():
        return None
    folder, stem = copies.folder_of(to.database), f"before-restore-{now.astimezone():%Y-%m-%d-%H%M%S}"
    adapters = {name: path for name, path in to.adapters().items() if name in replaced}
    kept = folder / f"{stem}.zip"
    try:
        back_up(to, kept, adapters)
    except StoreUnusable:
        kept = folder / f"{stem}.sqlite3"
        with copies.room_for(to.database) as room:
            for ending in ("", *replacing.JOURNALS):
                there = to.database.with_name(to.database.name + ending)
                if there.is_file():
                    made = room / f"copy{ending}"
                    made.write_bytes(there.read_bytes())
                    copies.take_in(made, kept.with_name(kept.name + ending))
    return kept
