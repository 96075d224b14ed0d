"""A bot's data directory, filled."""

import asyncio
import shutil
from pathlib import Path

import pytest

from bot.storage.backup import Installation
from tests.bot.storage.installations import (
    filled,
    installation,
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once: a new database goes through all migrations."""
    directory = tmp_path_factory.mktemp("template") / "data"
    asyncio.run(filled(directory))
    return directory


@pytest.fixture
def running(tmp_path: Path, template: Path) -> Installation:
    shutil.copytree(template, tmp_path / "data")
    return installation(tmp_path / "data")
