"""Spoken words become part of the prompt only where the settings ask for it, and are never logged."""

import importlib.util
import logging
import threading
from pathlib import Path

import pytest

from core.engine import Engine
from core.errors import ModelMissing
from core.hearing.audio import Clip
from core.hearing.categories import TopCategory
from core.options import ImagineOptions
from core.prompting.spoken import is_spoken
from core.settings import CoreSettings
from core.speech.recognise import Recognised, Segment
from core.speech.whisper import load_recogniser


def said(text: str, language_probability: float = 0.95) -> Recognised:
    """Words as a recogniser that is sure of them tells them."""
    segment = Segment(text, 0.0, 3.0, log_probability=-0.3, no_speech=0.05, compression=1.1)
    return Recognised((segment,), "en", language_probability)


class Recogniser:
    """Hears the same words in everything."""

    def recognise(self, clip: Clip) -> Recognised:
        return said("let us go to the beach")


def _speech(seconds: float = 3.0) -> bytes:
    from tests.speech.babble import babble

    return babble(seconds)


def test_speech_in_most_of_the_recording_is_recognised_music_is_not() -> None:
    assert is_spoken((TopCategory("Speech", 0.9, 1.0, 0),))
    assert is_spoken((TopCategory("Child speech, kid speaking", 0.6, 0.8, 0),))
    assert not is_spoken((TopCategory("Speech", 0.9, 0.1, 0),))
    assert not is_spoken((TopCategory("Music", 0.9, 1.0, 0), TopCategory("Flux capacitor", 0.9, 1.0, 0)))


async def test_the_words_are_shown_and_painted_and_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    settings = CoreSettings(transcribe=True)
    async with Engine(settings, make_recogniser=lambda _: Recogniser()) as engine:
        heard = await engine.hear(_speech())
    assert heard.summary.top[0].name == "Speech"
    assert heard.summary.spoken == "let us go to the beach"
    assert heard.summary.prompt.text.endswith("about let us go to the beach")
    assert "beach" not in caplog.text


async def test_words_that_are_not_believed_are_neither_painted_nor_shown(caplog: pytest.LogCaptureFixture) -> None:
    class Unsure(Recogniser):
        def recognise(self, clip: Clip) -> Recognised:
            return said("I'll be right back", language_probability=0.44)

    caplog.set_level(logging.INFO)
    async with Engine(CoreSettings(transcribe=True), make_recogniser=lambda _: Unsure()) as engine:
        heard = await engine.hear(_speech())
    assert heard.summary.spoken == ""
    assert "back" not in heard.summary.prompt.text
    assert "language uncertain (0.44)" in caplog.text
    assert "right back" not in caplog.text


async def test_nothing_is_recognised_unless_asked_for() -> None:
    async with Engine(CoreSettings(), make_recogniser=lambda _: Recogniser()) as engine:
        assert (await engine.hear(_speech())).summary.spoken == ""


async def test_words_of_whoever_has_not_agreed_are_not_recognised() -> None:
    async with Engine(CoreSettings(transcribe=True), make_recogniser=lambda _: Recogniser()) as engine:
        heard = await engine.hear(_speech(), ImagineOptions(spoken_words=False))
    assert heard.summary.spoken == ""


async def test_a_siren_is_not_transcribed(siren_wav: Path) -> None:
    async with Engine(CoreSettings(transcribe=True), make_recogniser=lambda _: Recogniser()) as engine:
        assert (await engine.hear(siren_wav)).summary.spoken == ""


async def test_where_words_cannot_be_recognised_the_sounds_are_painted_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def missing(settings: CoreSettings) -> Recogniser:
        raise ModelMissing("the speech recogniser is not installed")

    async with Engine(CoreSettings(transcribe=True), make_recogniser=missing) as engine:
        for _ in range(2):
            heard = await engine.hear(_speech())
            assert heard.summary.spoken == ""
            assert "talking" in heard.summary.prompt.text
    assert [record.message for record in caplog.records if record.name == "core.hearer"] == [
        "painting from the sounds alone: the speech recogniser is not installed"
    ]


async def test_a_recogniser_that_fails_on_one_recording_is_asked_again_for_the_next() -> None:
    class Choking(Recogniser):
        calls = 0

        def recognise(self, clip: Clip) -> Recognised:
            self.calls += 1
            if self.calls == 1:
                raise RuntimeError("bad frame")
            return super().recognise(clip)

    recogniser = Choking()
    async with Engine(CoreSettings(transcribe=True), make_recogniser=lambda _: recogniser) as engine:
        assert [(await engine.hear(_speech())).summary.spoken for _ in range(2)] == ["", "let us go to the beach"]


def test_without_the_extra_or_its_model_it_is_said_what_to_do(tmp_path: Path) -> None:
    says = "could it be fetched" if importlib.util.find_spec("faster_whisper") else "not installed"
    with pytest.raises(ModelMissing, match=says):
        load_recogniser(tmp_path, may_download=False)


async def test_recogniser_is_spared_from_garbage_collections_once_it_is_loaded() -> None:
    loaded: list[str] = []
    engine = Engine(
        CoreSettings(transcribe=True),
        make_recogniser=lambda _: Recogniser(),
        after_loading=lambda: loaded.append(threading.current_thread().name),
    )
    async with engine:
        for _ in range(2):
            await engine.hear(_speech())
    assert len(loaded) == 2, "the ears, and the recogniser"
    assert all(name.startswith("hearing") for name in loaded)
