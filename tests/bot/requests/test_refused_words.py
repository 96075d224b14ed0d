"""Words that moderators, or whoever runs the bot, do not want painted: refused on every way, and not repeated."""

from pathlib import Path

import pytest
from simcord.actors import MemberActor

from bot.client import ImagineBot
from bot.storage.database import StoreUnusable
from bot.storage.records import OwnWords
from tests.bot.requests.test_settings_panel import open_panel
from tests.bot.sounds import noise
from tests.bot.world import World, buttons_of, filled, text_of


@pytest.fixture
async def strict(world: World) -> World:
    """A server in which no dragons are painted."""
    await world.bot.services.store.servers.change(world.guild.id, refused_words=("Dragon",))
    return world


@pytest.mark.parametrize("words", ["a dragon", "a DRÁGON!", "not a d.r.a.g.o.n"])
async def test_own_words_are_refused_and_not_repeated(strict: World, words: str) -> None:
    recording = ("rain.wav", noise())
    result = await strict.alice.slash(strict.channel, "imagine-sound file", recording=recording, prompt=words)
    (answer,) = result.followups
    assert answer.ephemeral
    assert strict.said(strict.channel) == []
    assert text_of(answer) == "There is a word among these that is not painted here; please choose others."
    assert strict.painter.orders == []


async def test_edited_words_are_refused_too(strict: World) -> None:
    await strict.post_voice_note(strict.alice, strict.channel)
    reply = strict.reply(strict.channel)
    editor = await strict.bob.click(reply, label="Change")
    result = await strict.bob.submit_modal(editor, filled(editor, prompt="a small dragon"))
    (answer,) = result.followups
    assert len(strict.said(strict.thread_of(strict.channel))) == 1
    assert "not painted here" in text_of(answer)
    assert "small" not in text_of(answer)
    assert buttons_of(answer) == {}, "the same words would be refused again"
    assert len(strict.painter.orders) == 1


async def test_what_was_heard_is_refused_where_it_is_on_the_list(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, refused_words=("waterfall",))
    await world.post(world.alice, world.channel, content=f"<@{world.me.id}>")
    (told,) = world.said(world.channel)
    assert "not painted here" in text_of(told)
    assert "Waterfall" not in text_of(told)


async def test_other_servers_paint_what_they_like(strict: World) -> None:
    await strict.alice.user.slash("imagine-sound file", recording=("rain.wav", noise()), prompt="a dragon")
    assert len(strict.painter.orders) == 1


async def test_moderators_change_the_list(world: World) -> None:
    manager: MemberActor = world.moderator(manage_guild=True)
    shown = await manager.click(await open_panel(world, manager), label="Change the words")
    await manager.submit_modal(shown, filled(shown, words="dragon\n\n two heads \ndragon"))
    settings = await world.bot.services.store.servers.settings(world.guild.id)
    assert settings.refused_words == ("dragon", "two heads")
    panel = await open_panel(world, manager)
    assert "do not paint here: 2" in text_of(panel)
    assert "dragon" not in text_of(panel)


async def test_whoever_runs_the_bot_refuses_words_everywhere(world: World, tmp_path: Path) -> None:
    (tmp_path / "blocked-words.txt").write_text("dragon\n")
    await world.restart()
    await world.alice.user.slash("imagine-sound file", recording=("rain.wav", noise()), prompt="a dragon")
    assert world.painter.orders == []


async def test_list_that_cannot_be_read_is_named_at_the_start(world: World, tmp_path: Path) -> None:
    (tmp_path / "blocked-words.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StoreUnusable, match=r"blocked-words\.txt"):
        ImagineBot(world.bot.services.settings, world.bot.services.engine)


@pytest.mark.parametrize(("who", "painted"), [(OwnWords.MODERATORS, 1), (OwnWords.NOBODY, 0)])
async def test_own_words_are_for_whom_the_moderators_want(world: World, who: OwnWords, painted: int) -> None:
    await world.bot.services.store.servers.change(world.guild.id, own_words=who)
    moderator = world.moderator(manage_messages=True)
    for member in (world.alice, moderator):
        told = await member.slash(world.channel, "imagine-sound file", recording=("a.wav", noise()), prompt="a dog")
    assert len(world.painter.orders) == painted
    if not painted:
        assert told.response is not None
        assert "what I hear" in text_of(told.response)
    await world.post_voice_note(world.alice, world.channel)
    assert len(world.painter.orders) == painted + 1, "what is heard is painted for everybody"


async def test_own_words_for_chosen_roles(world: World) -> None:
    role = world.guild.create_role("Poets")
    poet = world.guild.add_member(world.env.create_user("poet"), roles=[role])
    manager = world.moderator(manage_guild=True)
    await manager.select(await open_panel(world, manager), [role], custom_id="settings:own_words_roles")
    for member in (world.alice, poet):
        await member.slash(world.channel, "imagine-sound file", recording=("a.wav", noise()), prompt="a dog")
    assert [order.request.user for order in world.painter.orders] == [str(poet.id)]


async def test_edited_prompt_is_words_of_ones_own(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    await world.bot.services.store.servers.change(world.guild.id, own_words=OwnWords.NOBODY)
    editor = await world.bob.click(world.reply(world.channel), label="Change")
    await world.bob.submit_modal(editor, filled(editor, prompt="a dog"))
    assert len(world.painter.orders) == 1


async def test_moderators_words_may_be_painted_again_by_anybody(world: World) -> None:
    await world.bot.services.store.servers.change(world.guild.id, own_words=OwnWords.MODERATORS)
    moderator = world.moderator(manage_messages=True)
    await moderator.slash(world.channel, "imagine-sound file", recording=("a.wav", noise()), prompt="a dog")
    await world.bob.click(world.said(world.channel)[0], label="Again")
    assert [order.request.prompt.text for order in world.painter.orders] == ["a dog", "a dog"]


async def test_moderators_choose_who_uses_own_words(world: World) -> None:
    manager = world.moderator(manage_guild=True)
    await manager.select(await open_panel(world, manager), ["moderators"], custom_id="settings:own_words")
    settings = await world.bot.services.store.servers.settings(world.guild.id)
    assert settings.own_words is OwnWords.MODERATORS
