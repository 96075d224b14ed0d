"""Marks in pictures, and who finds them again."""
