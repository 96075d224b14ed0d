"""The settings that a server's moderators may choose: one table says how each looks, and what choosing changes.

Each item has the custom id `settings:<name>`. How the panel is shown and turned, and who may use it, is not known here.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

import discord
from discord import ui

from bot.discord_api import calls
from bot.discord_api.markdown import Markdown, channel_mention, formatted, mention
from bot.requests.answering import language_of
from bot.requests.services import Interaction, Services, choosable_adapters
from bot.storage.records import Films, GuildSettings, Listening, OwnWords, RestrictedCheck, SpeechUse, Taken
from bot.views.editors import numbers_editor, words_editor
from bot.views.texts import Texts, Translation, one_locale_each
from bot.views.wording import names_of
from core.prompting.styles import Style

MOST_PICKED = 25
"""Discord's limit for one select."""

ALL = "*"
"""In place of an adapter's name, which has no such character."""

ASKERS = "asker"
"""In place of a locale."""

ANY = "any"
"""In place of a language."""

SPOKEN_LANGUAGES = {
    "en": "English", "zh": "中文", "de": "Deutsch", "es": "Español", "ru": "Русский", "ko": "한국어", "fr": "Français",
    "ja": "日本語", "pt": "Português", "tr": "Türkçe", "pl": "Polski", "ca": "Català", "nl": "Nederlands",
    "ar": "العربية", "sv": "Svenska", "it": "Italiano", "id": "Bahasa Indonesia", "hi": "हिन्दी", "fi": "Suomi",
    "vi": "Tiếng Việt", "he": "עברית", "uk": "Українська", "el": "Ελληνικά", "cs": "Čeština",
}  # fmt: skip
"""Those that Whisper has heard most of (Radford et al. 2022, appendix E), as many as a select holds."""

STARS = (0, 1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50)
"""So many people may be asked for to share a picture; 0: none do."""

MOST_NAMED = 50
"""So many blocked people are named."""


@dataclass(frozen=True)
class PanelState:
    """What a panel shows: the server's choices, and the bot's own where it made none."""

    chosen: GuildSettings
    blocked: tuple[int, ...]
    seconds: float
    pictures_per_user_hour: int
    adapters: tuple[str, ...]
    """Those that there are."""

    @classmethod
    async def of(cls, services: Services, guild_id: int) -> Self:
        """The state of a server."""
        chosen = await services.store.servers.settings(guild_id)
        most = services.settings.pictures_per_user_hour
        return cls(
            chosen,
            await services.store.servers.blocked(guild_id),
            chosen.seconds if chosen.seconds is not None else services.engine.settings.max_seconds,
            min(most, chosen.pictures_per_user_hour or most),
            await choosable_adapters(services),
        )


Act = Callable[[Interaction, Any], Awaitable[Mapping[str, object] | None]]
"""Takes the interaction and the control that was used. Returns what is to be changed; None leaves the panel alone."""


@dataclass(frozen=True)
class Setting:
    """One line of the panel. `item` has the custom id `settings:<name>`; `act` is what using it does."""

    name: str
    label: Callable[[PanelState, Translation], Markdown]
    item: Callable[[PanelState, Translation], ui.Item[Any]]
    act: Act


def _channels(state: PanelState, t: Translation) -> ui.Item[Any]:
    kinds = [discord.ChannelType.text, discord.ChannelType.news, discord.ChannelType.voice]
    kinds += [discord.ChannelType.forum, discord.ChannelType.stage_voice]
    return ui.ChannelSelect(
        channel_types=kinds,
        min_values=0,
        max_values=MOST_PICKED,
        placeholder=t("settings.channels"),
        default_values=_picked(state.chosen.channels, discord.SelectDefaultValueType.channel),
        custom_id="settings:channels",
    )


async def _choose_channels(_: Interaction, item: ui.ChannelSelect[Any]) -> Mapping[str, object]:
    """Choosing some means to listen only there."""
    chosen = tuple(channel.id for channel in item.values)
    listening = {"listening": Listening.CHOSEN} if chosen else {}
    return {"channels": chosen, **listening}


def _language(state: PanelState, t: Translation) -> ui.Item[Any]:
    """Each language by its own name."""
    chosen = state.chosen.language
    options = [discord.SelectOption(label=t("language.asker"), value=ASKERS, default=chosen is None)]
    options += [
        discord.SelectOption(
            label=Texts.load().translation(locale)("language.name"), value=locale, default=locale == chosen
        )
        for locale in one_locale_each()
    ]
    return ui.Select(options=options, custom_id="settings:language")


async def _choose_language(_: Interaction, item: ui.Select[Any]) -> Mapping[str, object]:
    (chosen,) = item.values
    return {"language": None if chosen == ASKERS else chosen}


