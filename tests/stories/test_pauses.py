"""Somebody who tells a story is cut at pauses between sentences, not within them."""

import numpy as np

from core.hearing.audio import Samples
from core.hearing.sound import frame_levels
from core.stories.cutting import SHORTEST_S, Span
from core.stories.pauses import at_pauses
from tests.stories.heard import noise, quiet


def talk(*sentences_s: float, pause_s: float = 0.6) -> Samples:
    """Bursts like syllables, with a pause after each sentence."""
    parts = []
    for number, seconds in enumerate(sentences_s):
        syllables = noise(seconds, level=0.2, seed=number)
        syllables[::2] *= 0.9
        parts += [syllables, quiet(pause_s)]
    return np.concatenate(parts[:-1])


def pieces(samples: Samples, most: int = 8) -> tuple[Span, ...]:
    return at_pauses(frame_levels(samples), Span(0, len(samples) / 16_000), most)


def test_each_sentence_that_is_long_enough_is_a_piece() -> None:
    found = pieces(talk(5, 6, 7))
    assert [round(piece.begins_s, 1) for piece in found] == [0, 5.3, 11.9]


def test_short_sentences_stay_together() -> None:
    found = pieces(talk(*[1.5] * 8))
    assert min(piece.seconds for piece in found) >= SHORTEST_S
    borders = [piece.begins_s for piece in found[1:]]
    assert all(abs((border + 0.3) % 2.1) < 0.15 or abs((border + 0.3) % 2.1 - 2.1) < 0.15 for border in borders)


def test_no_more_pieces_than_there_may_be() -> None:
    assert len(pieces(talk(*[5.0] * 12), most=3)) == 3
    assert len(pieces(talk(*[5.0] * 12), most=1)) == 1


def test_who_does_not_pause_is_one_piece() -> None:
    samples = noise(20)
    assert pieces(samples) == (Span(0, 20),)


def test_a_breath_within_a_sentence_is_no_pause() -> None:
    samples = np.concatenate([noise(5), quiet(0.1), noise(5)])
    assert len(pieces(samples)) == 1


def test_pauses_are_those_of_the_span() -> None:
    samples = np.concatenate([noise(6, level=0.001), talk(5, 5)])
    found = at_pauses(frame_levels(samples), Span(6, 16.6), 8)
    assert [round(piece.begins_s, 1) for piece in found] == [6, 11.3]
