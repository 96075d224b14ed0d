"""Words that are not painted are found however they are written, and other words are left alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.prompting.words import WordList, plain_words, read_word_list

WORDS = WordList.of(["Badword", "two words", "Straße", "слово"])


@pytest.mark.parametrize(
    "text",
    [
        "badword", "a BADWORD!", "b4dw0rd", "b@dword", "bádwörd", "ｂａｄｗｏｒｄ", "b\u200badword", "bаdwоrd",
        "b a d w o r d", "b.a.d.w.o.r.d", "not a b.a.d.w.o.r.d", "BAD\u00adWORD", "𝐛𝐚𝐝𝐰𝐨𝐫𝐝", "two   words",
        "Two-Words", "tw0 w0rds", "strasse?", "STRAẞE", "СЛОВО",
    ],
)  # fmt: skip
def test_word_is_found_however_it_is_written(text: str) -> None:
    assert WORDS.holds(text)


@pytest.mark.parametrize("text", ["", "a bad word", "badwords of others", "two other words", "words two", "a dog"])
def test_other_words_are_left_alone(text: str) -> None:
    assert not WORDS.holds(text)


def test_empty_list_holds_nothing() -> None:
    assert not WordList().holds("anything")
    assert WordList.of(["", "  ", "!?"]) == WordList()


def test_list_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# a remark\nbadword\r\n\n  two words \n", encoding="utf-8")
    assert read_word_list(path) == WordList.of(["badword", "two words"])
    assert read_word_list(tmp_path / "none") == WordList()


@given(st.text(max_size=100))
def test_any_text_is_compared(text: str) -> None:
    words = plain_words(text)
    assert WordList.of([text]).holds(text) == bool(words)
