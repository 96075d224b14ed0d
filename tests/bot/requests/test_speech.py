"""What people say is painted for them, told to them alone, corrected by them, and forgotten when they want it."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import aiosqlite
import pytest
from simcord.results import InteractionResult, ResponseMessage

from bot.storage.records import NewJob, SpeechChoice, SpeechUse
from core.speech.recognise import Segment, Task
from core.speech.spoken import SaidScene
from tests.bot.world import World, alt_texts_of, buttons_of, filled, in_menu, menu_of, text_of
from tests.speech.babble import babble
from tests.speech.scripted import Said, Scripted

WORDS = "yesterday Rumpelstiltskin and my dog ran into the water"
SCENE = SaidScene(("a dog running into the water",), place="on the beach", kind="story")
CORRECTED = "no, it was a cat"
CAT = SaidScene(("a cat",), kind="story")
TITLE = "**A dog running into the water on the beach**"
NOTE = babble(2.0)


class Interrupted(Scripted):
    """A recogniser during whose work something happens."""

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def segments(self, task: Task) -> Iterable[Segment]:
        self.meanwhile()
        return super().segments(task)


@pytest.fixture
def recogniser() -> Interrupted:
    return Interrupted(WORDS)


@pytest.fixture
def said(recogniser: Interrupted) -> Said:
    return Said(recogniser, (WORDS, SCENE), (CORRECTED, CAT))


async def spoken(world: World) -> Any:
    """Alice's voice note, answered."""
    await world.post_voice_note(world.alice, world.channel, NOTE)
    return world.reply(world.channel)


def answer_of(result: InteractionResult) -> ResponseMessage:
    """What whoever clicked is shown."""
    answer = result.response or result.followups[-1]
    assert answer is not None
    return answer


def prompts(world: World) -> list[str]:
    return [order.request.prompt.text for order in world.painter.orders]


