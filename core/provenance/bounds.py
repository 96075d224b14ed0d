"""How much of a stranger's picture file is read for its text, and the one error that its readers raise."""

MOST_BYTES = 1 << 16
"""A longer text is none of ours: a recipe has about one kilobyte."""
MOST_CHUNKS = 100_000
"""A picture of 64 megapixels has some thousands."""


class UnreadablePicture(ValueError):
    """It is no picture of a known kind, a damaged one, or its text is longer than MOST_BYTES."""
