"""Whether there is speech in a recording that is worth recognising. It knows labels, not words."""

from collections.abc import Sequence

from core.hearing.categories import TopCategory
from core.prompting.phrasebook import load_phrasebook

SPOKEN_FROM = 0.3
"""The prominence of speech from which there is something to recognise; music with a little talk gives nonsense."""


def is_spoken(top: Sequence[TopCategory]) -> bool:
    """Whether the recording holds enough speech to be recognised."""
    book = load_phrasebook()
    return any(
        category.prominence >= SPOKEN_FROM
        for category in top
        if category.name in book and book.is_kind_of(category.name, "Speech")
    )