async def everything_kept(world: World) -> str:
    """The whole database as text."""
    async with aiosqlite.connect(world.bot.services.store.path) as database:
        tables = [
            name for (name,) in await database.execute_fetchall("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        rows = [await database.execute_fetchall(f"SELECT * FROM {table}") for table in tables]
    return json.dumps([[list(map(str, row)) for row in found] for found in rows], ensure_ascii=False)


async def test_in_public_stands_the_scene_and_never_a_word_of_what_was_said(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    message = await spoken(world)

    assert prompts(world) == ["a dog running into the water on the beach"]
    assert text_of(message).startswith(TITLE)
    assert "A dog running into the water on the beach" in str(alt_texts_of(message))
    picture = await message.attachments[0].read()
    for where in (text_of(message), str(alt_texts_of(message)), caplog.text, str(world.thread_of(world.channel).name)):
        assert "Rumpelstiltskin" not in where
    assert b"Rumpelstiltskin" not in picture


async def test_the_speaker_is_shown_what_was_understood_and_nobody_else_is(world: World) -> None:
    message = await spoken(world)
    shown = answer_of(await in_menu(world.alice, message, "👂 What I understood"))

    assert shown.ephemeral
    assert WORDS in text_of(shown)
    assert "Language: en, clearly" in text_of(shown)
    assert "a dog running into the water, on the beach" in text_of(shown)
    assert "Rules found the scene" in text_of(shown)
    assert "👂 What I understood" not in buttons_of(await menu_of(world.bob, message))


async def test_others_may_read_it_where_the_speaker_allows_it(world: World) -> None:
    message = await spoken(world)
    await world.bot.services.store.people.set_speech(world.alice.id, SpeechChoice.ANYONE, world.env.now())
    shown = answer_of(await in_menu(world.bob, message, "👂 What I understood"))
    assert WORDS in text_of(shown)
    assert list(buttons_of(shown)) == []


async def test_the_speaker_corrects_what_was_understood_and_only_that_is_painted(world: World) -> None:
    message = await spoken(world)
    editor = await world.alice.click(message, label="Change")
    assert WORDS in str(editor.modal)
    await world.alice.submit_modal(editor, filled(editor, said=CORRECTED))
    await world.env.settle()

    assert prompts(world)[-1] == "a cat"
    new = world.said(world.thread_of(world.channel))[-1]
    assert text_of(new).startswith("**A cat**")
    again = await world.alice.click(new, label="Change")
    assert CORRECTED in str(again.modal)


async def test_somebody_else_changes_the_picture_without_being_told_the_words(world: World) -> None:
    message = await spoken(world)
    editor = await world.bob.click(message, label="Change")
    assert WORDS not in str(editor.modal)
    await world.bob.click(message, label="Again")
    await world.env.settle()

    assert prompts(world) == ["a dog running into the water on the beach"] * 2
    job = await world.bot.services.store.job(2)
    assert job is not None
    assert job.heard is not None
    assert job.heard.spoken is not None
    assert job.heard.spoken.words == ""


async def test_the_sounds_are_painted_instead_and_stay_so_after_a_restart(world: World) -> None:
    message = await spoken(world)
    shown = answer_of(await in_menu(world.alice, message, "👂 What I understood"))
    await world.restart()
    await world.alice.click(shown, label="Paint the sounds instead")
    await world.env.settle()

    assert "talking" in prompts(world)[-1]
    new = world.said(world.thread_of(world.channel))[-1]
    assert "dog" not in text_of(new)
    assert "the sounds of" in text_of(new)
    await world.alice.click(new, label="Again")
    await world.env.settle()
    assert "talking" in prompts(world)[-1]


async def test_a_server_that_wants_it_only_when_asked_gives_the_speaker_a_button(
    world: World, recogniser: Interrupted
) -> None:
    await world.bot.services.store.servers.change(world.guild.id, speech=SpeechUse.ASKED)
    message = await spoken(world)
    assert "talking" in prompts(world)[-1]
    assert recogniser.asked == []
    assert "🗣 Paint what I say" not in buttons_of(await menu_of(world.bob, message))

    await in_menu(world.alice, message, "🗣 Paint what I say")
    await world.env.settle()
    assert prompts(world)[-1] == "a dog running into the water on the beach"
    assert "with what is said" in text_of(world.said(world.thread_of(world.channel))[-1])


async def test_a_server_that_never_wants_it_hears_the_sounds_also_when_asked(
    world: World, recogniser: Interrupted
) -> None:
    await world.bot.services.store.servers.change(world.guild.id, speech=SpeechUse.NEVER)
    message = await spoken(world)
    assert recogniser.asked == []
    assert "🗣 Paint what I say" not in buttons_of(await menu_of(world.alice, message))


@pytest.mark.parametrize(
    ("choice", "recognised"), [(SpeechChoice.NEVER, 0), (SpeechChoice.MINE, 0), (SpeechChoice.ANYONE, 1)]
)
async def test_somebody_elses_note_is_recognised_only_where_they_allow_it(
    world: World, recogniser: Interrupted, choice: SpeechChoice, recognised: int
) -> None:
    quiet = world.guild.create_text_channel("quiet")
    await world.bot.services.store.servers.change(world.guild.id, speech=SpeechUse.PAINTED)
    await world.bot.services.store.people.set_speech(world.bob.id, choice, world.env.now())
    recording = await world.post(world.bob, quiet, ("talk.wav", NOTE))
    before = len(recogniser.asked)
    await world.alice.context_menu(quiet, "Imagine this sound", recording)
    assert len(recogniser.asked) - before == recognised


async def test_a_forwarded_note_is_painted_from_its_sounds_since_nobody_knows_whose_it_is(
    world: World, recogniser: Interrupted
) -> None:
    dark = world.channel_without("view_channel")
    note = await world.post_voice_note(world.alice, dark, NOTE)
    await world.bob.forward(note, world.channel)
    await world.env.settle()
    assert "talking" in prompts(world)[-1]
    assert recogniser.asked == []


async def test_whoever_never_wants_it_again_has_no_word_left_anywhere(world: World) -> None:
    message = await spoken(world)
    assert "Rumpelstiltskin" in await everything_kept(world)
    shown = await world.alice.slash(world.channel, "imagine-sound privacy")
    await world.alice.select(answer_of(shown), [SpeechChoice.NEVER.value])

    assert "Rumpelstiltskin" not in await everything_kept(world)
    assert await world.bot.services.store.people.speech(world.alice.id) is SpeechChoice.NEVER
    assert "👂 What I understood" in buttons_of(await menu_of(world.alice, message)), "what was painted may be told"
    await spoken_again(world)
    assert "talking" in prompts(world)[-1]


async def spoken_again(world: World) -> None:
    other = world.guild.create_text_channel("other")
    await world.post_voice_note(world.alice, other, NOTE)


async def test_forgetting_leaves_no_word_and_keeps_that_nothing_is_to_be_recognised(world: World) -> None:
    await spoken(world)
    await world.bot.services.store.people.set_speech(world.alice.id, SpeechChoice.NEVER, world.env.now())
    await world.bot.services.jobs.forget_user(world.alice.id)
    assert "Rumpelstiltskin" not in await everything_kept(world)
    assert await world.bot.services.store.people.speech(world.alice.id) is SpeechChoice.NEVER


async def test_an_opt_out_while_it_is_recognised_drops_the_words(world: World, recogniser: Interrupted) -> None:
    recogniser.meanwhile = lambda: world.bot.services.speakers.silence(world.alice.id)
    await spoken(world)
    assert "talking" in prompts(world)[-1]
    assert "Rumpelstiltskin" not in await everything_kept(world)


async def test_the_recording_is_kept_until_it_is_understood(world: World, recogniser: Interrupted) -> None:
    work = world.bot.services.store.path.parent / "work"
    kept: list[list[str]] = []
    recogniser.meanwhile = lambda: kept.append([path.name for path in work.iterdir()])
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel, NOTE)

    assert kept == [["recording-1"]]
    assert list(work.iterdir()) == []


async def test_a_process_that_ended_while_it_was_recognised_recognises_it_again_and_answers_once(
    world: World, recogniser: Interrupted
) -> None:
    new = NewJob(world.alice.id, world.guild.id, world.channel.id, "en-US", "note.wav", author_id=world.alice.id)
    job = await world.accepted(new, NOTE)
    heard = await world.bot.services.engine.hear(NOTE)
    await world.bot.services.store.set_heard(job.id, heard.summary.with_fewer_labels(5), None)

    await world.restart()
    await world.pass_time(2)

    assert recogniser.asked == [Task.TRANSCRIBE]
    assert prompts(world) == ["a dog running into the water on the beach"]
    (message,) = world.said(world.channel)
    assert text_of(message).startswith(TITLE)


async def test_a_refused_word_in_what_is_said_paints_the_sounds_and_tells_the_speaker_alone(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, refused_words=("dog",))
    message = await spoken(world)
    assert "talking" in prompts(world)[-1]
    assert "not painted" not in text_of(message)
    shown = answer_of(await in_menu(world.alice, message, "👂 What I understood"))
    assert "a word in it that is not painted here" in text_of(shown)


async def test_what_is_this_sound_tells_the_words_to_whoever_spoke_them(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, listening="nowhere")
    recording = await world.post(world.alice, world.channel, ("talk.wav", NOTE))
    mine = await world.alice.context_menu(world.channel, "What is this sound?", recording)
    theirs = await world.bob.context_menu(world.channel, "What is this sound?", recording)
    assert WORDS in text_of(answer_of(mine))
    assert WORDS not in text_of(answer_of(theirs))


async def test_words_that_are_not_believed_are_shown_to_nobody_in_public(world: World, recogniser: Interrupted) -> None:
    recogniser.surely = 0.3
    message = await spoken(world)
    assert "talking" in prompts(world)[-1]
    assert "Rumpelstiltskin" not in text_of(message)
    assert "I did not understand it" in text_of(await menu_of(world.bob, message))
