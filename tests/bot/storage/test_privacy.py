"""Nothing is kept of which nobody has said for how long, and nothing is left of what was to be forgotten."""

import asyncio
import os
import signal
import subprocess
import sys
import zipfile
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import discord
from PIL import Image

from bot.storage.lifetimes import LIFETIMES
from bot.storage.records import Job, JobState, NewJob, Outcome
from bot.storage.store import Store
from bot.storage.tables import Base
from bot.views.hiding import is_hidden
from bot.views.naming import title_of
from bot.views.texts import Texts
from core.events import HeardSummary
from core.hearing.classifier import Category, Prediction
from core.hearing.strip import COLUMNS, ROWS, Strip
from core.prompting.prompt import Prompt
from core.recipe import Recipe
from core.speech.spoken import Outcome as Heard
from core.speech.spoken import SaidScene, Spoken
from docs.lifetimes_table import render
from tests.bot.sounds import noise
from tests.bot.world import World, alt_texts_of, buttons_of, filled, in_menu, names_of, text_of


def test_every_column_has_a_lifetime() -> None:
    tables = {name: {column.name for column in table.columns} for name, table in Base.metadata.tables.items()}
    assert {name: set(columns) for name, columns in LIFETIMES.items()} == tables


def test_docs_tell_the_lifetimes() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "security.md"
    assert render() in page.read_text(encoding="utf-8"), "run: python -m docs.lifetimes_table"


def places_of(marker: str, directory: Path) -> list[str]:
    """The files in which `marker` stands somewhere."""
    found = (path for path in directory.rglob("*") if path.is_file() and "backups" not in path.parts)
    return [path.name for path in found if marker.encode() in path.read_bytes()]


MARKER = "SECRETMARKER"
NAME, WORDS = "SECRETFILENAME.wav", "a SECRETWORDS dragon"


async def asked(world: World) -> discord.Message:
    """Alice's recording with words of her own, painted, and painted again by Bob in another style."""
    await world.alice.slash(world.channel, "imagine-sound file", recording=(NAME, noise()), prompt=WORDS)
    (reply,) = world.said(world.channel)
    editor = await world.bob.click(reply, label="Change")
    await world.bob.submit_modal(editor, filled(editor, style="comic"))
    assert len(world.painter.orders) == 2
    directory = world.bot.services.store.path.parent
    assert places_of("SECRETWORDS", directory)
    assert places_of("SECRETFILENAME", directory)
    return reply


def assert_nothing_is_left_but_the_ledger(world: World) -> None:
    directory = world.bot.services.store.path.parent
    assert places_of("SECRETWORDS", directory) == []
    assert places_of("SECRETFILENAME", directory) == []


async def test_nothing_is_left_after_forget_me_while_the_bot_runs(world: World) -> None:
    await asked(world)
    panel = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert panel.response is not None
    await world.alice.click(panel.response, custom_id="privacy:forget")
    assert_nothing_is_left_but_the_ledger(world)


async def test_nothing_is_left_of_what_was_shared_after_forget_me(world: World) -> None:
    gallery = world.guild.create_text_channel("gallery")
    await world.bot.services.store.servers.change(world.guild.id, gallery=gallery.id)
    await in_menu(world.alice, await asked(world), "Share")
    (copy,) = world.said(gallery)
    assert b"SECRETWORDS" not in await copy.attachments[0].read()

    await world.bot.services.jobs.forget_user(world.alice.id)
    assert_nothing_is_left_but_the_ledger(world)
    await world.bot.services.jobs.sweep()

    assert world.said(gallery) == []
    assert await world.bot.services.store.galleries.kept_of(world.alice.id) == []


async def test_open_editor_brings_nothing_back(world: World) -> None:
    reply = await asked(world)
    editor = await world.bob.click(reply, label="Change")
    assert editor.modal is not None
    await world.bot.services.jobs.forget_user(world.alice.id)
    await world.bob.submit_modal(editor, filled(editor, prompt="another dragon"))
    assert len(world.painter.orders) == 2
    assert_nothing_is_left_but_the_ledger(world)


