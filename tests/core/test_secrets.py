"""A secret is a variable, a line in `.env`, or a file; once read, nothing the program starts can find it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot.settings import BotSettings
from core.errors import WrongSetting
from core.reading_settings import read_settings, secret_names
from core.settings import CoreSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BotSettings.model_config, "env_file", None)
    monkeypatch.delenv("DISCORD_TOKEN", raising=False)


def token_in(settings: BotSettings) -> str | None:
    return settings.discord_token.get_secret_value() if settings.discord_token else None


@pytest.mark.parametrize("name", ["DISCORD_TOKEN", "discord_token"])
def test_a_secret_may_be_a_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("from a file\n")

    assert token_in(read_settings(BotSettings, tmp_path)) == "from a file"


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "DISCORD_TOKEN").write_text("from a file")
    monkeypatch.setenv("DISCORD_TOKEN", "from the environment")

    assert token_in(read_settings(BotSettings, tmp_path)) == "from the environment"


def test_where_there_are_no_such_files_nothing_is_said(tmp_path: Path) -> None:
    """The library warns of a directory that is not there, and warnings are errors in these tests."""
    assert token_in(read_settings(BotSettings, tmp_path / "missing")) is None


def test_a_secret_that_is_no_text_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "DISCORD_TOKEN").write_bytes(b"\xff\xfe")

    with pytest.raises(WrongSetting, match="UTF-8"):
        read_settings(BotSettings, tmp_path)


def test_a_secret_that_may_not_be_read_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is for a container's user where the file belongs to root; whoever runs the tests may be root, too."""

    def refuse(path: Path, encoding: str) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "DISCORD_TOKEN").write_text("token")
    monkeypatch.setattr(Path, "read_text", refuse)

    with pytest.raises(WrongSetting, match=r"DISCORD_TOKEN cannot be read \(Permission denied\)"):
        read_settings(BotSettings, tmp_path)


def test_which_settings_are_secrets() -> None:
    secrets = secret_names(BotSettings) + secret_names(CoreSettings)
    assert sorted(secrets) == ["discord_token", "hf_token", "painter_token", "scene_key", "web_token"]


@pytest.mark.parametrize("wrong", [False, True])
def test_secrets_leave_the_environment_also_where_a_setting_is_wrong(
    wrong: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("hf_token", "hf_secret")
    monkeypatch.setenv("HUGGING_FACE_HUB_TOKEN", "hf_secret")
    monkeypatch.setenv("MAX_BATCH", "many" if wrong else "4")

    if wrong:
        with pytest.raises(ValueError, match="max_batch"):
            read_settings(CoreSettings, tmp_path)
    else:
        assert read_settings(CoreSettings, tmp_path).hub_token == "hf_secret"

    assert "hf_secret" not in os.environ.values()


SHOW_ENVIRONMENT = """
import subprocess, sys
import bot.__main__ as program

async def look_instead(*_):
    subprocess.run([sys.executable, "-c", "import os; print(dict(os.environ))"], check=True)
    return 0

program._run_watched = look_instead
program.main([])
"""


def test_what_the_running_bot_starts_has_no_secret_in_its_environment(tmp_path: Path) -> None:
    secrets = {"DISCORD_TOKEN": "a-secret-token", "HF_TOKEN": "a-secret-token"}

    done = subprocess.run(
        [sys.executable, "-c", SHOW_ENVIRONMENT],
        cwd=tmp_path,
        env=os.environ | secrets | {"PYTHONPATH": str(ROOT), "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert "DATA_DIR" in done.stdout
    assert "a-secret-token" not in done.stdout + done.stderr
