"""What a sound is called, and that no English label reaches a message in another language."""

import re
from typing import Any

import pytest

from bot.discord_api.markdown import Markdown
from bot.views.layouts import Controls, Screen, ShownPicture, build_layout
from bot.views.naming import LONGEST_TITLE, title_of
from bot.views.texts import LANGUAGES, Texts, Translation
from bot.views.wording import label_lines, picture_alt_text, strip_alt_text
from core.events import HeardSummary
from core.hearing.categories import TopCategory
from core.hearing.labels import load_labels
from core.hearing.naming import things
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.prompting.styles import Style
from tests.same_words import SAME_WORD

TEXTS = Texts.load()
ENGLISH, GERMAN = (TEXTS.translation(locale) for locale in ("en-GB", "de"))
LABELS = tuple(load_labels().rows)
PROMPT = "an english prompt"


def heard(**certainty: float) -> tuple[TopCategory, ...]:
    """What was heard, the most prominent first; "_" in place of what a Python name cannot hold."""
    names = {re.sub(r"\W", "_", name): name for name in LABELS}
    return tuple(TopCategory(names[name], certain, 1.0, 0) for name, certain in certainty.items())


def test_the_five_labels_of_birdsong_are_one_thing() -> None:
    birds = heard(
        Bird=0.9, Bird_vocalization__bird_call__bird_song=0.8, Chirp__tweet=0.7, Wild_animals=0.6, Animal=0.9, Rain=0.3
    )
    assert title_of(ENGLISH, birds) == "Birdsong · Rain"
    assert title_of(GERMAN, birds) == "Vogelgesang · Regen"


@pytest.mark.parametrize(
    ("top", "title"),
    [
        (heard(Speech=0.9, Child_speech__kid_speaking=0.3), "Speech"),
        (heard(Speech=0.9, Child_speech__kid_speaking=0.6), "Child talking"),
        (heard(Dog=0.9, Bark=0.5, Growling=0.4, Domestic_animals__pets=0.9), "Barking"),
        (heard(Music=0.9, Banjo=0.4), "Banjo"),
        (heard(Music=0.9, Speech=0.5), "Music · Speech"),
        (heard(Dog=0.9, Rain=0.19), "Dog"),
        (heard(Rain=0.1, Dog=0.05), "Rain"),
        (heard(Dog=0.9, Noise=0.5), "Dog"),
        (heard(Tick=0.19, Inside__small_room=0.21), "Ticking"),
        (heard(Silence=1.0), "Silence"),
        (heard(Dog=0.9, Cat=0.8, Car=0.7, Rain=0.6), "Dog · Cat · Car"),
        ((), "A sound"),
    ],
)
def test_a_title_is_the_names_of_at_most_three_things_that_are_probable(
    top: tuple[TopCategory, ...], title: str
) -> None:
    assert title_of(ENGLISH, top) == title


def test_no_two_things_of_a_title_are_above_and_below_each_other() -> None:
    labels = load_labels()
    for name in LABELS:
        family = (name, *labels.ancestors(name), *labels.descendants(name))
        found = {thing.name for thing in things([TopCategory(one, 0.5, 1.0, 0) for one in family])}
        assert all(labels.ancestors(one).isdisjoint(found) for one in found), name


@pytest.mark.parametrize("locale", ["en-US", *LANGUAGES])
def test_a_title_is_a_name_that_discord_takes_for_a_thread(locale: str) -> None:
    t = TEXTS.translation(locale)
    longest = sorted(LABELS, key=lambda name: -len(title_of(t, [TopCategory(name, 0.9, 1.0, 0)])))
    for first in longest[:60]:
        others = [name for name in longest[:60] if name != first]
        title = title_of(t, [TopCategory(name, 0.9, 1.0, 0) for name in (first, *others)])
        assert 1 <= len(title) <= LONGEST_TITLE
        assert "…" not in title


def said(t: Translation, summary: HeardSummary | None) -> list[str]:
    """All that a painted picture's message says, to the eye and to the ear, and its thread's name."""
    screen = Screen(1, Markdown(""), summary, (ShownPicture("picture.png", ""),), controls=Controls.PICTURE)
    painted = "" if summary is None else picture_alt_text(t, summary, ImagineOptions(style=Style.COMIC))
    layout: Any = build_layout(screen, t, 77)
    found = [painted, *([label_lines(t, summary), strip_alt_text(t, summary)] if summary is not None else [])]
    waiting = layout.to_components()
    while waiting:
        component = waiting.pop()
        found += [text for key, text in component.items() if key in ("content", "description", "label") and text]
        waiting += component.get("components", []) + component.get("items", []) + component.get("options", [])
        waiting += [component["accessory"]] if "accessory" in component else []
    return found if summary is None else [*found, title_of(t, summary.top)]


@pytest.mark.parametrize("locale", LANGUAGES)
def test_no_english_label_and_no_english_prompt_reaches_a_message_in_another_language(locale: str) -> None:
    t, same = TEXTS.translation(locale), SAME_WORD[LANGUAGES[locale]]
    around = "\n".join(said(t, None))
    for name in LABELS:
        top = (TopCategory(name, 0.9, 1.0, 0),)
        summary = HeardSummary("An English title", top, (), 5.0, Prompt(PROMPT, PROMPT), Style.NONE)
        english = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
        texts = "\n".join(said(t, summary))
        assert len(texts) > len(around)
        assert "English" not in texts
        assert PROMPT not in texts
        if name not in same:
            assert len(english.findall(texts)) == len(english.findall(around)), (name, texts)


def test_alternative_texts_are_whole_sentences_in_the_readers_language() -> None:
    birds = HeardSummary(
        "", heard(Bird_vocalization__bird_call__bird_song=0.8, Rain=0.3), (), 5.0, Prompt(PROMPT, ""), Style.NONE
    )
    japanese = TEXTS.translation("ja")
    assert picture_alt_text(GERMAN, birds, ImagineOptions()) == (
        "Ein Modell hat dieses Bild nach dem gemalt, was zu hören war: Vogelgesang, Regen."
    )
    assert picture_alt_text(GERMAN, birds, ImagineOptions(style=Style.WATERCOLOUR)).endswith("Der Stil ist „Aquarell“.")
    assert "鳥のさえずり、雨" in picture_alt_text(japanese, birds, ImagineOptions())
    assert strip_alt_text(japanese, birds).endswith("聞こえたもの: 0:00 鳥のさえずり、0:00 雨。")
    words = picture_alt_text(GERMAN, birds, ImagineOptions(prompt="ein blauer Hund", style=Style.COMIC))
    assert words == "Ein Modell hat dieses Bild nach eigenen Worten von jemandem gemalt: „ein blauer Hund“."


def test_labels_have_names_in_every_language_of_the_texts() -> None:
    assert set(next(iter(load_labels().rows.values())).names) == {"en", *LANGUAGES.values()}
