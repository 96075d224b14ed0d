"""*Make a film*: who may have one made, where, of what, and as how many pictures it counts."""

from typing import Any, NoReturn

import discord
import pytest
from discord import ui
from simcord.results import ResponseMessage

from bot.discord_api import calls
from bot.requests import menu
from bot.requests.answering import language_of
from bot.requests.services import Interaction
from bot.storage.ledger import Spent, Usage
from bot.storage.records import Films, Job, JobState
from bot.views.buttons import job_button
from core.prompting.styles import Style
from tests.bot.sounds import noise
from tests.bot.storyteller import CUT, ScriptedStory
from tests.bot.world import World, alt_texts_of, buttons_of, in_menu, menu_of, names_of, text_of

GONE = "no longer in a message of yours"


@pytest.fixture
async def painted(world: World) -> discord.Message:
    """Alice's voice note."""
    return await world.post_voice_note(world.alice, world.channel)


def picture(world: World) -> discord.Message:
    return world.said(world.thread_of(world.channel))[0]


def film(world: World) -> discord.Message:
    return world.said(world.thread_of(world.channel))[-1]


async def offered(world: World, message: discord.Message) -> ResponseMessage:
    """What Alice is told before a film is made."""
    told = (await in_menu(world.alice, message, "Make a film")).response
    assert told is not None
    return told


async def ask(world: World) -> None:
    """Alice asks for a film of her picture's recording, and agrees to what it counts as."""
    told = await offered(world, picture(world))
    await world.alice.click(told, label="Make the film")


async def counted(world: World) -> int:
    """How many pictures Alice has asked for, as limits count it."""
    seen: list[Usage] = []
    await world.bot.services.store.spend_hearing(world.alice.id, None, world.env.now(), seen.append)
    return sum(spending.kind in (Spent.PICTURE, Spent.RECORDING) for spending in seen[0].user)


@pytest.mark.usefixtures("painted")
async def test_button_ends_in_a_film_with_its_scenes_in_the_same_thread(world: World, story: ScriptedStory) -> None:
    await ask(world)

    message = film(world)
    assert names_of(message) == ["film.mp4", "picture-1.png", "picture-2.png", "picture-3.png"]
    assert await message.attachments[0].read() == b"a film"
    text = text_of(message)
    assert all(line in text for line in ("0:00 Dog", "0:05 Rain", "0:10 Siren"))
    assert world.alice.mention in text
    assert "film of [↗](" in text
    about_film, *about_scenes = alt_texts_of(message)
    assert about_film is not None
    assert "15 seconds" in about_film
    assert [text and text.split()[0] for text in about_scenes] == ["0:00", "0:05", "0:10"]
    assert list(buttons_of(message)) == ["⋯"]
    (told,) = story.told
    assert told.recording == noise()
    assert told.user == str(world.alice.id)
    assert told.options.max_bytes == discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES


@pytest.mark.usefixtures("painted")
async def test_only_whoever_recorded_it_is_offered_the_film(world: World) -> None:
    assert "Make a film" in buttons_of(await menu_of(world.alice, picture(world)))
    assert "Make a film" not in buttons_of(await menu_of(world.bob, picture(world)))


