"""Which labels mean that somebody's voice may be in a sound: AudioSet's tree below "Human voice", and more.

It knows labels only, and is generous: whoever asks wants to be sure that no words can be made out.
"""

from collections.abc import Sequence

from core.hearing.classifier import Prediction
from core.hearing.labels import load_labels

VOICE_FROM = 0.05
"""From this score on, in any window, a voice is taken to be there. It is low, since a window's score is the mean of
several looks, of which one may hear the voice and the others not."""

# The tree: https://research.google.com/audioset/ontology/human_voice_1.html
_SPOKEN_AND_SUNG = {"Speech", "Whispering", "Shout", "Screaming", "Singing", "Humming"}
_WORDLESS = {"Laughter", "Crying, sobbing", "Wail, moan", "Sigh", "Groan", "Grunt"}
# Elsewhere in it, but made of voices, or seldom without one.
_GROUPS = {"Cheering", "Chatter", "Crowd", "Hubbub, speech noise, speech babble", "Children playing"}
_MUSIC = {
    "Vocal music", "A capella", "Song", "Opera", "Gospel music", "Lullaby", "Hip hop music", "Beatboxing",
    "Music for children", "Christmas music", "Christian music", "Carnatic music", "Music of Bollywood",
}  # fmt: skip
_BROADCAST = {"Television", "Radio"}
_ROOTS = _SPOKEN_AND_SUNG | _WORDLESS | _GROUPS | _MUSIC | _BROADCAST

VOICE = frozenset(_ROOTS).union(*(load_labels().descendants(root) for root in _ROOTS))
"""The labels, as YamNet spells them."""


def may_hold_voice(predictions: Sequence[Prediction]) -> bool:
    """Whether a voice reaches VOICE_FROM in any window; also where nothing at all is known of the sound."""
    return not predictions or any(
        category.score >= VOICE_FROM and category.name in VOICE
        for window in predictions
        for category in window.categories
    )
