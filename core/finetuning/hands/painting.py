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
class PictureSpec:
    """One pair of pictures."""

    prompt: EvaluationPrompt
    seed: int


@dataclass(frozen=True)
class Pair:
    """The files of one pair."""

    spec: PictureSpec
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
    specs: Sequence[PictureSpec],
    settings: SamplingSettings,
    directory: Path,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Pair]:
    """Paint what is missing, all without the adapter first."""
    without = _files(specs, _folder(directory, base.fingerprint, "base", settings))
    with_adapter = _files(specs, _folder(directory, base.fingerprint, adapter_sha256(adapter), settings))
    paint_files(base.pipeline, without, settings, on_progress)
    try:
        base.pipeline.load_lora_weights(adapter_file(adapter))
    except (ValueError, KeyError, RuntimeError) as error:
        raise EvaluationError(f"{adapter} is no adapter for {base.name}.") from error
    paint_files(base.pipeline, with_adapter, settings, lambda done: on_progress(len(specs) + done))
    return [Pair(spec, one.path, two.path) for spec, one, two in zip(specs, without, with_adapter, strict=True)]


def _files(specs: Sequence[PictureSpec], folder: Path) -> list[PictureFile]:
    folder.mkdir(parents=True, exist_ok=True)
    names = [hashlib.sha256(spec.prompt.text.encode()).hexdigest()[:16] for spec in specs]
    return [
        PictureFile(spec.prompt.text, spec.seed, folder / f"{name}-{spec.seed}.png")
        for spec, name in zip(specs, names, strict=True)
    ]


def _folder(directory: Path, base: str, adapter: str, settings: SamplingSettings) -> Path:
    key = f"{base} {adapter} {settings.steps} {settings.guidance} {settings.width}"
    kind = "base" if adapter == "base" else "adapter"
    return directory / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
