"""A job's message in every state: few parts, few words, in every language."""

import itertools
from typing import Any

import pytest

from bot.discord_api.markdown import Markdown
from bot.storage.records import How
from bot.views.layouts import Controls, Screen, ShownPicture, build_layout
from bot.views.texts import Texts, Translation, one_locale_each
from bot.views.wording import loading_line, painted_line, things_line, waiting_line
from core.events import HeardSummary
from core.generation.protocol import Note
from core.hearing.categories import TopCategory
from core.hearing.palette import Palette
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.prompting.styles import Style

TEXTS = Texts.load()
ENGLISH = TEXTS.translation("en-US")
LOCALES = one_locale_each()
BLUE = Palette((20, 40, 160), (90, 90, 200), (220, 220, 250))


def thing(name: str, certainty: float) -> TopCategory:
    return TopCategory(name, certainty, 1.0, 0)


RAIN = HeardSummary(
    "", (thing("Rain", 0.9), thing("Thunder", 0.4), thing("Wind", 0.3)), (), 8.0, Prompt("rain", ""), Style.NONE
)


FOUR = [f"picture-{number}.png" for number in (1, 2, 3, 4)]


def shown(*names: str) -> tuple[ShownPicture, ...]:
    return tuple(ShownPicture(name, "…") for name in names)


def states(t: Translation) -> dict[str, Screen]:
    """A message in every state, as full as it can be."""
    origin = t("origin.again", picture=Markdown("[↗](https://discord.com/channels/1/2/3)"))
    options = ImagineOptions(prompt="a dog at sea", style=Style.WATERCOLOUR, adapter="ink")
    once = (Note("miniature", {}),)
    line = painted_line(t, 1, options, Style.WATERCOLOUR, origin)
    return {
        "listening": Screen(1, t("status.listening")),
        "heard": Screen(1, waiting_line(t, 3, 20.0), RAIN),
        "painting": Screen(1, t("status.painting", step=6, steps=12), RAIN, shown("preview-6.jpg")),
        "painted": Screen(1, line, RAIN, shown("picture.png"), once, controls=Controls.PICTURE, palette=BLUE),
        "several": Screen(1, line, RAIN, shown(*FOUR), once, controls=Controls.SEVERAL, palette=BLUE),
        "failed": Screen(1, t("status.fault"), controls=Controls.AGAIN),
        "silent": Screen(1, t("status.fault"), controls=Controls.SILENCE),
    }


MOST = {
    "listening": (4, 1, 1),
    "heard": (4, 2, 1),
    "painting": (5, 2, 1),
    "painted": (9, 3, 5),
    "several": (9, 3, 5),
    "failed": (4, 1, 1),
}
"""Components, lines and buttons."""


def counts(screen: Screen, t: Translation) -> tuple[int, int, int]:
    layout: Any = build_layout(screen, t, 77)
    waiting, components, lines, buttons = layout.to_components(), 0, 0, 0
    while waiting:
        component = waiting.pop()
        components += 1
        lines += len(component["content"].split("\n")) if component["type"] == 10 else 0
        buttons += component["type"] == 2
        waiting += component.get("components", [])
    return components, lines, buttons


@pytest.mark.parametrize(("state", "locale"), list(itertools.product(MOST, LOCALES)))
def test_a_message_has_few_parts_few_lines_and_few_buttons(state: str, locale: str) -> None:
    t = TEXTS.translation(locale)
    found = counts(states(t)[state], t)
    assert all(number <= most for number, most in zip(found, MOST[state], strict=True)), found


def test_at_most_three_things_with_a_word_for_what_is_not_clear() -> None:
    top = (thing("Rain", 0.9), thing("Thunder", 0.4), thing("Wind", 0.3), thing("Dog", 0.25))
    assert things_line(ENGLISH, top) == "**Rain** · Thunder, probably · Wind, probably"
    assert things_line(TEXTS.translation("ja"), top[:2]) == "**雨** · 雷鳴（おそらく）"


def test_nothing_below_a_fifth_is_named_unless_there_is_nothing_else() -> None:
    assert things_line(ENGLISH, (thing("Rain", 0.9), thing("Thunder", 0.19))) == "**Rain**"
    assert things_line(ENGLISH, (thing("Rain", 0.15), thing("Thunder", 0.12))) == "**Rain, perhaps**"
    assert things_line(ENGLISH, ()) == "**A sound**"


def test_no_label_stands_beside_its_parent() -> None:
    line = things_line(ENGLISH, (thing("Animal", 0.9), thing("Dog", 0.85), thing("Bark", 0.6)))
    assert line.count(" · ") == 0


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (None, "Number 3 in line"),
        (0.4, "Number 3 in line, about 5 seconds"),
        (18.0, "Number 3 in line, about 20 seconds"),
        (89.0, "Number 3 in line, about 90 seconds"),
        (100.0, "Number 3 in line, about 2 minutes"),
        (600.0, "Number 3 in line, about 10 minutes"),
    ],
)
def test_waiting_is_told_no_more_exactly_than_it_is_known(seconds: float | None, line: str) -> None:
    assert waiting_line(ENGLISH, 3, seconds) == line


def test_while_the_painter_is_fetched_it_is_told_how_much_is_here() -> None:
    assert loading_line(ENGLISH, None) == "The painter is getting ready …"
    assert loading_line(ENGLISH, 0.42) == "The painter is being downloaded: 42 % are here …"


@pytest.mark.parametrize("how", How)
def test_every_way_to_make_a_picture_from_another_has_its_words(how: How) -> None:
    for locale in LOCALES:
        assert "[↗](x)" in TEXTS.translation(locale)(f"origin.{how.value}", picture=Markdown("[↗](x)"))
