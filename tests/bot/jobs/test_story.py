"""A story on its way to its message: what is shown of it, and what becomes of it where something goes wrong."""

import discord
import pytest
from simcord.results import InteractionResult

from bot.storage.ledger import Spent, Usage
from bot.storage.records import JobState, RestrictedCheck
from bot.views.hiding import shown_in
from core.checker import COVERED
from core.errors import FilmFailed, FilmTooLarge, NothingHeard, PainterLost, PictureBlocked, WordsRefused
from core.options import PictureCheck
from tests.bot.sounds import noise
from tests.bot.storyteller import CUT, FILM, ScriptedStory
from tests.bot.world import World, buttons_of, in_menu, names_of, text_of

STAGES = [CUT, 0, 1, 2, FILM]
WHOLE = ["film.mp4", "picture-1.png", "picture-2.png", "picture-3.png"]


@pytest.fixture
async def painted(world: World) -> World:
    """Alice's voice note has been painted."""
    await world.post_voice_note(world.alice, world.channel)
    return world


def film(world: World) -> discord.Message:
    return world.said(world.thread_of(world.channel))[-1]


async def ask(world: World) -> InteractionResult:
    """Alice asks for a film of her recording, and agrees to what it counts as; what that is answered with."""
    picture = world.said(world.thread_of(world.channel))[0]
    told = (await in_menu(world.alice, picture, "Make a film")).response
    assert told is not None
    return await world.alice.click(told, label="Make the film")


def told_alone(result: InteractionResult) -> str:
    """What only Alice is told."""
    (told,) = result.followups
    assert told.flags.ephemeral
    return text_of(told)


async def state(world: World) -> JobState:
    job = await world.bot.services.store.job(2)
    assert job is not None
    return job.state


def work_files(world: World) -> list[str]:
    """What is kept of jobs under way."""
    return sorted(path.name for path in (world.bot.services.store.path.parent / "work").glob("*"))


async def counted(world: World) -> int:
    """How many pictures Alice has asked for, beside her first."""
    seen: list[Usage] = []
    await world.bot.services.store.spend_hearing(world.alice.id, None, world.env.now(), seen.append)
    return sum(spending.kind is not Spent.HEARD for spending in seen[0].user) - 1


async def test_one_message_shows_how_far_the_story_is(painted: World, story: ScriptedStory) -> None:
    story.hold(CUT)
    await ask(painted)
    assert "Listening" in text_of(film(painted))

    story.go_on()
    story.hold(1)
    await painted.env.settle()
    text = text_of(film(painted))
    assert "Scene 2 of 3 · 2 of 4" in text
    assert "0:05 Rain" in text
    assert names_of(film(painted)) == ["preview-1.jpg", "preview-2-2.jpg"]

    story.go_on()
    story.hold(FILM)
    await painted.env.settle()
    assert "Making the film: 2 of 15 s" in text_of(film(painted))
    assert names_of(film(painted)) == ["preview-1.jpg", "preview-2.jpg", "preview-3.jpg"]
    assert list(buttons_of(film(painted))) == ["Cancel"]

    story.go_on()
    await painted.env.settle()
    assert names_of(film(painted)) == WHOLE
    assert len(painted.said(painted.thread_of(painted.channel))) == 2
    assert await state(painted) is JobState.DONE
    assert work_files(painted) == []


async def test_recording_of_one_scene_is_said_to_be_one(painted: World, story: ScriptedStory) -> None:
    story.labels = ["Dog"]
    await ask(painted)
    assert "This recording is one scene" in text_of(film(painted))
    assert "0:00" not in text_of(film(painted))
    assert names_of(film(painted)) == ["film.mp4", "picture.png"]
    assert await counted(painted) == 1


async def test_scene_that_could_not_be_painted_is_told_in_one_sentence(painted: World, story: ScriptedStory) -> None:
    story.lost = {1}
    await ask(painted)
    assert names_of(film(painted)) == ["film.mp4", "picture-1.png", "picture-2.png"]
    assert "the picture beside it stands in: scene 2." in text_of(film(painted))


