"""Painting the pairs: the same prompts and seeds without and with the adapter, by the stock pipeline.

Pictures are kept on disk under a name that holds their settings; a run that was stopped paints only what is missing.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline

from core.errors import EvaluationError
from core.finetuning.hands.prompts import EvaluationPrompt
from core.finetuning.network import Base


@dataclass(frozen=True)
class PaintingSettings:
    """How the pairs are painted; `side` in pixels."""

    steps: int
    guidance: float
    side: int
    batch_size: int


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
    path = adapter / "pytorch_lora_weights.safetensors" if adapter.is_dir() else adapter
    if not path.is_file():
        raise EvaluationError(f"There is no adapter at {adapter}; --adapter wants its folder or .safetensors file.")
    return path


def paint_pairs(
    base: Base,
    adapter: Path,
    jobs: Sequence[Job],
    settings: PaintingSettings,
    directory: Path,
    on_progress: Callable[[int], None] = lambda done: None,
) -> list[Pair]:
    """Paint what is missing, all without the adapter first."""
    sides = (
        _folder(directory, base.fingerprint, "base", settings),
        _folder(directory, base.fingerprint, adapter_sha256(adapter), settings),
    )
    pipeline, done = base.pipeline, 0
    for number, folder in enumerate(sides):
        folder.mkdir(parents=True, exist_ok=True)
        if number == 1:
            try:
                pipeline.load_lora_weights(adapter_file(adapter))
            except (ValueError, KeyError, RuntimeError) as error:
                raise EvaluationError(f"{adapter} is no adapter for {base.name}.") from error
        for start in range(0, len(jobs), settings.batch_size):
            chunk = jobs[start : start + settings.batch_size]
            _paint([job for job in chunk if not _file(folder, job).is_file()], pipeline, settings, folder)
            done += len(chunk)
            on_progress(done)
    return [Pair(job, _file(sides[0], job), _file(sides[1], job)) for job in jobs]


def _paint(jobs: Sequence[Job], pipeline: StableDiffusionXLPipeline, settings: PaintingSettings, folder: Path) -> None:
    if not jobs:
        return
    images = pipeline(
        [job.prompt.text for job in jobs],
        num_inference_steps=settings.steps,
        guidance_scale=settings.guidance,
        height=settings.side,
        width=settings.side,
        generator=[torch.Generator().manual_seed(job.seed) for job in jobs],
    ).images
    for job, image in zip(jobs, images, strict=True):
        temporary = _file(folder, job).with_suffix(".part")
        image.save(temporary, "PNG")
        temporary.replace(_file(folder, job))


def _file(folder: Path, job: Job) -> Path:
    name = hashlib.sha256(job.prompt.text.encode()).hexdigest()[:16]
    return folder / f"{name}-{job.seed}.png"


def _folder(directory: Path, base: str, adapter: str, settings: PaintingSettings) -> Path:
    key = f"{base} {adapter} {settings.steps} {settings.guidance} {settings.side}"
    kind = "base" if adapter == "base" else "adapter"
    return directory / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
