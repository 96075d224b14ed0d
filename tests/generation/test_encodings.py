"""Prompts are encoded once, here or in another thread, and who asks gets what came of it."""

import threading
from collections import Counter

import pytest

from core.generation.encodings import Encodings


class Encoder:
    """Counts what it encodes where; "bad" cannot be encoded at first. `gate` holds the other threads."""

    def __init__(self) -> None:
        self.here, self.aside = Counter[str](), Counter[str]()
        self.gate = threading.Event()
        self.encodings = Encodings(self._here, self._aside, 2)

    def _here(self, text: str) -> str:
        self.here[text] += 1
        return text.upper()

    def _aside(self, text: str) -> str:
        assert self.gate.wait(10)
        self.aside[text] += 1
        assert threading.current_thread().name == "encoding"
        if text == "bad":
            raise ValueError(text)
        return text.upper()


def test_what_was_begun_is_waited_for_and_not_made_twice() -> None:
    encoder = Encoder()
    begun = encoder.encodings.begin("dog")
    assert encoder.encodings.begin("dog") is begun
    assert not begun.done()
    encoder.gate.set()
    assert [encoder.encodings.get("dog") for _ in range(3)] == ["DOG"] * 3
    assert (encoder.here, encoder.aside) == ({}, {"dog": 1})


def test_what_is_known_need_not_be_begun() -> None:
    encoder = Encoder()
    assert encoder.encodings.get("dog") == "DOG"
    assert encoder.encodings.begin("dog").done()
    assert (encoder.here, encoder.aside) == ({"dog": 1}, {})


def test_what_failed_is_told_once_and_made_anew_afterwards() -> None:
    encoder = Encoder()
    encoder.gate.set()
    encoder.encodings.begin("bad")
    with pytest.raises(ValueError, match="bad"):
        encoder.encodings.get("bad")
    assert encoder.encodings.get("bad") == "BAD"


def test_the_oldest_is_forgotten_but_not_while_it_is_being_made() -> None:
    encoder = Encoder()
    begun = encoder.encodings.begin("dog")
    for text in ("cat", "cow", "hen"):
        encoder.encodings.get(text)
    assert encoder.encodings.begin("dog") is begun
    encoder.gate.set()
    encoder.encodings.settle()
    assert begun.done()
    encoder.encodings.get("cat")
    assert encoder.here == {"cat": 2, "cow": 1, "hen": 1}


def test_closing_does_not_wait_long_for_what_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.generation.encodings.LONGEST_CLOSING_S", 0.01)
    encoder = Encoder()
    begun = encoder.encodings.begin("dog")
    encoder.encodings.close()
    assert not begun.done()
    encoder.gate.set()