def _speech_language(state: PanelState, t: Translation) -> ui.Item[Any]:
    """Each language by its own name."""
    chosen = state.chosen.speech_language
    options = [discord.SelectOption(label=t("speech.any_language"), value=ANY, default=chosen is None)]
    options += [
        discord.SelectOption(label=name, value=code, default=code == chosen) for code, name in SPOKEN_LANGUAGES.items()
    ]
    return ui.Select(options=options, custom_id="settings:speech_language")


async def _choose_speech_language(_: Interaction, item: ui.Select[Any]) -> Mapping[str, object]:
    (chosen,) = item.values
    return {"speech_language": None if chosen == ANY else chosen}


def _roles(state: PanelState, t: Translation) -> ui.Item[Any]:
    return _role_select("roles", state.chosen.roles, t)


async def _choose_roles(_: Interaction, item: ui.RoleSelect[Any]) -> Mapping[str, object]:
    """None chosen means everybody."""
    return {"roles": tuple(role.id for role in item.values)}


def _block(_: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.UserSelect(max_values=MOST_PICKED, placeholder=t("settings.block"), custom_id="settings:block")


def _unblock(_: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.UserSelect(max_values=MOST_PICKED, placeholder=t("settings.unblock"), custom_id="settings:unblock")


def _current_blocked(state: PanelState, t: Translation) -> Markdown:
    """Whom the server does not want served; the list may be longer than a message."""
    shown = ", ".join(mention(user_id) for user_id in state.blocked[:MOST_NAMED])
    more = f" … (+{len(state.blocked) - MOST_NAMED})" if len(state.blocked) > MOST_NAMED else ""
    return Markdown(f"{t('settings.blocked')}: {shown or '–'}{more}")


async def _add_blocked(interaction: Interaction, item: ui.UserSelect[Any]) -> Mapping[str, object]:
    assert interaction.guild_id is not None
    await interaction.client.services.store.servers.block(interaction.guild_id, [user.id for user in item.values])
    return {}


async def _remove_blocked(interaction: Interaction, item: ui.UserSelect[Any]) -> Mapping[str, object]:
    assert interaction.guild_id is not None
    await interaction.client.services.store.servers.unblock(interaction.guild_id, [user.id for user in item.values])
    return {}


def _numbers(_: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.Button(label=t("settings.numbers"), emoji="🔢", custom_id="settings:numbers")


def _current_numbers(state: PanelState, t: Translation) -> Markdown:
    return t("settings.current_numbers", seconds=formatted(state.seconds, "g"), hour=state.pictures_per_user_hour)


def _own_words_roles(state: PanelState, t: Translation) -> ui.Item[Any]:
    return _role_select("own_words_roles", state.chosen.own_words_roles, t)


async def _choose_own_words_roles(_: Interaction, item: ui.RoleSelect[Any]) -> Mapping[str, object]:
    """Choosing some means that only they may."""
    chosen = tuple(role.id for role in item.values)
    who = {"own_words": OwnWords.ROLES} if chosen else {}
    return {"own_words_roles": chosen, **who}


def _adapters(state: PanelState, t: Translation) -> ui.Item[Any]:
    """One choice for all, and one for each; nothing chosen means none."""
    allowed = state.chosen.adapters
    options = [discord.SelectOption(label=t("settings.all_adapters"), value=ALL, default=allowed is None)]
    options += [
        discord.SelectOption(label=name, value=name, default=allowed is not None and name in allowed)
        for name in state.adapters[: MOST_PICKED - 1]
    ]
    return ui.Select(
        options=options,
        min_values=0,
        max_values=len(options),
        placeholder=t("settings.no_adapters"),
        custom_id="settings:adapters",
    )


async def _choose_adapters(_: Interaction, item: ui.Select[Any]) -> Mapping[str, object]:
    allowed = None if ALL in item.values else tuple(item.values)
    return {"adapters": allowed}


def _log_channel(state: PanelState, t: Translation) -> ui.Item[Any]:
    chosen = () if state.chosen.log_channel is None else (state.chosen.log_channel,)
    return ui.ChannelSelect(
        channel_types=[discord.ChannelType.text],
        min_values=0,
        max_values=1,
        placeholder=t("settings.log_channel"),
        default_values=_picked(chosen, discord.SelectDefaultValueType.channel),
        custom_id="settings:log_channel",
    )


async def _choose_log_channel(_: Interaction, item: ui.ChannelSelect[Any]) -> Mapping[str, object]:
    return {"log_channel": next((channel.id for channel in item.values), None)}


def _gallery(state: PanelState, t: Translation) -> ui.Item[Any]:
    chosen = () if state.chosen.gallery is None else (state.chosen.gallery,)
    return ui.ChannelSelect(
        channel_types=[discord.ChannelType.text, discord.ChannelType.news],
        min_values=0,
        max_values=1,
        placeholder=t("settings.gallery"),
        default_values=_picked(chosen, discord.SelectDefaultValueType.channel),
        custom_id="settings:gallery",
    )


async def _choose_gallery(interaction: Interaction, item: ui.ChannelSelect[Any]) -> Mapping[str, object] | None:
    """A channel that the bot cannot post in is none; what was chosen before stays."""
    chosen = next((channel.id for channel in item.values), None)
    channel = interaction.guild.get_channel(chosen) if interaction.guild is not None and chosen is not None else None
    missing = interaction.client.services.places.missing_to_answer(channel)
    if missing or (channel is None and chosen is not None):
        t = language_of(interaction)
        permissions = names_of(missing or ("view_channel",), t)
        await calls.answer(
            interaction, t("gallery.missing", channel=channel_mention(chosen or 0), permissions=permissions)
        )
        return None
    return {"gallery": chosen}


def _stars(state: PanelState, t: Translation) -> ui.Item[Any]:
    options = [
        discord.SelectOption(
            label=t("settings.stars", count=count) if count else t("settings.no_stars"),
            value=str(count),
            default=count == state.chosen.gallery_stars,
        )
        for count in STARS
    ]
    return ui.Select(options=options, custom_id="settings:gallery_stars")


async def _choose_stars(_: Interaction, item: ui.Select[Any]) -> Mapping[str, object]:
    return {"gallery_stars": next(count for count in STARS if str(count) == item.values[0])}


def _words(_: PanelState, t: Translation) -> ui.Item[Any]:
    return ui.Button(label=t("settings.edit_words"), emoji="🚫", custom_id="settings:words")


def _current_words(state: PanelState, t: Translation) -> Markdown:
    """How many, but not which: the panel may be on a screen that others see."""
    return t("settings.words", count=len(state.chosen.refused_words))


def _opens(
    editor_of: Callable[[GuildSettings, Translation], ui.Modal],
) -> Act:
    """An act that opens an editor, filled with what is chosen."""

    async def act(interaction: Interaction, _: Any) -> None:
        chosen = await interaction.client.services.store.servers.settings(interaction.guild_id)
        editor = editor_of(chosen, language_of(interaction))
        await calls.attempt_quietly(interaction.response.send_modal(editor), "show an editor")

    return act


def _named(key: str) -> Callable[[PanelState, Translation], Markdown]:
    return lambda _, t: t(key)


def _choice(name: str, members: type[StrEnum]) -> Setting:
    """One of `members`, each called by the text `<name>.<value>`; nothing is chosen where the server chose none."""

    def item(state: PanelState, t: Translation) -> ui.Item[Any]:
        chosen = getattr(state.chosen, name)
        options = [
            discord.SelectOption(label=t(f"{name}.{member.value}"), value=member.value, default=member is chosen)
            for member in members
        ]
        return ui.Select(options=options, placeholder=t(f"settings.{name}"), custom_id=f"settings:{name}")

    async def choose(_: Interaction, item: ui.Select[Any]) -> Mapping[str, object]:
        return {name: members(item.values[0])}

    return Setting(name, _named(f"settings.{name}"), item, choose)


SETTINGS: Sequence[Setting] = (
    _choice("listening", Listening),
    Setting("channels", _named("settings.channels"), _channels, _choose_channels),
    _choice("taken", Taken),
    _choice("style", Style),
    Setting("roles", _named("settings.roles"), _roles, _choose_roles),
    _choice("own_words", OwnWords),
    Setting("own_words_roles", _named("settings.own_words_roles"), _own_words_roles, _choose_own_words_roles),
    Setting("words", _current_words, _words, _opens(words_editor)),
    Setting("adapters", _named("settings.adapters"), _adapters, _choose_adapters),
    Setting("block", _current_blocked, _block, _add_blocked),
    Setting("unblock", _named("settings.unblock"), _unblock, _remove_blocked),
    Setting("log_channel", _named("settings.log_channel"), _log_channel, _choose_log_channel),
    Setting("gallery", _named("settings.gallery"), _gallery, _choose_gallery),
    Setting("gallery_stars", _named("settings.gallery_stars"), _stars, _choose_stars),
    _choice("restricted_check", RestrictedCheck),
    _choice("films", Films),
    _choice("speech", SpeechUse),
    Setting("speech_language", _named("settings.speech_language"), _speech_language, _choose_speech_language),
    Setting("language", _named("settings.language"), _language, _choose_language),
    Setting("numbers", _current_numbers, _numbers, _opens(numbers_editor)),
)


def _role_select(name: str, chosen: Sequence[int], t: Translation) -> ui.Item[Any]:
    """Any number of roles, for the setting called so."""
    return ui.RoleSelect(
        min_values=0,
        max_values=MOST_PICKED,
        placeholder=t(f"settings.{name}"),
        default_values=_picked(chosen, discord.SelectDefaultValueType.role),
        custom_id=f"settings:{name}",
    )


def _picked(ids: Sequence[int], kind: discord.SelectDefaultValueType) -> list[discord.SelectDefaultValue]:
    """What a select shows as chosen."""
    return [discord.SelectDefaultValue(id=number, type=kind) for number in ids[:MOST_PICKED]]
