"""Prompting: from what was heard to the words of a picture. It knows nothing of models."""
