"""What is handed to a recogniser: the windows in which somebody speaks, with a margin, and silence in between."""

import numpy as np
import pytest

from core.hearing.audio import SAMPLE_RATE
from core.speech.voice import MARGIN_S, Voice, only_voice, voice_in
from tests.speech.written_windows import windows

WINDOW = 0.975


@pytest.mark.parametrize(
    "heard",
    [
        "",
        "Dog .9 | Rain .8",
        "Speech .29 | Conversation .29",
        "Speech .9; Music .5 | Singing .9; Music .9",  # lyrics over a band
        "Bird vocalization, bird call, bird song .9 | Whimper (dog) .9",
    ],
)
def test_where_nobody_speaks_nothing_is_recognised(heard: str) -> None:
    assert voice_in(windows(heard)) is None


@pytest.mark.parametrize(
    "label", ["Speech", "Child speech, kid speaking", "Conversation", "Shout", "Whispering", "Screaming", "Singing"]
)
def test_one_window_of_any_voice_is_handed_over_with_a_margin(label: str) -> None:
    voice = voice_in(windows(f"Dog .9 | Dog .9 | {label} .3; Music .49 | Dog .9"))
    assert voice == Voice(((2 * WINDOW - MARGIN_S, 3 * WINDOW + MARGIN_S),))


def test_what_is_handed_over_begins_with_the_recording_at_the_earliest() -> None:
    voice = voice_in(windows("Speech .9 | Dog .9"))
    assert voice == Voice(((0.0, WINDOW + MARGIN_S),))


def test_windows_whose_margins_touch_are_one_span() -> None:
    voice = voice_in(windows("Speech .9 | Dog .9 | Speech .9 | Dog .9 | Dog .9 | Speech .9"))
    assert voice is not None
    assert voice.spans == ((0.0, 3 * WINDOW + MARGIN_S), (5 * WINDOW - MARGIN_S, 6 * WINDOW + MARGIN_S))
    assert voice.seconds == pytest.approx(3 * WINDOW + MARGIN_S + WINDOW + 2 * MARGIN_S)


def test_all_but_the_voice_is_silenced_and_times_stay() -> None:
    samples = np.full(5 * SAMPLE_RATE, 0.5, dtype=np.float32)
    silenced = only_voice(samples, Voice(((1.0, 2.0), (4.0, 5.5))))  # the last window reaches beyond the end
    assert silenced.dtype == samples.dtype
    kept = np.repeat([0.0, 0.5, 0.0, 0.0, 0.5], SAMPLE_RATE)
    np.testing.assert_array_equal(silenced, kept.astype(np.float32))
    assert samples.all(), "the recording itself is left as it is"
