"""Trains playground-mini, the bundled miniature painter; README.md has the steps."""
