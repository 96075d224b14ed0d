"""A recording longer than a moment becomes a film: its scenes, painted in one hand, under its own sound."""
