"""Telling what a model made: marks in the files that leave the program."""
