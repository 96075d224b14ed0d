"""What of a model lies where in a device's memory, and how many pictures fit beside it."""

TILE_SIDE = 512
"""Pixels of a tile's side, where a picture is not decoded whole."""
