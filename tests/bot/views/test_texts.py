"""The table of texts: complete in English, true to its placeholders elsewhere, and used."""

import re
import string
from pathlib import Path

import pytest

from bot.discord_api import attachments
from bot.discord_api.attachments import CouldNotFetch
from bot.views.texts import LANGUAGES, Texts
from core import errors
from core.cli.common import NOTES
from core.errors import ModelMissing, RecordingTooLarge
from core.generation.protocol import Note
from core.prompting.styles import Style
from tests.bot.sounds import noise
from tests.bot.world import World, buttons_of, menu_of, text_of

TEXTS = Texts.load()
CODES = sorted(set(LANGUAGES.values()))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("key", sorted(TEXTS.keys))
def test_text_is_there_in_every_language_with_the_same_placeholders(key: str) -> None:
    found = TEXTS.languages(key)

    assert set(found) == {"en", *CODES}
    assert all(placeholders(text) == placeholders(found["en"]) for text in found.values())


MENUS = frozenset({"command.menu.name", "command.sound.name", "command.painted.name"})


@pytest.mark.parametrize("key", sorted(key for key in TEXTS.keys if key.startswith("command.")))
def test_command_texts_fit_into_discords_rules(key: str) -> None:
    for text in TEXTS.languages(key).values():
        if key.endswith(".name") and key not in MENUS:
            assert re.fullmatch(r"[-_'\w]{1,32}", text)
            assert text == text.lower()
        else:
            assert 1 <= len(text) <= (32 if key in MENUS else 100)


def test_labels_fit_into_discords_limits() -> None:
    for key in TEXTS.keys:
        most = {"button": 80, "modal": 45, "style": 100, "shape": 100, "listening": 100, "own_words": 100}.get(
            key.split(".")[0]
        )
        most = 100 if key.endswith("_hint") else most
        assert most is None or all(len(text) <= most for text in TEXTS.languages(key).values())
    for key in ("settings.seconds", "settings.hour", "settings.numbers"):
        assert all(len(text) <= 45 for text in TEXTS.languages(key).values())


def test_every_text_is_used_and_every_used_text_is_there() -> None:
    code = "\n".join(path.read_text() for path in Path("bot").rglob("*.py"))
    computed = (*re.findall(r'f"([a-z_]+\.)\{', code), "sure.", "permission.")
    computed += tuple(f"{key}." for key in re.findall(r'_choice\("([a-z_]+)"', code))
    used = {key for key in TEXTS.keys if f'"{key}"' in code or f"'{key}'" in code or key.startswith(computed)}
    written = set(re.findall(r'\b(?:t|_t|texts\.find|translatable|Sentence|_named)\(\s*"([a-z_.]+)"', code))

    assert used == TEXTS.keys
    assert written <= TEXTS.keys
    assert all(f"style.{style.value}" in TEXTS.keys for style in Style)


@pytest.mark.parametrize("key", sorted(NOTES))
def test_what_the_core_notes_about_a_picture_can_be_said(key: str) -> None:
    assert placeholders(TEXTS.languages(f"note.{key}")["en"]) == placeholders(NOTES[key])


async def test_note_about_a_picture_is_said_in_the_readers_language(world: World) -> None:
    world.painter.notes = (Note("prompt_cut", {"end": "in the rain"}),)
    guild = world.env.create_guild(preferred_locale="ja")
    channel = guild.create_text_channel("oto")
    member = guild.add_member(world.env.create_user("carol"))

    await world.post_voice_note(member, channel, noise())
    menu = await menu_of(member, world.reply(channel))

    assert "変える" in buttons_of(world.reply(channel))
    assert "ends at “in the rain”" in text_of(menu), "the member's own language is English"


def test_unknown_language_gets_english() -> None:
    assert TEXTS.translation("tlh")("button.again") == "Again"


def test_errors_are_said_in_the_cores_words_in_english_and_translated_elsewhere() -> None:
    error = RecordingTooLarge(30_000_000, 25_000_000)

    assert "30.0 MB, more than the 25 MB" in TEXTS.translation("en-US").error(error)
    assert "30.0 MB, mehr als die 25 MB" in TEXTS.translation("de").error(error)
    assert TEXTS.translation("ja").error(CouldNotFetch()) == TEXTS.find("ja", "error.CouldNotFetch")
    assert TEXTS.translation("fr").error(ModelMissing("x")) == TEXTS.find("fr", "error.ModelError")


@pytest.mark.parametrize(("locale", "word"), [("de", "Noch einmal"), ("pt-BR", "De novo"), ("es-ES", "Cambiar")])
async def test_replies_speak_the_servers_language(world: World, locale: str, word: str) -> None:
    guild = world.env.create_guild(preferred_locale=locale)
    channel = guild.create_text_channel("klang")
    member = guild.add_member(world.env.create_user("carol"))

    await world.post_voice_note(member, channel, noise())

    message = world.reply(channel)
    assert word in buttons_of(message)
    assert text_of(message)


def test_translations_of_errors_fill_in_the_values_that_the_error_carries() -> None:
    """The English line in the table is the class's own sentence, so that it cannot go astray unnoticed."""
    for key in sorted(TEXTS.keys):
        kind, _, name = key.partition(".")
        error = getattr(errors, name, None) or getattr(attachments, name, None)
        if kind == "error" and error is not None and "sentence" in vars(error):
            assert TEXTS.languages(key)["en"] == error.sentence, key
