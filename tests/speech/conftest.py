"""A real recogniser, a real English pipeline and real speech, where variables name them, as CI does."""

import os
from pathlib import Path

import pytest

from core.speech.said import Rules, load_rules


def named(variable: str, what: str) -> Path:
    """What a variable names; a test without it is skipped at home, and fails in CI."""
    path = os.environ.get(variable)
    if path:
        return Path(path)
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true, but {variable} names no {what}")
    pytest.skip(f"{variable} names no {what}")


@pytest.fixture(scope="session")
def whisper_model() -> Path:
    """A directory with Whisper base."""
    return named("TEST_WHISPER_MODEL", "Whisper model")


@pytest.fixture(scope="session")
def language_pipeline() -> Path:
    """A directory with spaCy's small English pipeline."""
    return named("TEST_SPACY_MODEL", "spaCy pipeline")


@pytest.fixture(scope="session")
def rules(language_pipeline: Path) -> Rules:
    """The rules that find scenes in words."""
    return load_rules(language_pipeline)


@pytest.fixture(scope="session")
def speech() -> Path:
    """Sentences of LibriVox with their words, in `transcription.txt`."""
    return named("TEST_SPEECH", "recordings of speech")
