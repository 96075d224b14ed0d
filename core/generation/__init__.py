"""Painting: a request goes in, steps and previews come out, then a picture. `protocol.py` is what all sides share."""
