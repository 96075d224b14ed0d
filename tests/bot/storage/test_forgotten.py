"""What was forgotten stays forgotten, whichever backup is brought back."""

import shutil
import stat
from pathlib import Path

import pytest

from bot.restarts import Restarts
from bot.storage.backup import Installation, back_up
from bot.storage.database import StoreUnusable
from bot.storage.forgotten import read_list
from bot.storage.lifetimes import FILES
from bot.storage.records import JobState, Place, ReplyAddress, SpeechChoice
from core.provenance.credentials import read_or_make
from tests.bot.storage.installations import (
    A_DAY,
    ALICE,
    BOB,
    CAROL,
    NOW,
    OTHER_SERVER,
    SERVER,
    brought_back,
    installation,
    opened,
    remembered,
    rows,
)


async def test_what_was_forgotten_on_request_stays_forgotten(running: Installation, tmp_path: Path) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    store = await opened(running)
    await store.forget_user(ALICE, NOW)
    await store.forget_guild(OTHER_SERVER, NOW)
    await store.withdraw(4, Place(20, SERVER, None, 1), None, NOW)
    await store.close()

    told = await brought_back(tmp_path / "backup.zip", running)

    assert told.forgotten == 3
    assert b"words of 7001" not in running.database.read_bytes(), "also of what Bob had painted of Alice's recording"
    assert b"words of 7003" not in running.database.read_bytes()
    back = await opened(running)
    states = {job_id: job.state for job_id in range(1, 5) if (job := await back.job(job_id))}
    assert states == {1: JobState.FORGOTTEN, 2: JobState.DONE, 3: JobState.FORGOTTEN, 4: JobState.FORGOTTEN}
    assert (await back.servers.settings(OTHER_SERVER)).seconds is None
    assert (await back.servers.settings(SERVER)).seconds == 12.0
    assert await back.people.speech(ALICE) is SpeechChoice.MINE
    assert not await back.galleries.may_be_starred(ALICE)
    await back.close()


async def test_what_somebody_did_after_they_were_forgotten_is_not_forgotten_by_a_restore(
    running: Installation, tmp_path: Path
) -> None:
    store = await opened(running)
    await store.forget_user(ALICE, NOW)
    later = await remembered(store, ALICE)
    await store.close()
    back_up(running, tmp_path / "backup.zip", {})

    assert (await brought_back(tmp_path / "backup.zip", running)).forgotten == 0

    assert ("words" in str(rows(running.database, f"SELECT heard FROM jobs WHERE id = {later.id}"))) is True


async def test_words_that_nobody_may_recognise_any_more_stay_forgotten(running: Installation, tmp_path: Path) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    store = await opened(running)
    await store.people.set_speech(ALICE, SpeechChoice.NEVER, NOW)
    await store.close()
    running.database.write_bytes(b"a disk's fault")

    await brought_back(tmp_path / "backup.zip", running)

    assert b"words of 7001" not in running.database.read_bytes()
    back = await opened(running)
    assert await back.people.speech(ALICE) is SpeechChoice.NEVER
    await back.close()


async def test_refusals_since_then_are_not_taken_back(running: Installation, tmp_path: Path) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    store = await opened(running)
    await store.people.set_unheard(BOB, unheard=True)
    await store.galleries.let_star(ALICE, allowed=False)
    await store.people.set_speech(ALICE, SpeechChoice.MINE, NOW)
    await store.close()

    await brought_back(tmp_path / "backup.zip", running)

    back = await opened(running)
    assert await back.people.is_unheard(BOB)
    assert not await back.galleries.may_be_starred(ALICE)
    assert await back.people.speech(ALICE) is SpeechChoice.MINE
    await back.close()


async def test_list_of_what_was_forgotten_is_found_again_after_a_disk_is_lost(
    running: Installation, tmp_path: Path
) -> None:
    """The later backup carries what was forgotten since the earlier one."""
    back_up(running, tmp_path / "earlier.zip", {})
    store = await opened(running)
    await store.forget_user(CAROL, NOW)
    await store.close()
    back_up(running, tmp_path / "later.zip", {})

    elsewhere = installation(tmp_path / "elsewhere")
    assert (await brought_back(tmp_path / "later.zip", elsewhere)).forgotten == 0
    assert (await brought_back(tmp_path / "earlier.zip", elsewhere)).forgotten == 1
    assert b"words of 7003" not in elsewhere.database.read_bytes()


