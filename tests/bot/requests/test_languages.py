"""In which language the bot answers where others read it, too, and how it comes to know."""

import json
import zipfile
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pytest
from simcord.actors import MemberActor

from bot.storage.records import GuildSettings
from bot.views.naming import title_of
from bot.views.texts import LANGUAGES, Texts, one_locale_each
from core.hearing.labels import name_in
from tests.bot.sounds import noise
from tests.bot.world import World, alt_texts_of, buttons_of, menu_of, text_of


def speaks(world: World, member: MemberActor, locale: str) -> None:
    """From now on the member's Discord is in that language."""
    emit = world.env.backend.emit

    def emit_in_it(event: str, payload: Mapping[str, Any]) -> None:
        theirs = event == "INTERACTION_CREATE" and str(member.id) in str(payload.get("member", payload.get("user")))
        if theirs and payload["locale"] == "en-US":  # as the simulator has it: what was said last is said first
            payload = {**payload, "locale": locale}
        emit(event, payload)

    world.env.backend.emit = emit_in_it  # type: ignore[method-assign]


async def choose(world: World, manager: MemberActor, language: str) -> None:
    """Choose it in the panel, of which it is on the second page."""
    panel = await manager.slash(world.channel, "imagine-sound settings")
    assert panel.response is not None
    turned = await manager.click(panel.response, custom_id="settings:page:1")
    assert turned.response is not None
    await manager.select(turned.response, [language], custom_id="settings:language")


async def kept(world: World, member: MemberActor) -> str | None:
    return await world.bot.services.store.people.locale(member.id)


async def test_a_posted_recording_is_answered_in_the_language_of_its_authors_last_click(world: World) -> None:
    speaks(world, world.alice, "ja")
    await world.alice.slash(world.channel, "imagine-sound help")

    await world.post_voice_note(world.alice, world.channel)

    japanese = Texts.load().translation("ja")
    assert "もう一度" in buttons_of(world.reply(world.channel))
    assert world.thread_of(world.channel).name == title_of(japanese, (await world.heard()).top)
    other = world.guild.create_text_channel("other")
    await world.post_voice_note(world.bob, other)
    assert "Again" in buttons_of(world.reply(other)), "of Bob nothing is known but the server's language"


async def test_the_last_language_counts_also_after_a_restart_and_in_direct_messages(world: World) -> None:
    speaks(world, world.alice, "fr")
    await world.alice.slash(world.channel, "imagine-sound help")
    speaks(world, world.alice, "de")
    await world.alice.slash(world.channel, "imagine-sound queue")
    await world.restart()

    await world.post_voice_note(world.alice.user, world.alice.user.dm_channel)

    (answer,) = world.said(world.alice.user.dm_channel)
    assert "Noch einmal" in buttons_of(answer)


async def test_what_the_server_chose_comes_before_what_anybody_speaks(world: World) -> None:
    manager = world.moderator(manage_guild=True)
    speaks(world, world.alice, "de")
    await choose(world, manager, "pt-BR")

    command = await world.alice.slash(world.channel, "imagine-sound file", recording=("rain.wav", noise()))
    await world.post_voice_note(world.alice, world.channel)

    assert not command.ephemeral
    assert "De novo" in buttons_of(world.said(world.channel)[0])
    assert "De novo" in buttons_of(world.reply(world.channel))
    own = await menu_of(world.alice, world.reply(world.channel))
    assert "Rezept" in buttons_of(own), "what one person alone reads is in their own language"


async def test_what_was_heard_is_told_in_the_language_of_the_one_who_clicked(world: World) -> None:
    await world.post_voice_note(world.alice, world.channel)
    speaks(world, world.bob, "ja")

    menu = await menu_of(world.bob, world.reply(world.channel))

    heard = await world.heard()
    named = {category.name for category in heard.top}
    named |= {category.name for window in heard.windows for category in window.categories}
    assert name_in(heard.top[0].name, "ja") in text_of(menu)
    assert [name for name in named if name in text_of(menu)] == []
    (alternative,) = alt_texts_of(menu)
    assert [name for name in named if name in (alternative or "")] == []


async def test_choosing_nothing_gives_the_choice_back_to_the_asker(world: World) -> None:
    manager = world.moderator(manage_guild=True)
    await world.bot.services.store.servers.change(world.guild.id, language="ja")

    await choose(world, manager, "asker")

    assert await world.bot.services.store.servers.settings(world.guild.id) == GuildSettings()


async def test_refusals_of_what_was_posted_are_in_the_same_language(world: World) -> None:
    speaks(world, world.alice, "es-419")
    await world.alice.slash(world.channel, "imagine-sound help")

    await world.post(world.alice, world.channel, ("notes.txt", b"words"), content=f"<@{world.me.id}>")

    (answer,) = world.said(world.channel)
    assert "Envíame una nota de voz" in text_of(answer)


async def test_forget_me_forgets_the_language_and_does_not_note_it_again(world: World) -> None:
    speaks(world, world.alice, "de")
    panel = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert panel.response is not None
    assert await kept(world, world.alice) == "de"
    assert "bis du **Vergiss mich** drückst" in text_of(panel.response)

    await world.alice.click(panel.response, custom_id="privacy:forget")

    assert await kept(world, world.alice) is None


async def test_the_language_is_among_what_a_person_is_sent(world: World) -> None:
    speaks(world, world.alice, "ja")
    panel = await world.alice.slash(world.channel, "imagine-sound privacy")
    assert panel.response is not None
    await world.alice.click(panel.response, custom_id="privacy:export")

    (sent,) = world.said(world.alice.user.dm_channel)
    archive = zipfile.ZipFile(BytesIO(await sent.attachments[0].read()))
    assert json.loads(archive.read("person.json"))["language"] == "ja"


async def test_a_language_that_is_known_is_not_written_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.alice.slash(world.channel, "imagine-sound help")
    assert await kept(world, world.alice) == "en-US"

    async def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is to be written")

    monkeypatch.setattr(world.bot.services.store._database.writer, "write", refuse)
    await world.alice.slash(world.channel, "imagine-sound help")


def test_every_language_can_be_chosen_once() -> None:
    assert [LANGUAGES.get(locale, "en") for locale in one_locale_each()] == ["en", *dict.fromkeys(LANGUAGES.values())]