@pytest.mark.parametrize("stage", [0, 1, 2, FILM])
async def test_after_a_restart_no_scene_is_painted_again(painted: World, story: ScriptedStory, stage: int) -> None:
    story.hold(stage)
    await ask(painted)
    seed = story.told[0].options.imagine.seed
    before = film(painted)
    story.hold_no_other()

    await painted.restart()

    assert film(painted).id == before.id
    assert names_of(film(painted)) == WHOLE
    done = min(stage, 3)
    assert [told.painted for told in story.told] == [(), tuple(range(done))]
    assert sorted(story.painted) == [0, 1, 2], "none was painted twice"
    assert story.told[1].options.imagine.seed == seed
    assert story.told[1].recording == noise()
    assert await state(painted) is JobState.DONE
    assert work_files(painted) == []


async def test_scenes_of_another_cut_are_painted_anew(painted: World, story: ScriptedStory) -> None:
    """What starts anew is a version perhaps that cuts otherwise."""
    story.hold(1)
    await ask(painted)
    story.hold_no_other()
    story.labels = ["Rain", "Siren"]
    await painted.restart()
    assert names_of(film(painted)) == ["film.mp4", "picture-1.png", "picture-2.png"]
    assert [told.painted for told in story.told] == [(), (0,), ()]
    assert "0:00 Rain" in text_of(film(painted))


async def test_stopping_puts_a_story_off_and_the_next_start_goes_on_with_it(
    painted: World, story: ScriptedStory
) -> None:
    story.hold(1)
    await ask(painted)
    await painted.bot.services.jobs.drain(0.05)
    assert "I am restarting" in text_of(film(painted))
    assert names_of(film(painted)) == ["preview-1.jpg", "preview-2-2.jpg"]
    assert not any(directory.exists() for directory in story.directories)
    story.hold_no_other()
    await painted.restart()
    assert names_of(film(painted)) == WHOLE
    assert story.painted == [0, 1, 2]


async def test_whoever_wants_nothing_recognised_any_more_is_obeyed_by_what_waits(
    painted: World, story: ScriptedStory
) -> None:
    painted.bot.services.speakers.silence(painted.alice.id)
    await ask(painted)
    assert not story.told[0].options.imagine.spoken_words


async def test_film_that_was_made_before_a_restart_is_shown_after_it(painted: World, story: ScriptedStory) -> None:
    await painted.env.settle()
    story.hold(FILM)
    await ask(painted)
    painted.env.inject_error("PATCH", "/*", status=503, times=None)
    story.go_on()
    await painted.pass_time(3)
    assert await state(painted) is JobState.WAITING
    painted.env.backend.faults.clear()

    await painted.restart()
    await painted.pass_time(2)

    assert names_of(film(painted)) == WHOLE
    assert "0:05 Rain" in text_of(film(painted))
    assert len(story.told) == 1, "it was not made again"


@pytest.mark.parametrize("stage", STAGES)
async def test_cancelling_leaves_nothing_behind(painted: World, story: ScriptedStory, stage: int) -> None:
    story.hold(stage)
    asked = await ask(painted)
    await painted.alice.click(film(painted), label="Cancel")
    await painted.env.settle()

    if stage == CUT:  # nobody has seen anything of it yet
        assert "Cancelled by" in told_alone(asked)
        assert len(painted.said(painted.thread_of(painted.channel))) == 1
    else:
        assert "Cancelled by" in text_of(film(painted))
        assert names_of(film(painted)) == []
    assert await state(painted) is JobState.CANCELLED
    assert work_files(painted) == []
    assert not any(directory.exists() for directory in story.directories)
    assert await counted(painted) == max(1, min(stage, 3)), "what was painted counts"


async def test_recording_that_is_deleted_takes_its_story_with_it(painted: World, story: ScriptedStory) -> None:
    story.hold(1)
    await ask(painted)
    (note,) = [message for message in painted.channel.history() if message.author.id == painted.alice.id]
    await painted.alice.delete(note)
    await painted.env.settle()
    assert painted.said(painted.thread_of(painted.channel)) == []
    assert work_files(painted) == []
    assert await painted.jobs_remembered() == 0


