"""Painting the pairs: the same prompts and seeds without and with the adapter, by the stock pipeline.

Pictures are kept on disk under a name that holds their settings; a run that was stopped paints only what is missing.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import EvaluationError
from core.finetuning.hands.prompts import EvaluationPrompt
from core.finetuning.model.adapter_file import ADAPTER_FILE
from core.finetuning.model.network import Base
from core.finetuning.model.painting import PictureFile, SamplingSettings, paint_files


@dataclass(frozen=True)
class Job:
    """One pair of pictures."""

    prompt: EvaluationPrompt
    seed: int


@dataclass(frozen=True)
class Pair:
    """The files of one pair."""

    job: Job
    base: Path
    adapter: Path


def adapter_sha256(adapter: Path) -> str:
    """SHA-256 of the adapter's file. Raises EvaluationError if there is none."""
    path = adapter_file(adapter)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def adapter_file(adapter: Path) -> Path:
    """The file in an adapter's directory, or the file itself."""
    path = adapter / ADAPTER_FILE if adapter.is_dir() else adapter
    if not path.is_file():
        raise EvaluationError(f"There is no adapter at {adapter}; --adapter wants its folder or .safetensors file.")
    return path


def paint_pairs(
    base: Base,
    adapter: Path,
    jobs: Sequence[Job],
    settings: SamplingSettings,
    directory: Path,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Pair]:
    """Paint what is missing, all without the adapter first."""
    without = _files(jobs, _folder(directory, base.fingerprint, "base", settings))
    with_adapter = _files(jobs, _folder(directory, base.fingerprint, adapter_sha256(adapter), settings))
    paint_files(base.pipeline, without, settings, on_progress)
    try:
        base.pipeline.load_lora_weights(adapter_file(adapter))
    except (ValueError, KeyError, RuntimeError) as error:
        raise EvaluationError(f"{adapter} is no adapter for {base.name}.") from error
    paint_files(base.pipeline, with_adapter, settings, lambda done: on_progress(len(jobs) + done))
    return [Pair(job, one.path, two.path) for job, one, two in zip(jobs, without, with_adapter, strict=True)]


def _files(jobs: Sequence[Job], folder: Path) -> list[PictureFile]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [hashlib.sha256(job.prompt.text.encode()).hexdigest()[:16] for job in jobs]
    return [
        PictureFile(job.prompt.text, job.seed, folder / f"{name}-{job.seed}.png")
        for job, name in zip(jobs, names, strict=True)
    ]


def _folder(directory: Path, base: str, adapter: str, settings: SamplingSettings) -> Path:
    key = f"{base} {adapter} {settings.steps} {settings.guidance} {settings.width}"
    kind = "base" if adapter == "base" else "adapter"
    return directory / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
