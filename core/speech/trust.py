"""Whether recognised words are to be believed: a recogniser finds words also where nobody speaks, or badly.

Whisper was heard to say "I'll be right back, I'll be right back." of a bee. What it says of its own words tells most of
that: of the 400 recordings of ESC-10, in which nobody speaks, Whisper base found words in 45, and none are believed;
of five sentences of LibriVox all are, with 2.8 % word errors; of 84 single words, numbers in three languages, 4, and
none of them is wrong (`python -m benchmarks.speech`). There is no list of phrases: "thank you" is also really said.
"""

from core.speech.recognise import Recognised, Segment

LANGUAGE_FROM = 0.7
"""A language that is less likely is none: noise sounds like several."""
LOG_PROBABILITY_FROM = -0.8
TOLD_LOG_PROBABILITY_FROM = -0.65
"""The same where the language was given: then nothing tells how well the sound fits it."""
FEW_WORDS, FEW_LOG_PROBABILITY_FROM = 3, -0.5
"""Fewer words than so many tell little of the language that they seem to be in: of 84 spoken numbers in three
languages, base took three for English words of another meaning, with -0.56 to -0.65."""
COMPRESSION_TO = 2.2
"""Loops are said with a log-probability of -0.1 to -0.2: only how well they compress tells them."""
NO_SPEECH_TO = 0.6
WORDS_A_SECOND_TO = 6.0
"""Nobody talks quicker."""


def doubt(recognised: Recognised) -> str:
    """Why the words are not to be believed, as an English phrase; empty where they are, or there are none."""
    if not recognised.words:
        return ""
    if recognised.language_probability < LANGUAGE_FROM:
        return f"language uncertain ({recognised.language_probability:.2f})"
    least = TOLD_LOG_PROBABILITY_FROM if recognised.was_told else LOG_PROBABILITY_FROM
    if len(recognised.words.split()) < FEW_WORDS:
        least = max(least, FEW_LOG_PROBABILITY_FROM)
    return next((why for segment in recognised.segments if (why := _doubt_of(segment, least))), "")


def _doubt_of(segment: Segment, least: float) -> str:
    words, seconds = len(segment.text.split()), segment.end_s - segment.start_s
    if not words:
        return ""
    if segment.log_probability < least:
        return f"words uncertain ({segment.log_probability:.2f})"
    if segment.compression > COMPRESSION_TO:
        return f"words that repeat themselves ({segment.compression:.1f})"
    if segment.no_speech > NO_SPEECH_TO:
        return f"perhaps no speech ({segment.no_speech:.2f})"
    if words > WORDS_A_SECOND_TO * max(seconds, 0.0):
        return f"more words than can be said ({words} in {seconds:.1f} s)"
    return ""
