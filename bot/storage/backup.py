"""Backups: everything that whoever runs the bot would miss, in one file; by hand, and one each night.

The bot may run meanwhile. What is in the file is `archive.py`'s business, how it is brought back `restore.py`'s.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from bot.storage import archive, copies
from bot.storage.database import StoreUnusable
from bot.storage.forgotten import ListDamaged, read_list, render
from bot.storage.maintenance import connected
from core import __version__
from core.adapter_files import find_adapters
from core.fetching import free_bytes
from core.provenance import key_file

log = logging.getLogger(__name__)

NIGHT_BEGINS = timedelta(hours=4)
"""By this computer's clock. Who is up at no such hour has the backup soon after the start."""


@dataclass(frozen=True)
class Installation:
    """What belongs together: the database, what lies beside it, the adapters, and the settings that were set.

    `settings` are by their names in the environment, and hold no secrets.
    """

    database: Path
    adapters_dir: Path
    settings: Mapping[str, str]

    @property
    def forgotten(self) -> Path:
        """The list of what was forgotten on request."""
        return self.database.with_name(archive.FORGOTTEN)

    @property
    def words(self) -> Path:
        """The words that are painted nowhere."""
        return self.database.with_name(archive.WORDS)

    def keys(self) -> dict[str, Path]:
        """The files of the keys that pictures are marked with, by their names in a backup; no damaged one."""
        return {path.name: path for path in key_file.files_in(self.database.parent) if key_file.is_sound(path)}

    def adapters(self) -> dict[str, Path]:
        """The adapters' files by their names in a backup."""
        found = find_adapters(self.adapters_dir).values()
        return {archive.ADAPTERS + path.relative_to(self.adapters_dir).as_posix(): path for path in found}


def settings_text(settings: Mapping[str, str]) -> str:
    """The settings as lines for `.env`."""
    return "".join(f"{name}={value}\n" for name, value in sorted(settings.items()))


def back_up(of: Installation, to: Path, adapters: Mapping[str, Path]) -> None:
    """Make a backup with these adapters, by their names in it. Blocks. Raises StoreUnusable."""
    try:
        with connected(of.database) as connection, copies.room_for(of.database) as room:
            _require_space(of, to, adapters)
            snapshot = room / archive.DATABASE
            connection.exec_driver_sql("VACUUM INTO ?", (str(snapshot),))
            files: dict[str, Path | str] = {
                archive.DATABASE: snapshot,
                archive.SETTINGS: settings_text(of.settings),
                **of.keys(),
                **adapters,
            }
            if chapters := read_list(of.forgotten):
                files[archive.FORGOTTEN] = render(chapters)
            if of.words.is_file():
                files[archive.WORDS] = of.words
            archive.write_archive(to, files, __version__)
    except FileExistsError as error:
        raise StoreUnusable(f"{to} is there already; choose another name.") from error
    except ListDamaged as error:
        raise StoreUnusable(f"{of.forgotten} is damaged; put back an earlier copy of it, or move it away.") from error
    except OSError as error:
        raise StoreUnusable(f"{error.filename or to} cannot be written or read ({error.strerror}).") from error


def _require_space(of: Installation, to: Path, adapters: Mapping[str, Path]) -> None:
    database = of.database.stat().st_size
    needed = {of.database.parent: 2 * database + archive.SPARE_BYTES}
    needed[to.parent] = database + sum(path.stat().st_size for path in adapters.values()) + archive.SPARE_BYTES
    for place, size in needed.items():
        if (free := free_bytes(place)) < size:
            raise StoreUnusable(
                f"A backup needs {size / 1e6:.0f} MB in {place}, and {free / 1e6:.0f} MB are free there; make room."
            )


class Nightly:
    """The backup of each night: database, list, settings and keys. Adapters, which the bot never changes, are left out:
    seven copies of each would fill disks."""

    def __init__(self, of: Installation) -> None:
        self._of = of
        self.has_failed = False
        """Whether the last night's could not be made so far."""

    async def make_if_due(self, now: datetime) -> bool:
        """Make tonight's, unless it is there. Whether one was made; if it cannot be, `has_failed` says so."""
        copy = copies.folder_of(self._of.database) / name_of_night(now)
        if await asyncio.to_thread(copy.exists):
            return False
        try:
            await asyncio.to_thread(back_up, self._of, copy, {})
        except StoreUnusable as error:
            log.error("the nightly backup could not be made: %s", error)
            self.has_failed = True
            return False
        self.has_failed = False
        await asyncio.to_thread(copies.delete_old_copies, self._of.database)
        log.info("backed up to %s", copy)
        return True


def name_of_night(now: datetime) -> str:
    """What the backup of the night that began last is called, by this computer's time zone."""
    return f"nightly-{(now.astimezone() - NIGHT_BEGINS).date().isoformat()}.zip"