async def test_nothing_is_left_after_delete(world: World) -> None:
    await world.alice.slash(world.channel, "imagine-sound file", recording=(NAME, noise()), prompt=WORDS)
    (reply,) = world.said(world.channel)
    await in_menu(world.alice, reply, "Delete")
    assert_nothing_is_left_but_the_ledger(world)


async def test_nothing_is_left_after_the_recordings_message_is_deleted_and_a_kill(world: World) -> None:
    note = await world.post(world.alice, world.channel, (NAME, noise()))
    await world.alice.delete(note)
    await world.restart()
    assert_nothing_is_left_but_the_ledger(world)


async def test_others_pictures_of_the_recording_can_still_be_deleted(world: World) -> None:
    await asked(world)
    await world.bot.services.jobs.forget_user(world.alice.id)
    _, second = world.said(world.channel)
    again = await world.bob.click(second, label="Again")
    assert again.response is not None
    assert "no longer know" in text_of(again.response)
    await world.bot.services.jobs.sweep()
    await world.bob.click(world.said(world.channel)[1], label="Delete")
    assert len(world.said(world.channel)) == 1


async def test_others_pictures_of_the_recording_tell_nothing_of_it_any_more(world: World) -> None:
    note = await world.post_voice_note(world.alice, world.channel)
    menu = await world.bob.context_menu(world.channel, "Imagine this sound", note)
    assert menu.response is not None
    thread = world.thread_of(world.channel)
    heard = title_of(Texts.load().translation("en-US"), (await world.heard()).top)
    theirs = next(message for message in world.said(thread) if f"<@{world.bob.id}>" in text_of(message))
    assert heard in text_of(theirs)

    await world.bot.services.jobs.forget_user(world.alice.id)
    await world.bot.services.jobs.sweep()

    left = next(message for message in world.said(thread) if message.id == theirs.id)
    assert heard not in text_of(left)
    assert "forgotten" in text_of(left)
    assert names_of(left) == ["picture.png"]
    assert alt_texts_of(left) == ["A picture painted by a model from a sound"]
    assert list(buttons_of(left)) == ["Delete"]
    assert thread.name == "A sound"
    assert await world.bot.services.store.erasures.waiting() == []
    await world.bob.click(left, label="Delete")
    assert theirs.id not in {message.id for message in world.said(thread)}


async def test_closed_thread_loses_its_title_too_and_is_closed_again(world: World) -> None:
    note = await world.post_voice_note(world.alice, world.channel)
    await world.bob.context_menu(world.channel, "Imagine this sound", note)
    thread = world.thread_of(world.channel)
    await world.restart()  # the library then knows no closed threads
    before = len(world.env.http_requests)
    world.env.inject_error("PATCH", f"/channels/{thread.id}", status=400, code=50083, times=1)

    await world.bot.services.jobs.forget_user(world.alice.id)
    await world.bot.services.jobs.sweep()

    asked = [one for one in world.env.http_requests[before:] if one.path == f"/channels/{thread.id}"]
    assert [one.json for one in asked if one.method == "PATCH"] == [
        {"name": "A sound"},
        {"archived": False},
        {"name": "A sound"},
        {"archived": True},
    ]
    assert world.thread_of(world.channel).name == "A sound"


async def test_covered_picture_stays_covered_when_it_is_left_alone(world: World) -> None:
    await asked(world)
    _, second = world.said(world.channel)
    await in_menu(world.bob, second, "Report")
    await world.bot.services.jobs.forget_user(world.alice.id)
    await world.bot.services.jobs.sweep()
    assert is_hidden(world.said(world.channel)[1])


