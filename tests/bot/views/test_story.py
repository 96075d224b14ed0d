"""What a story's message says of its scenes, in the reader's language."""

import pytest

from bot.storage.story import Story, ToldScene
from bot.views.layouts import Screen
from bot.views.story import scene_lines, story_notes, with_film
from bot.views.texts import Texts
from core.events import HeardSummary
from core.generation.protocol import Note
from core.hearing.categories import TopCategory
from core.pictures import PictureFile
from core.prompting.prompt import Prompt
from core.prompting.styles import Style

SUMMARY = HeardSummary("Dog", (), (), 70.0, Prompt("", ""), style=None)


def heard(label: str) -> tuple[TopCategory, ...]:
    return (TopCategory(label, 0.9, 1.0, 0),)


STORY = Story(
    8,
    (
        ToldScene(0.0, 5.0, "Dog", heard("Dog")),
        ToldScene(5.0, 65.0, "a red *dragon*", heard("Speech"), is_said=True),
        ToldScene(65.0, 70.0, "Siren", heard("Siren")),
    ),
    lost=(2,),
)


@pytest.mark.parametrize(("locale", "dog"), [("en-US", "Dog"), ("de", "Hund"), ("ja", "犬")])
def test_scenes_are_named_in_the_readers_language_and_by_what_is_said_in_them(locale: str, dog: str) -> None:
    lines = scene_lines(Texts.load().translation(locale), STORY)
    assert lines[0] == f"0:00 {dog}"
    assert lines[1] == r"0:05 a red \*dragon\*"
    assert lines[2].startswith("1:05 ")


def test_scene_that_is_lost_is_told_by_its_number() -> None:
    assert story_notes(SUMMARY, STORY) == (Note("scenes_lost", {"numbers": "3"}),)


def test_every_picture_and_the_film_say_what_they_show() -> None:
    t = Texts.load().translation("en-US")
    pictures = [(0, PictureFile(b"1", "png")), (1, PictureFile(b"2", "webp"))]
    screen, files = with_film(Screen(1, t("status.listening")), t, STORY, pictures, Style.COMIC, is_covered=True)
    assert files == {"picture-1.png": b"1", "picture-2.webp": b"2"}
    assert screen.film is not None
    assert (
        screen.film.alt_text
        == "Film of 70 seconds, with the sound of the recording: 0:00 Dog, 0:05 a red *dragon*, 1:05 Siren"
    )
    first, second = (picture.alt_text for picture in screen.pictures)
    assert first is not None
    assert first.startswith("0:00 ")
    assert "Dog" in first
    assert second is not None
    assert "dragon" in second
    assert all(picture.is_covered for picture in (screen.film, *screen.pictures))
