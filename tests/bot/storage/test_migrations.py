"""A database that an older version wrote opens: its buttons work, its jobs resume; or it is left as it was."""

import asyncio
import os
import signal
import sqlite3
import stat
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from discord import ui
from sqlalchemy import create_engine

from bot.storage.database import StoreUnusable
from bot.storage.records import JobState
from bot.storage.store import Store
from bot.storage.tables import Base
from bot.views.buttons import job_button
from bot.views.texts import Texts
from core.generation.protocol import Note
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.prompting.styles import Style
from tests.bot.sounds import noise
from tests.bot.world import World, names_of, text_of

VERSION_1 = Path(__file__).with_name("data") / "version-1.sql"
"""Written by that version: job 1 is painted, 2 was heard and waits, 3 is to be heard, 4 is forgotten."""


def write_database(path: Path, script: str) -> None:
    with sqlite3.connect(path) as database:
        database.executescript(script)
    database.close()


async def test_everything_is_read_as_it_was_meant(tmp_path: Path) -> None:
    write_database(tmp_path / "store.sqlite3", VERSION_1.read_text())
    store = Store(tmp_path / "store.sqlite3")
    await store.open()

    painted, words, unheard, forgotten = [await store.job(number) for number in (1, 2, 3, 4)]

    assert painted is not None
    assert painted.heard is not None
    assert painted.outcome is not None
    assert painted.state is JobState.DONE
    assert painted.options == ImagineOptions(style=Style.COMIC, max_seconds=10.0)
    assert (painted.heard.prompt, painted.heard.style) == (Prompt("a barking dog", "text, watermark"), Style.COMIC)
    assert painted.heard.shortened
    assert [window.categories[0].name for window in painted.heard.windows] == ["Dog", "Bark"]
    assert painted.outcome.notes == ()
    assert words is not None
    assert words.heard is not None
    assert (words.options.prompt, words.options.seed, words.heard.style) == ("a blue dog", 5, None)
    assert unheard is not None
    assert (unheard.asked, unheard.heard) == (False, None)
    recording = await store.recording(unheard.id)
    assert recording is not None
    assert recording.read_bytes() == b"RIFF"
    assert forgotten is not None
    assert forgotten.heard is None
    assert (await store.servers.settings(700010)).seconds == 30.0
    await store.close()


async def test_a_prompt_that_was_cut_is_still_told(tmp_path: Path) -> None:
    script = VERSION_1.read_text().replace("The recording is long;", "The prompt was too long for the model;")
    write_database(tmp_path / "store.sqlite3", script)
    store = Store(tmp_path / "store.sqlite3")
    await store.open()
    job = await store.job(1)
    assert job is not None
    assert job.outcome is not None
    assert job.outcome.notes == (
        Note("verbatim", {"text": "The prompt was too long for the model; I listened to its first 10 seconds."}),
    )
    await store.close()


async def test_its_buttons_work_and_its_jobs_resume(world: World) -> None:
    source = await world.alice.send(world.channel, "my recordings")
    view = ui.LayoutView(timeout=None)
    for what in ("again", "recipe"):
        view.add_item(ui.ActionRow(job_button(what, 1, Texts.load().translation("en-US"))))
    old_reply = await world.bot.get_partial_messageable(world.channel.id).send(view=view)
    ids = {
        700011: world.alice.id, 700012: world.bob.id, 700010: world.guild.id, 700020: world.channel.id,
        700030: source.id, 700031: source.id, 700040: world.channel.id, 700041: old_reply.id,
    }  # fmt: skip
    script = VERSION_1.read_text().replace("X'52494646'", f"X'{noise().hex()}'")
    for old, new in ids.items():
        script = script.replace(str(old), str(new))
    now = int(world.env.now().timestamp() * 1000)
    script = script.replace("1767225600000", str(now)).replace("'de'", "'en-US'")
    await world.bot.services.store.close()
    world.bot.services.store.path.unlink()
    write_database(world.bot.services.store.path, script)

    await world.env.advance_time(60)
    await world.restart()

    assert [order.request.prompt.text for order in world.painter.orders][:1] == ["a blue dog"]
    assert len(world.painter.orders) == 2
    replies = world.said(world.thread_of(world.channel))
    assert [names_of(reply)[-1] for reply in replies] == ["picture.png", "picture.png"]
    recipe = await world.bob.click(old_reply, custom_id="job:recipe:1")
    assert recipe.response is not None
    assert "a barking dog" in text_of(recipe.response)
    await world.alice.click(old_reply, custom_id="job:again:1")
    assert world.painter.orders[-1].request.prompt.text == "a barking dog"


@pytest.mark.parametrize("damage", ['"top":', '"timestamp_ms":', '{"style":'])
async def test_file_that_cannot_be_understood_is_left_as_it_was_and_named(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "store.sqlite3"
    write_database(path, VERSION_1.read_text().replace(damage, damage.replace('"', "'", 1).replace("'", "''", 1)))
    before = path.read_bytes()
    store = Store(path)

    with pytest.raises(StoreUnusable, match=r"store\.sqlite3"):
        await store.open()
    await store.close()

    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert "asked" not in [row[1] for row in database.execute("PRAGMA table_info(jobs)")]
    database.close()
    assert len(path.read_bytes()) == len(before)


async def test_figures_of_older_versions_are_gone(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    write_database(path, VERSION_1.read_text())
    figure = b"\x89PNG\r\n\x1a\n"
    assert figure in path.read_bytes()
    store = Store(path)
    await store.open()
    painted = await store.job(1)
    assert painted is not None
    assert await store.strip(painted) is None
    await store.close()

    assert figure not in path.read_bytes()


async def test_new_database_has_the_tables_that_the_code_knows(tmp_path: Path) -> None:
    """Each step of the schema was written by hand; nothing may be missing from them, and nothing left over."""
    store = Store(tmp_path / "store.sqlite3")
    await store.open()
    await store.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert differences == []


async def test_the_file_is_copied_before_it_is_changed_and_only_then(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    write_database(path, VERSION_1.read_text())
    for _ in range(2):
        store = Store(path)
        await store.open()
        await store.close()

    (copy,) = (tmp_path / "backups").iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with sqlite3.connect(copy) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert database.execute("SELECT count(*) FROM jobs").fetchone() == (4,)
    database.close()


async def test_each_start_has_a_number(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        store = Store(tmp_path / "store.sqlite3")
        await store.open()
        numbers.append(store.run)
        await store.close()
    assert numbers == [1, 2, 3]


KILLED = """
import asyncio, importlib, os, signal, sys
from pathlib import Path
from alembic import op
from bot.storage.store import Store
def die(*_: object, **__: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)
setattr(op, sys.argv[2], die)
asyncio.run(Store(Path(sys.argv[1])).open())
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no such signal")
@pytest.mark.parametrize("step", ["batch_alter_table", "create_table", "create_index", "get_bind"])
async def test_killed_in_the_middle_of_a_migration_it_opens_at_the_next_start(tmp_path: Path, step: str) -> None:
    path = tmp_path / "store.sqlite3"
    write_database(path, VERSION_1.read_text())
    upgrading = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(path), step)
    assert await asyncio.wait_for(upgrading.wait(), 60) == -signal.SIGKILL

    store = Store(path)
    await store.open()
    jobs = [await store.job(number) for number in (1, 2, 3, 4)]
    assert all(jobs)
    assert [job.id for job in await store.unfinished()] == [2, 3]
    await store.close()