async def test_whoever_does_not_want_to_be_heard_is_not(world: World) -> None:
    panel = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert panel.response is not None
    await world.alice.click(panel.response, custom_id="privacy:unheard")

    await world.post_voice_note(world.alice, world.channel)
    recording = await world.post(world.alice, world.channel)
    menu = await world.bob.context_menu(world.channel, "Imagine this sound", recording)
    await world.bob.send(world.channel, f"<@{world.me.id}>", reply_to=recording)

    assert world.painter.orders == []
    assert menu.response is not None
    assert "does not want me to listen" in text_of(menu.response)
    await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")
    assert len(world.painter.orders) == 1, "asking by name is wanting it"


async def test_export_is_sent_once_a_day(world: World) -> None:
    await asked(world)
    panel = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert panel.response is not None
    await world.alice.click(panel.response, custom_id="privacy:export")
    (sent,) = world.said(world.alice.user.dm_channel)
    assert names_of(sent) == ["imagine-sound.zip"]
    archive = zipfile.ZipFile(BytesIO(await sent.attachments[0].read()))
    assert WORDS in archive.read("requests.json").decode()
    strip = Image.open(BytesIO(archive.read("strip-1.png")))
    assert (strip.format, strip.size) == ("PNG", (1280, 108))
    await world.alice.click(panel.response, custom_id="privacy:export")
    assert len(world.said(world.alice.user.dm_channel)) == 1


async def test_log_of_the_database_is_empty_after_forgetting(tmp_path: Path) -> None:
    store = Store(tmp_path / "other" / "store.sqlite3")
    await store.open()
    await store.notes.set_value("marker", "x" * 10_000)
    assert store.path.with_name("store.sqlite3-wal").stat().st_size > 0
    await store._database.writer.empty_log()
    assert store.path.with_name("store.sqlite3-wal").stat().st_size == 0
    await store.close()


async def remembered(store: Store, number: int, secret: str) -> Job:
    """A job of person 42 (or another), with `secret` in all that can be kept of it."""
    now = datetime.now(UTC)
    new = NewJob(42 if secret else number, 1, 2, "en-US", f"{secret}.ogg", source_id=number, author_id=number)
    job = await store.accept(new, now)
    assert job is not None
    await store.keep_recording(job.id, secret.encode() * 20_000)
    window = Prediction(0, (Category(f"{secret} label", 0.9),))
    heard = HeardSummary(
        f"{secret} title",
        (),
        (window,),
        1.0,
        Prompt(f"{secret} prompt", ""),
        spoken=Spoken(f"{secret} words", Heard.SEEN, SaidScene((f"{secret} subject",))),
    )
    cells = (secret.encode() * ROWS * COLUMNS)[: ROWS * COLUMNS].ljust(ROWS * COLUMNS, b"\0")
    await store.set_heard(job.id, heard, Strip(cells))
    recipe = Recipe(heard.prompt, 1, 2, 3.0, (64, 64), "model", "1", None, (f"{secret} label",))
    await store.keep_picture(job.id, Outcome(recipe, 1.0, is_miniature=True), secret.encode() * 1000, "png")
    await store.finish(job.id, JobState.DONE)
    return job


async def test_nothing_is_left_after_a_thousand_further_requests(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite3")
    await store.open()
    for number in range(100):
        await remembered(store, 1000 + number, "")
    await remembered(store, 42, MARKER)
    assert places_of(MARKER, tmp_path)
    await store.forget_user(42, datetime.now(UTC))
    assert places_of(MARKER, tmp_path) == []
    for number in range(1000):
        await remembered(store, 2000 + number, "")
    assert places_of(MARKER, tmp_path) == []
    await store.close()
    assert places_of(MARKER, tmp_path) == []


def test_nothing_is_left_after_a_kill(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-m", __name__, str(tmp_path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "store.sqlite3").stat().st_size > 0
    assert places_of(MARKER, tmp_path) == []


async def forget_and_be_killed(directory: Path) -> None:
    """What the test above runs as a process of its own."""
    store = Store(directory / "store.sqlite3")
    await store.open()
    await remembered(store, 7, "")
    await remembered(store, 42, MARKER)
    assert places_of(MARKER, directory)
    await store.forget_user(42, datetime.now(UTC))
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(forget_and_be_killed(Path(sys.argv[1])))
