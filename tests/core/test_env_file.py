"""A name in `.env` that no setting has is told once, with the nearest that there is; nothing else comes of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.env_file import complaints
from core.settings import CoreSettings

ROOT = Path(__file__).parents[2]


def told(text: str, directory: Path, *command: str) -> tuple[int, list[str]]:
    """The exit status and the error output of a program that finds `text` in its `.env`."""
    (directory / ".env").write_text(text)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "FOREIGN_THING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr.splitlines()


def test_a_typing_error_is_told_once_and_ends_nothing(tmp_path: Path) -> None:
    text = "IMAGE_MODLE=x\nKEEP_DAYS=3\nstyle=comic\nexport QUUX=1\n"
    status, lines = told(text, tmp_path, "core", "models")
    assert [line for line in lines if "no setting" in line] == [
        "imagine-sound: .env sets IMAGE_MODLE, which is no setting and is ignored; did you mean IMAGE_MODEL?",
        "imagine-sound: .env sets QUUX, which is no setting and is ignored; see .env.example.",
    ]
    assert status == 0


def test_a_token_under_a_wrong_name_is_told_before_that_there_is_none(tmp_path: Path) -> None:
    """Without a token the page runs alone, so the program does not end by itself."""
    (tmp_path / ".env").write_text("DISCORD_TOKN=x\nMAX_SECONDS=9\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DATA_DIR": str(tmp_path)}
    environment.pop("DISCORD_TOKEN", None)
    command = [sys.executable, "-m", "bot"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        first, second = program.stderr.readline(), program.stderr.readline()
        program.kill()
    assert first == ".env sets DISCORD_TOKN, which is no setting and is ignored; did you mean DISCORD_TOKEN?\n"
    assert second.startswith("There is no Discord token")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"=x\n# STYEL=x\n\n", None])
def test_what_cannot_be_read_is_not_told_here(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CoreSettings.model_config, "env_file", str(tmp_path / ".env"))
    if content is not None:
        (tmp_path / ".env").write_bytes(content)
    assert complaints() == []
