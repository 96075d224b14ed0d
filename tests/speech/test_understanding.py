"""What is said is painted where there is reason to believe it; where there is none, nothing is delayed or leaked."""

import asyncio
import logging
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from core.engine import Engine
from core.errors import ModelUnusable, NothingHeard, WordsRefused
from core.events import Event, Heard, HeardSummary, Understood
from core.generation.protocol import Painted
from core.hearing.audio import Samples
from core.options import ImagineOptions
from core.prompting.styles import Style
from core.settings import CoreSettings, Speech
from core.speech.recognise import Recognition, Segment, Task
from core.speech.spoken import Outcome, SaidScene
from core.speech.voice import only_voice
from tests.speech.babble import babble
from tests.speech.scripted import Scripted, segment, writer

BEACH = SaidScene(("a dog running into the water",), place="on the beach", kind="story")
FEW = ImagineOptions(steps=1, seed=1)


def engine_with(recogniser: Scripted, settings: CoreSettings, scene: SaidScene = BEACH) -> Engine:
    return Engine(
        settings, make_recogniser=lambda *_: recogniser, make_writer=writer((recogniser.text, scene), ("words", scene))
    )


async def imagined(engine: Engine, source: bytes | Path | HeardSummary, options: ImagineOptions = FEW) -> list[Event]:
    return [event async for event in engine.imagine(source, options)]


def understood_in(events: list[Event]) -> Understood | None:
    return next((event for event in events if isinstance(event, Understood)), None)


def prompt_of(events: list[Event]) -> str:
    last = events[-1]
    assert isinstance(last, Painted)
    return last.picture.recipe.prompt.text


