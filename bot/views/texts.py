"""What the bot says, in every language it speaks: one table, `texts.toml`, English complete.

A text that a language lacks is said in English. This module knows languages, not what the texts are for.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Self

import discord
from discord import app_commands

from bot.discord_api.markdown import Markdown, inert
from core.errors import ImagineSoundError

ENGLISH = "en"
LANGUAGES = {"de": "de", "fr": "fr", "es-ES": "es", "es-419": "es", "pt-BR": "pt-BR", "ja": "ja"}
"""The languages beside English, by Discord's locale codes."""


def one_locale_each() -> tuple[str, ...]:
    """A locale for each language, for people to choose from."""
    first = {ENGLISH: "en-US"}
    for locale, language in LANGUAGES.items():
        first.setdefault(language, locale)
    return tuple(first.values())


class Texts:
    """The table: by key, then by language."""

    def __init__(self, table: Mapping[str, Mapping[str, str]]) -> None:
        self._table = table

    @classmethod
    @cache
    def load(cls) -> Self:
        """The table that comes with the bot."""
        data = tomllib.loads(resources.files("bot.views").joinpath("texts.toml").read_text(encoding="utf-8"))
        return cls(data)

    @property
    def keys(self) -> frozenset[str]:
        """The names of all texts."""
        return frozenset(self._table)

    def languages(self, key: str) -> Mapping[str, str]:
        """A text in every language that has it."""
        return self._table[key]

    def find(self, locale: str, key: str) -> str | None:
        """The bare text in exactly that language (a Discord locale), or None."""
        return self._table.get(key, {}).get(LANGUAGES.get(locale, ENGLISH))

    def translation(self, locale: str | discord.Locale) -> "Translation":
        """Says the texts in a language."""
        return Translation(self, str(locale))


class Translation:
    """Says texts in one language: `t("status.queued", position=3)`."""

    def __init__(self, texts: Texts, locale: str) -> None:
        self._texts = texts
        self.locale = locale

    def __call__(self, key: str, **values: int | Markdown) -> Markdown:
        """The text of that key with the values filled in, for messages."""
        return Markdown(self.plain(key, **values))

    def plain(self, key: str, **values: int | str) -> str:
        """The same for places that render no markup: alternative texts, names of threads."""
        found = self._texts.find(self.locale, key) or self._texts.languages(key)[ENGLISH]
        return found.format(**values) if values else found

    def error(self, error: ImagineSoundError) -> Markdown:
        """The error's own sentence in English, its translation (if there is one) elsewhere.

        What is filled in may come from anywhere, and so may a sentence that was made for this error alone.
        """
        values = {name: inert(value) for name, value in error.values.items()}
        if self.locale in LANGUAGES:
            for kind in type(error).__mro__:
                translation = self._texts.find(self.locale, f"error.{kind.__name__}")
                if translation is not None:
                    return Markdown(translation.format(**values))
        return Markdown(error.sentence.format(**values)) if error.has_own_sentence else inert(error)


class CommandTranslator(app_commands.Translator):
    """Gives Discord the commands' names and descriptions in other languages; keys are in `locale_str.extras`."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: app_commands.TranslationContextTypes
    ) -> str | None:
        """The text named by the string's `key`, or None where English is to stand."""
        key = string.extras.get("key")
        if key is None or str(locale) not in LANGUAGES:
            return None
        return self._texts.find(str(locale), key)


def translatable(key: str) -> app_commands.locale_str:
    """A command's name or description by its key in the table."""
    return app_commands.locale_str(Texts.load().languages(key)[ENGLISH], key=key)
