"""The bot's owner is told of what needs them, in one direct message a day; and the data are backed up each night."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.requests import upkeep
from bot.restarts import Restarts
from bot.storage import copies
from core.errors import ExitCode
from tests.bot.world import World, text_of
from tests.core.test_ending import _ended, hanging

DIRECT = 3


@pytest.fixture
async def owned(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Bob owns the application, alone or as the owner of a team. The simulator would say that the bot owns itself."""
    await world.env.settle()
    return owned_by_bob(world, monkeypatch)


def owned_by_bob(world: World, monkeypatch: pytest.MonkeyPatch, team: dict[str, Any] | None = None) -> World:
    ask = world.bot.http.application_info

    async def application_info() -> Any:
        return await ask() | {"owner": as_payload(world), "team": team}

    monkeypatch.setattr(world.bot.http, "application_info", application_info)
    return world


def as_payload(world: World) -> dict[str, Any]:
    return {"id": str(world.bob.id), "username": "bob", "discriminator": "0", "avatar": None, "public_flags": 0}


def told(world: World) -> list[str]:
    return [text_of(message) for message in world.said(world.bob.user.dm_channel)]


def cog(world: World) -> upkeep.Upkeep:
    found = world.bot.get_cog("Upkeep")
    assert isinstance(found, upkeep.Upkeep)
    return found


async def look(world: World) -> None:
    await cog(world)._look()


def let_disk_be_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "free_bytes", lambda _: 900_000_000)


async def test_nobody_is_told_that_all_is_well(owned: World) -> None:
    await look(owned)
    assert told(owned) == []


async def test_owner_is_told_once_a_day_whatever_happens_also_after_a_restart(
    owned: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_disk_be_small(monkeypatch)
    await look(owned)
    assert ["Less than 1 GB of disk is free" in text for text in told(owned)] == [True]

    for _ in range(2):
        Restarts(owned.bot.services.settings.data_dir).note()
    await look(owned)
    await owned.restart()
    owned_by_bob(owned, monkeypatch)
    await look(owned)
    assert len(told(owned)) == 1

    await cog(owned)._tell_owner(owned.env.now() + timedelta(hours=25))
    assert len(told(owned)) == 2
    assert len([text for text in told(owned) if "had to be started again twice" in text]) == 1


async def test_owner_of_a_team_is_told_in_their_language_and_no_name_is_in_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.bot.services.store.people.note_locale(world.bob.id, "de", within_s=1)
    member = {"user": as_payload(world), "membership_state": 2}
    member |= {"team_id": "1", "permissions": ["*"], "role": "admin"}
    team = {"id": "1", "name": "team", "icon": None, "owner_user_id": str(world.bob.id), "members": [member]}
    owned_by_bob(world, monkeypatch, team)
    let_disk_be_small(monkeypatch)
    await look(world)
    (text,) = told(world)
    assert "Weniger als 1 GB ist frei" in text
    directory = str(world.bot.services.settings.data_dir)
    assert not [name for name in ("bob", "Soundscape", directory, "sqlite") if name in text]


@pytest.mark.parametrize("status", [403, 404])
async def test_owner_who_cannot_be_told_stops_nothing_and_is_not_told_twice(
    owned: World, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    let_disk_be_small(monkeypatch)
    owned.env.inject_error("POST", "/users/@me/channels", status=status, code=50007 if status == 403 else 0, times=None)
    await look(owned)
    await look(owned)
    assert told(owned) == []
    assert (await owned.alice.slash(owned.channel, "imagine-sound privacy")).response is not None


async def test_failed_nightly_backup_is_told(owned: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.storage.backup.free_bytes", lambda _: 0)
    await cog(owned)._back_up()
    await look(owned)
    assert ["Last night's backup could not be made" in text for text in told(owned)] == [True]


async def test_night_after_the_start_is_backed_up(owned: World) -> None:
    for _ in range(upkeep.LOOK_MINUTES + 1):
        await owned.env.advance_time(60)
    assert len(copies.nights_of(owned.bot.services.settings.database)) == 1


def test_second_restart_within_the_hour_is_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restarts, now = Restarts(tmp_path), time.time()
    many = []
    for minutes in (0, 70, 100, 140, 500):
        monkeypatch.setattr(time, "time", lambda at=now + minutes * 60: at)
        restarts.note()
        many.append(Restarts(tmp_path).are_many())
    assert many == [False, False, True, True, False]


def test_file_that_was_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "restarts.txt").write_text("17x")
    assert not Restarts(tmp_path).are_many()
    Restarts(tmp_path / "nowhere").note()


@pytest.mark.parametrize("what", ["painter", "loop"])
def test_process_that_ends_to_be_started_again_leaves_word(tmp_path: Path, what: str) -> None:
    for _ in range(2):
        _ended(hanging(what, tmp_path), ExitCode.RESTART)
    assert Restarts(tmp_path).are_many()