async def test_lists_of_two_bots_are_joined(running: Installation, template: Path, tmp_path: Path) -> None:
    store = await opened(running)
    await store.forget_user(BOB, NOW)
    await store.close()
    back_up(running, tmp_path / "backup.zip", {})
    elsewhere = installation(shutil.copytree(template, tmp_path / "elsewhere"))
    elsewhere.forgotten.unlink()
    store = await opened(elsewhere)
    await store.forget_user(CAROL, NOW)
    await store.close()

    assert (await brought_back(tmp_path / "backup.zip", elsewhere)).forgotten == 1

    assert len(read_list(elsewhere.forgotten)) == 2
    back = await opened(elsewhere)
    await back.forget_user(ALICE, NOW)
    await back.close()
    assert [len(chapter.lines) for chapter in read_list(elsewhere.forgotten)] == [1, 2], "it is gone on with its own"


async def test_message_of_a_withdrawn_request_is_removed_once_more(running: Installation, tmp_path: Path) -> None:
    """Its removal may not have been through when the database was lost."""
    back_up(running, tmp_path / "backup.zip", {})
    store = await opened(running)
    await store.withdraw(1, Place(20, SERVER, None, 1), None, NOW)
    await store.close()
    await brought_back(tmp_path / "backup.zip", running)
    back = await opened(running)
    (erasure,) = await back.erasures.waiting()
    assert erasure.reply == ReplyAddress(20, 1001)
    await back.close()


async def test_backup_older_than_the_list_brings_back_nothing_that_people_allowed(
    running: Installation, tmp_path: Path
) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    store = await opened(running)
    await store.forget_user(CAROL, NOW - 100 * A_DAY)
    await store.purge(NOW - 90 * A_DAY, NOW)
    await store.close()
    assert [chapter.lines for chapter in read_list(running.forgotten)] == [()]

    await brought_back(tmp_path / "backup.zip", running)

    back = await opened(running)
    assert await back.people.speech(ALICE) is SpeechChoice.MINE
    assert not await back.galleries.may_be_starred(ALICE)
    await back.close()


async def test_every_file_beside_the_database_has_a_lifetime(running: Installation, tmp_path: Path) -> None:
    back_up(running, tmp_path / "backup.zip", {})
    await brought_back(tmp_path / "backup.zip", running)
    store = await opened(running)
    await store.keep_recording(4, b"RIFF")
    Restarts(running.database.parent).note()
    read_or_make(running.database.parent)
    own = {
        running.database.name,
        f"{running.database.name}-wal",
        f"{running.database.name}-shm",
        "bot.lock",
        "adapters",
    }
    names = {path.name + "/" * path.is_dir() for path in running.database.parent.iterdir() if path.name not in own}
    await store.close()
    assert names == set(FILES)


async def test_list_names_nobody_and_only_its_owner_reads_it(running: Installation) -> None:
    store = await opened(running)
    await store.forget_user(ALICE, NOW)
    await store.close()
    assert str(ALICE) not in running.forgotten.read_text()
    assert stat.S_IMODE(running.forgotten.stat().st_mode) == 0o600


async def test_line_that_was_cut_off_spoils_no_other(running: Installation) -> None:
    store = await opened(running)
    await store.forget_user(ALICE, NOW)
    await store.close()
    with running.forgotten.open("a") as file:
        file.write('{"n": 2, "on": "20')
    store = await opened(running)
    await store.forget_user(BOB, NOW)
    await store.close()
    (chapter,) = read_list(running.forgotten)
    assert [line.number for line in chapter.lines] == [1, 2]


async def test_list_without_its_key_is_told_before_anybody_relies_on_it(running: Installation) -> None:
    running.forgotten.write_text("{}\n")
    with pytest.raises(StoreUnusable, match=r"forgotten\.jsonl is damaged"):
        await opened(running)
