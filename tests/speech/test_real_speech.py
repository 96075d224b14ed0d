"""The real recogniser on real speech and on real sounds; it runs where CI or a developer has one."""

import re
import shutil
from pathlib import Path

import pytest

from benchmarks.speech import errors
from core.engine import Engine
from core.errors import ModelUnusable
from core.hearing.audio import load_clip
from core.official import ENGLISH_INSIDE
from core.settings import CoreSettings
from core.speech.recognise import Task, recognise
from core.speech.spoken import Outcome
from core.speech.trust import doubt
from core.speech.whisper import Whisper, load_whisper
from tests.tables import part


@pytest.fixture(scope="module")
def whisper(whisper_model: Path) -> Whisper:
    return load_whisper(whisper_model, threads=1)


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


@pytest.mark.table
async def test_sentences_read_aloud_are_believed_and_at_most_one_word_in_twenty_is_wrong(
    whisper_model: Path, language_pipeline: Path, speech: Path, tmp_path: Path
) -> None:
    (tmp_path / Path(ENGLISH_INSIDE).name).symlink_to(language_pipeline)
    settings = CoreSettings(speech_model=str(whisper_model), model_cache=tmp_path, speech_patience_s=60)
    wrong, count = 0, 0
    async with Engine(settings) as engine:
        for line in part((speech / "transcription.txt").read_text().splitlines(), every=3):
            match = re.fullmatch(r"(?:<s> )?(.+?)(?: </s>)? \((\S+)\)", line.strip())
            assert match is not None
            understood = await engine.understand(await engine.hear(speech / f"{match[2]}.wav"))
            assert understood is not None
            spoken = understood.spoken
            assert spoken.outcome in (Outcome.SEEN, Outcome.NOTHING_TO_SEE), spoken.doubt
            assert (spoken.language, spoken.complete) == ("en", True)
            wrong += errors(words_of(spoken.words), words_of(match[1]))
            count += len(words_of(match[1]))
    assert wrong <= 0.05 * count


@pytest.mark.table
def test_what_it_finds_in_sounds_without_speech_is_not_believed(whisper: Whisper, recordings: Path) -> None:
    """A few recordings, heard whole; `python -m benchmarks.speech` hears them all."""
    believed = []
    for path in part(sorted(recordings.rglob("*.ogg"))[::40], every=3):
        *_, recognised = recognise(whisper, load_clip(path).samples, "", Task.TRANSCRIBE)
        if recognised.words and not doubt(recognised):
            believed.append((path.name, recognised.words))
    assert believed == []


def test_only_a_model_that_can_translate_is_said_to(whisper: Whisper) -> None:
    assert whisper.translates


@pytest.mark.parametrize("fault", ["truncated", "not a model", "empty"])
def test_a_broken_model_is_told_with_what_to_do(fault: str, whisper_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "whisper"
    shutil.copytree(whisper_model, broken)
    weights = (whisper_model / "model.bin").read_bytes()
    (broken / "model.bin").write_bytes(
        {"truncated": weights[: len(weights) // 2], "not a model": b"x" * 1000, "empty": b""}[fault]
    )
    with pytest.raises(ModelUnusable, match="models pull speech"):
        load_whisper(broken, threads=1)
