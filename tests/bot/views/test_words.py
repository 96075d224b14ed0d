"""What strangers write is words in every message: no link, no mention, no markup, no control character."""

import itertools
import re
import unicodedata
from pathlib import Path

import pytest

import bot
from bot.discord_api.markdown import Markdown, inert, stripped
from bot.views.layouts import Screen, build_layout
from bot.views.texts import LANGUAGES, Texts
from bot.views.wording import label_lines, note_text, painted_line, picture_alt_text, strip_alt_text
from core.errors import InvalidOptions, RecordingTooLong
from core.events import HeardSummary
from core.generation.protocol import Note
from core.hearing.categories import TopCategory
from core.hearing.classifier import Category, Prediction
from core.options import ImagineOptions
from core.prompting.prompt import Prompt

HOSTILE = [
    "[Free Nitro](https://evil.example)", "[x](<https://evil.example>)", "https://evil.example/a_b_c",
    "HTTPS://EVIL.EXAMPLE", "discord.gg/abcdef", "https://discord.com/invite/abc", "discordapp.com/invite/abc",
    "@everyone", "@here look", "<@123456789012345678>", "<@!123>", "<@&123>", "<#123>", "<:smile:123>", "<a:wave:123>",
    "</imagine-sound file:123>", "<t:0:R>", "<id:customize>", "**bold** __under__ ~~struck~~", "||spoiler||",
    "`code`", "```\nblock\n```", "# heading", "> quote", ">>> all of it", "- item", "1. item", "-# small",
    "left\u202eright\u202c\u2066x\u2069", "bell\a\x1b[2J\x1b]8;;https://evil.example\a\x00\x7f\x9b",
    "two\nlines\r\n# and\u2028a\u2029third", "\\[x\\](https://evil.example)", "tag\U000e0041\U000e007f", "\ud800",
]  # fmt: skip
LOCALES = ["en-US", *LANGUAGES]

ACTIVE = {
    "link": re.compile(r"https?://", re.IGNORECASE),
    "masked link": re.compile(r"(?<!\\)\[[^\]]*\]\("),
    "invite": re.compile(r"discord(?:app)?\.(?:gg|com)", re.IGNORECASE),
    "mention": re.compile(r"@(?:everyone|here)|(?<!\\)<(?:@[!&]?\d|#\d|id:|/)"),
    "emoji": re.compile(r"(?<!\\)<a?:\w+:\d"),
    "time": re.compile(r"(?<!\\)<t:"),
    "markup": re.compile(r"(?<!\\)(?:\*\*|__|~~|\|\||`)"),
    "line": re.compile(r"^(?:#|>|- |\d+\. |-#)|\n"),
}


def assert_harmless(text: str, *, renders: bool) -> None:
    controls = [
        hex(ord(one)) for one in text if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co") and one not in "\n\u200b"
    ]
    assert controls == [], text
    found = {name for name, pattern in ACTIVE.items() if pattern.search(text)} if renders else set()
    assert found == set(), text


@pytest.mark.parametrize("text", HOSTILE)
def test_inert_text_is_harmless_wherever_it_is_cut(text: str) -> None:
    assert_harmless(inert(text), renders=True)
    for most in range(1, len(text) + 1):
        assert_harmless(inert(text, most), renders=True)
    assert_harmless(stripped(text).replace("\u200b", ""), renders=False)
    assert "\n" not in stripped(text)


def test_words_that_are_only_words_stay_as_they_are() -> None:
    for text in ("a dog, barking - twice", "C# minor", "50 > 40? yes", "Ärger mit 日本語 👩‍🚀", "it's 1. of many"):
        assert inert(text) == text


@pytest.mark.parametrize(("text", "locale"), list(itertools.product(HOSTILE, LOCALES)))
def test_hostile_words_in_every_place_of_a_message(text: str, locale: str) -> None:
    t = Texts.load().translation(locale)
    heard = HeardSummary(
        text, (TopCategory(text, 0.9, 1.0, 0),), (Prediction(0, (Category(text, 0.9),), -20.0),), 1.0,
        Prompt(text, text), None,
    )  # fmt: skip
    notes = (Note("verbatim", {"text": text}), Note("prompt_cut", {"end": text}))
    status = t.error(InvalidOptions(f"There is no adapter called {text}; choose another."))
    options = ImagineOptions(prompt=text, adapter=text)
    painted_for = painted_line(t, 1, options, None, Markdown(""))
    screens = [Screen(1, status, heard, notes=notes), Screen(1, painted_for, heard), Screen(1, status)]
    told = [contents(build_layout(screen, t, 77).to_components()) for screen in screens]  # type: ignore[no-untyped-call]
    for content in (*itertools.chain(*told), label_lines(t, heard)):
        for line in content.replace(t("note.prompt_cut", end=inert("")), "").split("\n"):
            harmless = re.sub(r"^(?:-# |0:00 · )?(?:\*\*)?|\*\*(?=$| · )|<@1>", "", line)
            assert_harmless(harmless, renders=True)
    painted = (picture_alt_text(t, heard, options) for options in (ImagineOptions(), ImagineOptions(prompt=text)))
    for alt in (*painted, strip_alt_text(t, heard)):
        assert_harmless(alt, renders=False)


def contents(components: object) -> list[str]:
    """All that a layout says."""
    if isinstance(components, dict):
        own = [components["content"]] if "content" in components else []
        return own + [text for value in components.values() for text in contents(value)]
    return [text for one in components for text in contents(one)] if isinstance(components, list) else []


@pytest.mark.parametrize("locale", LOCALES)
def test_values_of_an_error_and_its_own_sentence_are_words(locale: str) -> None:
    t = Texts.load().translation(locale)
    for text in HOSTILE:
        assert_harmless(t.error(InvalidOptions(text)), renders=True)
        assert_harmless(note_text(t, Note("verbatim", {"text": text})), renders=True)
    assert "**" not in t.error(RecordingTooLong(100))


def test_there_is_one_way_for_text_into_a_message() -> None:
    found = [
        path.name
        for path in Path(bot.__file__).parent.rglob("*.py")
        if "TextDisplay(" in path.read_text(encoding="utf-8")
    ]
    assert found == ["markdown.py"]
