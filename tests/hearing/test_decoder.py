"""The program that reads recordings: which it is, and what is said where it does not start."""

from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from core.errors import DecoderUnusable
from core.hearing.audio import load_clip
from core.hearing.decoding.decoder import find_ffmpeg
from core.hearing.decoding.walls import walls_around


def test_an_ffmpeg_named_without_its_path_is_found(
    siren_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ffmpeg-of-mine").symlink_to(get_ffmpeg_exe())
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "ffmpeg-of-mine")
    assert find_ffmpeg() == str(tmp_path / "ffmpeg-of-mine")
    assert load_clip(siren_wav).duration_s == 5


@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexit 3\n", "no program at all"])
def test_an_ffmpeg_that_does_not_start_is_no_fault_of_the_recording(
    script: str | None, siren_wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "ffmpeg"
    if script is not None:
        named.write_text(script)
        named.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(named))
    with pytest.raises(DecoderUnusable, match="install ffmpeg") as told:
        load_clip(siren_wav)
    assert "\n" not in str(told.value)


def test_a_missing_wall_is_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where Python cannot limit a process at all, all of them are missing."""
    monkeypatch.setattr("core.hearing.decoding.walls._wrapper", lambda: None)
    for _ in range(2):
        walls = walls_around(str(tmp_path / "another ffmpeg"))
    assert set(walls.missing) == {"memory", "privileges", "files", "network"}
    assert "environment ✓" in walls.says()
    assert len([record for record in caplog.records if "no wall around" in record.message]) == 4