async def test_recording_that_is_gone_when_it_is_to_be_heard_is_told(painted: World, story: ScriptedStory) -> None:
    painted.env.backend.cdn._blobs.clear()
    assert "could not fetch this recording" in told_alone(await ask(painted))
    assert story.told == []
    assert await counted(painted) == 1


@pytest.mark.parametrize(
    ("stage", "error", "sentence"),
    [
        (CUT, NothingHeard(), "nothing but silence"),
        (CUT, WordsRefused(), "not painted here"),
        (1, PictureBlocked(), "not shown here"),
        (1, RuntimeError(), "went wrong"),
        (FILM, FilmFailed(), "film could not be made"),
        (FILM, FilmTooLarge(10), "does not fit into 10 MB"),
    ],
)
async def test_error_is_told_in_one_sentence_and_leaves_nothing(
    painted: World, story: ScriptedStory, stage: int, error: Exception, sentence: str
) -> None:
    story.errors = {stage: error}
    asked = await ask(painted)
    if stage == CUT or isinstance(error, PictureBlocked):
        assert sentence in told_alone(asked)
    else:
        assert sentence in text_of(film(painted))
        assert names_of(film(painted)) == []
    assert await state(painted) is JobState.FAILED
    assert work_files(painted) == []


async def test_painter_that_is_lost_puts_the_story_off(painted: World, story: ScriptedStory) -> None:
    story.errors = {1: PainterLost()}
    await ask(painted)
    assert "restarting" in text_of(film(painted))
    assert await state(painted) is JobState.WAITING
    story.errors = {}
    await painted.restart()
    assert names_of(film(painted)) == WHOLE
    assert story.painted == [0, 1, 2]


async def test_film_whose_pictures_discord_finds_too_large_comes_with_smaller_ones(
    painted: World, story: ScriptedStory
) -> None:
    story.hold(FILM)
    await ask(painted)
    painted.env.inject_error("PATCH", "/channels/*/messages/*", status=413, code=40005)
    story.go_on()
    await painted.env.settle()
    assert names_of(film(painted)) == ["film.mp4", *(f"picture-{number}.jpg" for number in (1, 2, 3))]
    assert await film(painted).attachments[0].read() == b"a film"


async def test_film_that_discord_finds_too_large_is_told(painted: World, story: ScriptedStory) -> None:
    story.hold(FILM)
    await ask(painted)
    painted.env.inject_error("PATCH", "/channels/*/messages/*", status=413, code=40005, times=3)
    story.go_on()
    await painted.env.settle()
    assert "does not fit into" in text_of(film(painted))
    assert await state(painted) is JobState.FAILED


async def test_covered_scene_covers_the_film(painted: World, story: ScriptedStory) -> None:
    story.notes = (COVERED,)
    story.hold(FILM)
    await ask(painted)
    assert names_of(film(painted)) == [], "nothing of it is shown before"
    story.go_on()
    await painted.env.settle()
    assert [shown.spoiler for shown in shown_in(film(painted).components)] == [True] * 4


async def test_age_restricted_channel_has_a_check_of_its_own(
    world: World, story: ScriptedStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.TextChannel, "is_nsfw", lambda channel: True)
    await world.bot.services.store.servers.change(world.guild.id, restricted_check=RestrictedCheck.SPOILER)
    await world.alice.slash(world.channel, "imagine-sound story", recording=("walk.wav", noise()))
    assert story.told[0].check is PictureCheck.SPOILER


async def test_what_is_not_painted_in_a_server_is_in_no_story(world: World, story: ScriptedStory) -> None:
    await world.bot.services.store.servers.change(world.guild.id, refused_words=("clown",))
    await world.alice.slash(world.channel, "imagine-sound story", recording=("walk.wav", noise()))
    assert story.told[0].refuses("a sad clown")
    assert not story.told[0].refuses("a dog")


async def test_what_is_kept_of_a_story_goes_with_its_end_and_not_before(painted: World, story: ScriptedStory) -> None:
    story.hold(2)
    await ask(painted)
    assert work_files(painted) == ["begun-2", "recording-2", "scene0-2.png", "scene1-2.png"]
