"""`imagine-sound-bot db ...`: what whoever runs the bot can do with its data, without starting the bot."""

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.settings import BotSettings
from bot.storage import maintenance
from bot.storage.backup import Installation, back_up
from bot.storage.database import StoreUnusable
from bot.storage.keys import MarksBy
from bot.storage.restore import SETTINGS_OF_THEN, Restored, restore
from core.errors import ExitCode, WrongSetting
from core.provenance import key_file
from core.reading_settings import settings_that_are_set
from core.settings import CoreSettings


def add_database_commands(commands: "argparse._SubParsersAction[Any]") -> None:
    """Add `db` and what it can do."""
    database = commands.add_parser("db", help="look after the bot's data, without starting the bot")
    what = database.add_subparsers(dest="what", required=True)
    what.add_parser("check", help="list what is still owed, and whether the file is sound")
    what.add_parser("upgrade", help="bring the file to this version, as the next start would")
    backup = what.add_parser(
        "backup",
        help="put the database, adapters, settings (without secrets) and the key of marks into one file; it may run",
    )
    backup.add_argument("file", type=Path, help="a new file, imagine-sound.zip say")
    back = what.add_parser("restore", help="bring a backup back, with the bot stopped; what is there is kept a week")
    back.add_argument("file", type=Path, help="what `db backup` made, or one of DATA_DIR/backups")


def installation(settings: BotSettings, core_settings: CoreSettings) -> Installation:
    """What a backup takes along, and where it is brought back to."""
    chosen = settings_that_are_set(settings) | settings_that_are_set(core_settings)
    return Installation(settings.database, core_settings.adapters_dir, chosen)


def maintain(settings: BotSettings, core_settings: CoreSettings, chosen: argparse.Namespace) -> ExitCode:
    """Do what was chosen, and say what became of it."""
    database, all_of_it = settings.database, installation(settings, core_settings)
    try:
        match chosen.what:
            case "upgrade":
                asyncio.run(maintenance.bring_up_to_date(database))
                print(f"{database} is up to date.")
            case "backup":
                adapters = all_of_it.adapters()
                back_up(all_of_it, chosen.file, adapters)
                print(f"{database}, {len(adapters)} adapters and the settings, without secrets, are in {chosen.file}.")
                print(_told_of_key(database.parent))
            case "restore":
                limit = timedelta(hours=settings.give_up_hours)
                restored = asyncio.run(restore(chosen.file, all_of_it, datetime.now(UTC), limit))
                print("\n".join(_told(restored, chosen.file, database)))
            case "check":
                owed = maintenance.look(database)
                print("\n".join(maintenance.describe(owed, datetime.now(UTC))))
                return ExitCode.FAULT if owed.damage else ExitCode.DONE
    except StoreUnusable as error:
        print(error, file=sys.stderr)
        return ExitCode.BAD_INPUT
    return ExitCode.DONE


def _told_of_key(directory: Path) -> str:
    """Whether a backup holds the key that pictures are marked with."""
    try:
        key = key_file.read(directory)
    except WrongSetting as error:
        return f"Without the key for marking pictures: {error}"
    if key is None:
        return "There is no key for marking pictures yet, so that none is in it."
    return (
        "The key that pictures are marked with is in it, too: keep the file as a secret, since whoever has it can mark."
    )


def _told(restored: Restored, file: Path, database: Path) -> list[str]:
    """What became of a restore, a line each."""
    lines = [f"{file} is back at {database}."]
    if restored.kept is not None:
        lines.append(f"What was there is kept for a week as {restored.kept}.")
    if restored.forgotten:
        lines.append(f"Forgotten again, since it was asked for: {restored.forgotten} requests, people or servers.")
    if restored.adapters:
        lines.append(f"Adapters that were brought back: {len(restored.adapters)}.")
    if restored.other_settings:
        names = ", ".join(restored.other_settings)
        lines.append(f"Not as they were then: {names}. The settings of then: {database.with_name(SETTINGS_OF_THEN)}.")
    if restored.marks_by in _MARKS_BY:
        lines.append(_MARKS_BY[restored.marks_by])
    return lines


_MARKS_BY = {
    MarksBy.OF_THE_BACKUP: "The key that pictures are marked with is back.",
    MarksBy.OF_THE_BACKUP_NOW: "Pictures are marked with the backup's key from now on; the other one stays beside it, "
    "so that `imagine-sound verify` knows pictures of both.",
    MarksBy.STILL_THE_PRESENT: "There is no key for marking pictures in the backup; the one that is here goes on.",
    MarksBy.A_NEW_ONE: "There is no key for marking pictures in the backup; a new one is made at the next picture, and "
    "what another one has marked is not known.",
}
