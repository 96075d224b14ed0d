"""Which labels mean that somebody's voice may be in a sound: AudioSet's tree below "Human voice", and more.

It knows labels only, and is generous: whoever asks wants to be sure that no words can be made out.
"""

from collections.abc import Sequence

from core.hearing.classifier import Prediction

VOICE_FROM = 0.1
"""From this score on, in any window, a voice is taken to be there."""

# The tree: https://research.google.com/audioset/ontology/human_voice_1.html
_SPEAKING = {
    "Speech", "Child speech, kid speaking", "Conversation", "Narration, monologue", "Babbling", "Speech synthesizer",
    "Whispering", "Shout", "Bellow", "Whoop", "Yell", "Children shouting", "Screaming",
}  # fmt: skip
_SINGING = {
    "Singing", "Choir", "Yodeling", "Chant", "Mantra", "Child singing", "Synthetic singing", "Rapping", "Humming",
}  # fmt: skip
_WORDLESS = {
    "Laughter", "Baby laughter", "Giggle", "Snicker", "Belly laugh", "Chuckle, chortle", "Crying, sobbing",
    "Baby cry, infant cry", "Whimper", "Wail, moan", "Sigh", "Groan", "Grunt",
}  # fmt: skip
# Elsewhere in AudioSet's tree, but made of voices, or seldom without one.
_GROUPS = {"Cheering", "Chatter", "Crowd", "Hubbub, speech noise, speech babble", "Children playing"}
_SUNG = {
    "Vocal music", "A capella", "Song", "Opera", "Gospel music", "Lullaby", "Hip hop music", "Beatboxing",
    "Music for children", "Christmas music", "Christian music", "Carnatic music", "Music of Bollywood",
}  # fmt: skip
_BROADCAST = {"Television", "Radio"}

VOICE = frozenset(_SPEAKING | _SINGING | _WORDLESS | _GROUPS | _SUNG | _BROADCAST)
"""The labels, as YamNet spells them."""


def may_hold_voice(predictions: Sequence[Prediction]) -> bool:
    """Whether a voice reaches VOICE_FROM in any window; also where nothing at all is known of the sound."""
    return not predictions or any(
        category.score >= VOICE_FROM and category.name in VOICE
        for window in predictions
        for category in window.categories
    )