async def test_the_scene_of_what_is_said_is_painted_and_no_word_of_it_is_logged(
    settings: CoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with engine_with(Scripted(), settings) as engine:
        events = await imagined(engine, babble())
    heard, understood = events[0], events[1]
    assert isinstance(heard, Heard)
    assert heard.voice is not None
    assert isinstance(understood, Understood)
    assert understood.spoken.outcome is Outcome.SEEN
    assert understood.spoken.words == "my dog ran into the water"
    assert prompt_of(events) == understood.prompt.text == "a dog running into the water on the beach"
    for word in ("dog", "water", "beach"):
        assert word not in caplog.text


async def test_words_that_are_not_believed_are_not_painted(
    settings: CoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with engine_with(Scripted("I'll be right back", surely=0.44), settings) as engine:
        events = await imagined(engine, babble())
    understood = understood_in(events)
    assert understood is not None
    assert (understood.spoken.outcome, understood.spoken.said) == (Outcome.DOUBTED, None)
    assert "talking" in prompt_of(events)
    assert "language uncertain (0.44)" in caplog.text
    assert "right back" not in caplog.text


async def test_where_nothing_can_be_seen_in_the_words_the_sounds_are_painted(settings: CoreSettings) -> None:
    async with engine_with(Scripted("we should talk about it"), settings, SaidScene()) as engine:
        events = await imagined(engine, babble())
    understood = understood_in(events)
    assert understood is not None
    assert understood.spoken.outcome is Outcome.NOTHING_TO_SEE
    assert "talking" in prompt_of(events)


@pytest.mark.parametrize("why", ["SPEECH=off", "the speaker has not agreed", "no voice"])
async def test_nothing_is_recognised_where_nobody_wants_it(why: str, settings: CoreSettings, siren_wav: Path) -> None:
    recogniser = Scripted()
    if why == "SPEECH=off":
        settings = settings.model_copy(update={"speech": Speech.OFF})
    options = ImagineOptions(steps=1, spoken_words=why != "the speaker has not agreed")
    async with engine_with(recogniser, settings) as engine:
        events = await imagined(engine, siren_wav if why == "no voice" else babble(), options)
    assert understood_in(events) is None
    assert isinstance(events[0], Heard)
    assert events[0].voice is None
    assert recogniser.asked == []


@pytest.mark.parametrize(("speech", "level"), [(Speech.AUTO, "INFO"), (Speech.ON, "WARNING")])
async def test_without_a_recogniser_the_sounds_are_painted_and_the_log_says_what_to_do_once(
    speech: Speech, level: str, settings: CoreSettings, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.INFO)
    settings = settings.model_copy(update={"speech": speech, "model_cache": tmp_path})
    async with Engine(settings) as engine:
        for seed in (4, 6):
            events = await imagined(engine, babble(seed=seed))
            assert understood_in(events) is None
            assert "talking" in prompt_of(events)
    (record,) = [record for record in caplog.records if record.name == "core.understander"]
    assert record.levelname == level
    assert "models pull speech" in record.message or "imagine-sound[speech]" in record.message


async def test_a_recogniser_that_cannot_be_loaded_costs_the_first_recording_its_words_and_no_picture(
    settings: CoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> Scripted:
        raise ModelUnusable("The recogniser cannot be loaded.")

    async with Engine(settings, make_recogniser=broken, make_writer=writer()) as engine:
        first, second = [await imagined(engine, babble(seed=seed)) for seed in (4, 6)]
    assert understood_in(first) is not None
    assert understood_in(second) is None
    assert "talking" in prompt_of(first)
    assert "talking" in prompt_of(second)
    assert caplog.text.count("The recogniser cannot be loaded.") == 1


async def test_a_recogniser_that_fails_on_one_recording_is_asked_again_for_the_next(settings: CoreSettings) -> None:
    class Choking(Scripted):
        def segments(self, task: Task) -> Iterable[Segment]:
            if len(self.asked) == 1:
                raise RuntimeError("bad frame")
            return super().segments(task)

    async with engine_with(Choking(), settings) as engine:
        outcomes = [understood_in(await imagined(engine, babble())) for _ in range(2)]
    assert [one.spoken.outcome for one in outcomes if one] == [Outcome.FAILED, Outcome.SEEN]


async def test_labels_are_told_at_once_however_long_recognition_takes(settings: CoreSettings, siren_wav: Path) -> None:
    """Three voice notes and a siren, posted together: none waits for another one's words."""
    go_on = threading.Event()

    class Slow(Scripted):
        def segments(self, task: Task) -> Iterable[Segment]:
            assert go_on.wait(30)
            return super().segments(task)

    sources: list[bytes | Path] = [babble(3.0, seed) for seed in (4, 6, 7)]
    async with engine_with(Slow(), settings) as engine:
        streams = [engine.imagine(source, FEW, user=str(n)) for n, source in enumerate((*sources, siren_wav))]
        async with asyncio.timeout(20):
            first = await asyncio.gather(*(anext(stream) for stream in streams))
        assert all(isinstance(event, Heard) for event in first)
        assert not go_on.is_set()
        go_on.set()
        for stream in streams:
            await stream.aclose()


async def test_painting_waits_for_words_no_longer_than_the_patience(settings: CoreSettings) -> None:
    go_on = threading.Event()

    class Slow(Scripted):
        def segments(self, task: Task) -> Iterable[Segment]:
            assert go_on.wait(30)
            return super().segments(task)

    settings = settings.model_copy(update={"speech_patience_s": 1.0})
    async with engine_with(Slow(), settings) as engine:
        await engine.generator()
        stream = engine.imagine(babble(), FEW)
        assert isinstance(await anext(stream), Heard)
        began = time.monotonic()
        understood = await anext(stream)
        assert 0.9 < time.monotonic() - began < 1.5
        assert isinstance(understood, Understood)
        assert understood.spoken.outcome is Outcome.TOO_LATE
        assert "talking" in understood.prompt.text
        go_on.set()
        await stream.aclose()


async def test_another_language_is_painted_by_the_recognisers_own_translation(settings: CoreSettings) -> None:
    class Spanish(Scripted):
        def segments(self, task: Task) -> Iterable[Segment]:
            yield segment("mi perro" if task is Task.TRANSCRIBE else "words")

    recogniser = Spanish(language="es")
    async with engine_with(recogniser, settings) as engine:
        events = await imagined(engine, babble())
    understood = understood_in(events)
    assert understood is not None
    assert (understood.spoken.words, understood.spoken.language) == ("mi perro", "es")
    assert understood.spoken.said == BEACH
    assert recogniser.asked == [Task.TRANSCRIBE, Task.TRANSLATE]


async def test_without_a_translation_another_language_is_not_understood(settings: CoreSettings) -> None:
    recogniser = Scripted("mein Hund", language="de")
    recogniser.translates = False
    async with engine_with(recogniser, settings) as engine:
        events = await imagined(engine, babble())
    understood = understood_in(events)
    assert understood is not None
    assert understood.spoken.outcome is Outcome.NO_ENGLISH
    assert recogniser.asked == [Task.TRANSCRIBE]


async def test_a_said_scene_that_is_refused_gives_the_sounds_and_own_words_that_are_an_error(
    settings: CoreSettings,
) -> None:
    async with engine_with(Scripted(), settings) as engine:
        stream = engine.imagine(babble(), FEW, refuses=lambda text: "dog" in text)
        events = [event async for event in stream]
        with pytest.raises(WordsRefused):
            await anext(engine.imagine(babble(), ImagineOptions(said="words"), refuses=lambda text: "words" in text))
        own = engine.imagine(
            HeardSummary.of_nothing(), ImagineOptions(said="words"), refuses=lambda text: "dog" in text
        )
        with pytest.raises(WordsRefused):
            await anext(own)
    understood = understood_in(events)
    assert understood is not None
    assert (understood.spoken.outcome, understood.spoken.said) == (Outcome.REFUSED, None)
    assert "talking" in prompt_of(events)


async def test_whoever_does_not_want_it_any_more_while_it_is_recognised_is_not_understood(
    settings: CoreSettings,
) -> None:
    steps: list[str] = []
    allowed = threading.Event()
    allowed.set()

    class Long(Scripted):
        def segments(self, task: Task) -> Iterable[Segment]:
            for word in ("one", "two", "three"):
                steps.append(word)
                allowed.clear()
                yield segment(word)

    async with engine_with(Long(), settings) as engine:
        events = [event async for event in engine.imagine(babble(), FEW, allows_words=allowed.is_set)]
    assert understood_in(events) is None
    assert steps == ["one"]
    assert "talking" in prompt_of(events)


async def test_somebodys_own_words_stand_in_for_the_recogniser_with_and_without_a_recording(
    settings: CoreSettings, siren_wav: Path
) -> None:
    recogniser = Scripted()
    async with engine_with(recogniser, settings) as engine:
        options = ImagineOptions(steps=1, said="words")
        alone = await imagined(engine, HeardSummary.of_nothing(), options)
        beside = await imagined(engine, siren_wav, options)
        with pytest.raises(NothingHeard):
            await imagined(engine, HeardSummary.of_nothing(), ImagineOptions(said="nothing to see"))
    assert prompt_of(alone) == "a dog running into the water on the beach"
    assert prompt_of(beside).startswith("a dog running into the water on the beach")
    assert "siren" in prompt_of(beside)
    assert recogniser.asked == []


async def test_what_was_understood_is_kept_with_what_was_heard_and_can_be_left_again(settings: CoreSettings) -> None:
    recogniser = Scripted()
    async with engine_with(recogniser, settings) as engine:
        events = await imagined(engine, babble())
        assert isinstance(events[0], Heard)
        understood = understood_in(events)
        assert understood is not None
        kept = events[0].summary.understood(understood)
        again = await imagined(engine, kept)
        styled = await imagined(engine, kept, ImagineOptions(steps=1, style=Style.COMIC))
        sounds = await imagined(engine, kept, ImagineOptions(steps=1, spoken_words=False))
        corrected = await imagined(engine, kept, ImagineOptions(steps=1, said="words"))
        same = await imagined(engine, kept, ImagineOptions(steps=1, said=kept.spoken.words if kept.spoken else ""))
    assert prompt_of(again) == understood.prompt.text
    assert prompt_of(styled).startswith("a dog running into the water")
    assert "talking" in prompt_of(sounds)
    assert understood_in(again) is understood_in(styled) is understood_in(sounds) is understood_in(same) is None
    assert understood_in(corrected) is not None
    assert recogniser.asked == [Task.TRANSCRIBE]


async def test_only_what_the_voice_says_is_handed_to_the_recogniser(settings: CoreSettings) -> None:
    heard: list[Samples] = []

    class Listening(Scripted):
        def recognise(self, samples: Samples, *, language: str = "", task: Task = Task.TRANSCRIBE) -> Recognition:
            heard.append(samples)
            return super().recognise(samples, language=language or "en", task=task)

    async with engine_with(Listening(), settings) as engine:
        first = await engine.hear(babble())
        await engine.understand(first)
    assert first.voice is not None
    (samples,) = heard
    np.testing.assert_array_equal(samples, only_voice(first.clip.samples, first.voice))


async def test_a_recogniser_is_spared_from_garbage_collections_once_it_is_loaded(settings: CoreSettings) -> None:
    loaded: list[str] = []
    engine = Engine(
        settings,
        make_recogniser=lambda *_: Scripted(),
        make_writer=writer(),
        after_loading=lambda: loaded.append(threading.current_thread().name),
    )
    async with engine:
        for _ in range(2):
            await engine.understand(await engine.hear(babble()))
    assert len(loaded) == 2, "the ears, and the recogniser"
    assert "loading speech" in loaded
