"""A bot's data directory with something of everything in it, for backups."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.storage.backup import Installation
from bot.storage.records import Job, JobState, NewJob, ReplyAddress, SpeechChoice
from bot.storage.restore import Restored, restore
from bot.storage.store import Store
from core.events import HeardSummary
from core.hearing.classifier import Category, Prediction
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.provenance.key_file import read, read_or_make
from core.speech.spoken import Outcome, SaidScene, Spoken

ALICE, BOB, CAROL, SERVER, OTHER_SERVER = 7_001, 7_002, 7_003, 9_001, 9_002
NOW = datetime.now(UTC)
A_DAY = timedelta(days=1)


def installation(directory: Path) -> Installation:
    """What belongs to the bot in this directory."""
    return Installation(
        directory / "imagine-sound.sqlite3", directory / "adapters", {"KEEP_DAYS": "90", "STYLE": "comic"}
    )


async def opened(of: Installation) -> Store:
    store = Store(of.database)
    await store.open()
    return store


async def remembered(store: Store, user_id: int, guild_id: int = SERVER, *, author_id: int | None = None) -> Job:
    """A request that was answered, with words of the person in it."""
    new = NewJob(user_id, guild_id, 20, "en-US", f"of-{user_id}.ogg", author_id=author_id)
    new_or_not = await store.accept(new, NOW - timedelta(hours=1))
    assert isinstance(new_or_not, Job)
    job = new_or_not
    window = Prediction(0, (Category("Dog", 0.9),))
    spoken = Spoken(f"words of {user_id}", Outcome.SEEN, SaidScene(("dog",)))
    heard = HeardSummary("Dog", (), (window,), 1.0, Prompt("a dog", ""), spoken=spoken)
    await store.set_heard(job.id, heard, None)
    await store.set_reply(job.id, ReplyAddress(20, 1000 + job.id))
    await store.finish(job.id, JobState.DONE)
    return job


async def filled(directory: Path) -> Installation:
    """Requests of Alice, of Bob about a recording of Alice's, and of Carol in another server; and what lies beside."""
    of = installation(directory)
    (of.adapters_dir / "folder").mkdir(parents=True)
    (of.adapters_dir / "hands.safetensors").write_bytes(b"hands" * 1000)
    (of.adapters_dir / "folder" / "pytorch_lora_weights.safetensors").write_bytes(b"folder" * 1000)
    of.words.write_text("gallows\n")
    read_or_make(directory)
    store = await opened(of)
    await remembered(store, ALICE)
    await remembered(store, BOB, author_id=ALICE)
    await remembered(store, CAROL, OTHER_SERVER)
    waiting = await store.accept(NewJob(BOB, SERVER, 20, "en-US", "waits.ogg", options=ImagineOptions()), NOW)
    assert waiting is not None
    for guild_id in (SERVER, OTHER_SERVER):
        await store.servers.change(guild_id, seconds=12.0)
    await store.people.set_speech(ALICE, SpeechChoice.ANYONE, NOW)
    await store.galleries.let_star(ALICE, allowed=True)
    await store.close()
    return of


def key_of(of: Installation) -> str | None:
    """The name of the key that marks pictures there."""
    key = read(of.database.parent)
    return None if key is None else key.name


async def brought_back(file: Path, to: Installation) -> Restored:
    return await restore(file, to, datetime.now(UTC), A_DAY)


def everything_in(directory: Path) -> dict[str, bytes]:
    """All files but what two starts may differ in: copies, locks, SQLite's journals."""
    found = (path for path in sorted(directory.rglob("*")) if path.is_file())
    kept = [path for path in found if "backups" not in path.parts and not path.name.startswith("bot.")]
    return {str(path.relative_to(directory)): path.read_bytes() for path in kept if path.suffix != ".sqlite3-shm"}


def rows(database: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()