@pytest.mark.usefixtures("painted")
async def test_anybody_else_is_told_whose_voice_it_would_hold(
    world: World, story: ScriptedStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forged(interaction: Interaction, job: Job) -> list[ui.Button[Any]]:
        return [job_button(name, job.id, language_of(interaction)) for name in ("film", "film_told")]

    monkeypatch.setattr(menu, "film_buttons", forged)
    for label in ("Make a film", "Make the film"):
        refused = await in_menu(world.bob, picture(world), label)
        assert refused.ephemeral
        assert refused.response is not None
        assert "only they can have it made" in text_of(refused.response)
    assert story.told == []


@pytest.mark.usefixtures("painted")
async def test_film_of_a_picture_that_somebody_painted_again_is_made_in_its_style(
    world: World, story: ScriptedStory
) -> None:
    """Its answer is in the thread, its recording where the thread began."""
    await world.bob.click(picture(world), label="Again")
    again = film(world)
    told = await offered(world, again)
    await world.alice.click(told, label="Make the film")
    assert names_of(film(world))[0] == "film.mp4"
    assert story.told[0].recording == noise()


async def test_recording_that_is_gone_is_told_in_a_sentence(
    world: World, painted: discord.Message, story: ScriptedStory
) -> None:
    opened = await menu_of(world.alice, picture(world))
    world.env.backend.get_message(painted.channel.id, painted.id).attachments.clear()
    told = (await world.alice.click(opened, label="Make a film")).response
    assert told is not None
    assert GONE in text_of(told)
    assert list(buttons_of(told)) == []
    assert story.told == []


async def test_recording_that_goes_before_it_is_agreed_to_is_told_in_a_sentence(
    world: World, painted: discord.Message, story: ScriptedStory
) -> None:
    told = await offered(world, picture(world))
    world.env.backend.get_message(painted.channel.id, painted.id).attachments.clear()
    gone = await world.alice.click(told, label="Make the film")
    assert gone.response is not None
    assert GONE in text_of(gone.response)
    assert story.told == []


async def test_upload_of_a_command_is_in_no_message_and_has_no_film(world: World) -> None:
    await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    (reply,) = world.said(world.channel)
    assert "Make a film" not in buttons_of(await menu_of(world.alice, reply))


async def test_command_makes_a_film_of_an_upload(world: World, story: ScriptedStory) -> None:
    await world.alice.slash(world.channel, "imagine-sound story", recording=("walk.wav", noise()), style="comic")
    (message,) = world.said(world.channel)
    assert names_of(message)[0] == "film.mp4"
    assert "Comic" in text_of(message)
    assert story.told[0].options.imagine.style is Style.COMIC


async def test_command_makes_a_film_where_the_bot_is_no_member(world: World) -> None:
    await world.remove_bot()
    await world.alice.slash(world.channel, "imagine-sound story", recording=("walk.wav", noise()))
    (message,) = world.said(world.channel)
    assert names_of(message)[0] == "film.mp4"


async def test_command_goes_on_after_a_restart_though_its_upload_is_nowhere_else(
    world: World, story: ScriptedStory
) -> None:
    story.hold(1)
    await world.alice.slash(world.channel, "imagine-sound story", recording=("walk.wav", noise()))
    world.env.backend.cdn._blobs.clear()
    story.hold_no_other()
    await world.restart()
    (message,) = world.said(world.channel)
    assert names_of(message)[0] == "film.mp4"
    assert story.painted == [0, 1, 2]


@pytest.mark.usefixtures("painted")
async def test_server_may_have_no_films(world: World, story: ScriptedStory) -> None:
    told = await offered(world, picture(world))
    await world.bot.services.store.servers.change(world.guild.id, films=Films.NEVER)

    assert "Make a film" not in buttons_of(await menu_of(world.alice, picture(world)))
    refused = await world.alice.click(told, label="Make the film")
    assert refused.response is not None
    assert "No films are made in this server" in text_of(refused.response)
    by_command = await world.alice.slash(world.channel, "imagine-sound story", recording=("walk.wav", noise()))
    assert by_command.response is not None
    assert "No films are made in this server" in text_of(by_command.response)
    assert story.told == []


@pytest.mark.usefixtures("painted")
async def test_film_counts_as_most_until_its_scenes_are_known_and_then_as_those(
    world: World, story: ScriptedStory
) -> None:
    before = await counted(world)
    story.hold(CUT)
    told = await offered(world, picture(world))
    assert "one picture for each of its scenes, 8 at most" in text_of(told)
    await world.alice.click(told, label="Make the film")
    assert await counted(world) == before + 8
    story.go_on()
    await world.env.settle()
    assert await counted(world) == before + 3


@pytest.mark.usefixtures("painted")
@pytest.mark.bot(pictures_per_user_hour=4)
async def test_film_that_would_be_over_the_limit_is_refused_in_the_same_sentence(
    world: World, story: ScriptedStory
) -> None:
    told = await offered(world, picture(world))
    assert "4 at most" in text_of(told), "it counts as no more than there are within an hour"
    refused = await world.alice.click(told, label="Make the film")
    assert refused.response is not None
    assert "4 more would be over the limit" in text_of(refused.response)
    assert story.told == []
    await world.pass_time(61)
    await ask(world)
    assert names_of(film(world))[0] == "film.mp4"


@pytest.mark.usefixtures("painted")
async def test_two_clicks_are_one_film(world: World, story: ScriptedStory) -> None:
    told = await offered(world, picture(world))
    await world.alice.click(told, label="Make the film")
    again = await world.alice.click(told, label="Make the film")
    assert again.ephemeral
    assert len(story.told) == 1


@pytest.mark.usefixtures("painted")
async def test_behind_the_film_it_can_be_reported_and_deleted(world: World) -> None:
    await ask(world)
    assert list(buttons_of(await menu_of(world.alice, film(world)))) == ["Report", "Delete"]
    assert list(buttons_of(await menu_of(world.bob, film(world)))) == ["Report"]
    await in_menu(world.alice, film(world), "Delete")
    assert len(world.said(world.thread_of(world.channel))) == 1


async def test_film_goes_with_its_recording(world: World, painted: discord.Message) -> None:
    await ask(world)
    await world.alice.delete(painted)
    await world.env.settle()
    assert world.said(world.thread_of(world.channel)) == []


@pytest.mark.usefixtures("painted")
async def test_film_goes_with_forget_me_since_it_holds_a_voice(world: World) -> None:
    await ask(world)
    panel = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert panel.response is not None
    await world.alice.click(panel.response, custom_id="privacy:forget")
    await world.bot.services.jobs.sweep()
    assert [names_of(message) for message in world.said(world.thread_of(world.channel))] == [["picture.png"]]
    assert await world.jobs_remembered() == 0


@pytest.mark.usefixtures("painted")
async def test_film_is_listed_among_ones_own_pictures(world: World) -> None:
    await ask(world)
    mine = await world.alice.slash(world.channel, "imagine-sound mine")
    assert mine.response is not None
    assert "Dog" in text_of(mine.response)
    job = await world.bot.services.store.job(2)
    assert job is not None
    assert job.state is JobState.DONE


async def test_discord_that_does_not_answer_now_is_not_told_as_a_recording_that_is_gone(
    world: World, painted: discord.Message, story: ScriptedStory, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = await offered(world, picture(world))

    async def not_now(job: Job) -> NoReturn:
        raise calls.NotNow

    with monkeypatch.context() as patch:
        patch.setattr(world.bot.services.recordings, "posted_again", not_now)
        answer = (await world.alice.click(told, label="Make the film")).response
    assert answer is not None
    assert "try again in a minute" in text_of(answer)
    await world.alice.click(told, label="Make the film")
    assert len(story.told) == 1
