"""Titles can be read on any picture, whatever they hold and however long they are."""

import pytest
from PIL import Image

from core.stories.captions import plate, write

FILM = (720, 720)


def drawn(title: str) -> Image.Image:
    shown = plate(title, FILM)
    assert shown is not None
    return shown


@pytest.mark.parametrize("title", ["", " \n\t", "犬", "\x00\u200b"])
def test_where_there_is_nothing_to_say_there_is_no_plate(title: str) -> None:
    assert plate(title, FILM) is None


@pytest.mark.parametrize(
    ("title", "read"),
    [
        ("Hühner – draußen", "Huhner - drauen"),
        ("a\r\nb", "a b"),
        ("Crème\u00a0brûlée", "Creme brulee"),
        ("a…b", "a...b"),
    ],
)
def test_letters_that_the_font_does_not_have_are_told_by_others_or_left_out(title: str, read: str) -> None:
    assert drawn(title) == drawn(read)


def test_a_long_title_takes_two_lines_and_then_ends() -> None:
    one, two = drawn("A dog"), drawn("a dog that barks at another dog in front of the house")
    assert two.height > one.height
    assert drawn("a dog that barks at another dog " * 9).height == drawn("a dog that barks at another dog " * 99).height
    for title in ("x" * 500, "a dog that barks at another dog " * 9, "x" * 30 + " " + "y" * 500):
        assert drawn(title).width <= 720 * 0.9
        assert drawn(title).height <= two.height * 1.1


@pytest.mark.parametrize("size", [(720, 720), (1280, 720), (720, 1032), (64, 36)])
def test_it_lies_in_the_lower_part_in_the_middle(size: tuple[int, int]) -> None:
    picture = Image.new("RGB", size, "white")
    shown = plate("A dog", size)
    assert shown is not None
    write(shown, picture)
    box = picture.convert("L").point(lambda light: 255 * (light < 250)).getbbox()
    assert box is not None
    left, top, right, bottom = box
    assert top > size[1] / 2
    assert bottom < size[1]
    assert abs(left - (size[0] - right)) <= 2


@pytest.mark.parametrize("colour", ["white", "black", "grey", "yellow"])
def test_it_is_read_on_any_picture(colour: str) -> None:
    """The letters are white, and what is around them is much darker."""
    picture = Image.new("RGB", FILM, colour)
    write(shown := drawn("A dog"), picture)
    left, top = (720 - shown.width) // 2, 720 - shown.height - 36
    light = picture.convert("L").crop((left + 8, top + 8, left + shown.width - 8, top + shown.height - 8)).getextrema()
    assert light[1] == 255
    assert light[0] < 110
