"""The tone of a voice is the one whose labels are clearly heard most."""

import pytest

from core.speech.tone import Tone, tone_of
from tests.speech.written_windows import windows


@pytest.mark.parametrize(
    ("heard", "tone"),
    [
        ("", Tone.NONE),
        ("Speech .9 | Speech .8", Tone.NONE),
        ("Speech .9; Whispering .5", Tone.HUSHED),
        ("Speech .9; Whispering .29", Tone.NONE),
        ("Whispering .3", Tone.HUSHED),
        ("Shout .6", Tone.DRAMATIC),
        ("Yell .4", Tone.DRAMATIC),
        ("Screaming .4", Tone.DRAMATIC),
        ("Laughter .4", Tone.JOYFUL),
        ("Speech .9; Giggle .4", Tone.JOYFUL),
        ("Crying, sobbing .5", Tone.MELANCHOLY),
        ("Wail, moan .5", Tone.MELANCHOLY),
        ("Whimper (dog) .9; Dog .9; Bird vocalization, bird call, bird song .8", Tone.NONE),
        ("Child speech, kid speaking .5", Tone.CHILD),
        ("Singing .5; Music .9", Tone.SINGING),
        ("Choir .5", Tone.SINGING),
        # over all windows
        ("Whispering .9 | Shout .4 | Shout .4 | Shout .4", Tone.DRAMATIC),
        ("Whispering .9 | Shout .29 | Shout .29 | Shout .29 | Shout .29", Tone.HUSHED),
        # a giggle is laughter, and not more of it than is heard
        ("Laughter .4; Giggle .4; Belly laugh .4; Shout .5", Tone.DRAMATIC),
        ("Giggle .4 | Laughter .4; Shout .5", Tone.JOYFUL),
    ],
)
def test_a_voice_has_the_tone_that_is_clearly_heard_most(heard: str, tone: Tone) -> None:
    assert tone_of(windows(heard)) is tone


def test_no_windows_have_no_tone() -> None:
    assert tone_of([]) is Tone.NONE
