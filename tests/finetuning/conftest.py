"""A tiny Playground on disk, drawings to learn from, and hyperparameters that take seconds."""

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from diffusers import StableDiffusionXLPipeline
from filelock import FileLock
from rich.console import Console

from core.cli.progress import ProgressBars
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import load_base
from core.finetuning.model.objective import Objective, objective_for
from core.finetuning.run import FinetuneOptions, FinetuneResult, finetune
from tests.finetuning.drawings import write_imagefolder
from tests.finetuning.pretraining import pretrain, pretrain_vae
from tests.tiny_pipeline import build_tiny_pipeline


@pytest.fixture(autouse=True)
def _fresh_accelerator() -> Iterator[None]:
    """Accelerate keeps one process-wide state; each test gets its own."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pipeline of Playground's architecture after a quick training: it paints smooth fields and drawings.

    32 px, 2 px a latent. Trained once for all processes of the tests: half a minute.
    """
    own = tmp_path_factory.getbasetemp()
    directory = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "tiny-painter"
    with FileLock(f"{directory}.lock"):
        if not directory.is_dir():
            unfinished = build_tiny_pipeline(tmp_path_factory.mktemp("unfinished") / "tiny-painter")
            pretrain_vae(unfinished, steps=150)
            pretrain(unfinished, edm_objective(load_base(str(unfinished), None, "fp32").pipeline), steps=250)
            unfinished.rename(directory)
    return directory


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve captioned drawings."""
    return write_imagefolder(tmp_path_factory.mktemp("drawings"))


@pytest.fixture
def bars() -> ProgressBars:
    """Prints into memory: `bars.console.file.getvalue()`."""
    return ProgressBars(Console(file=io.StringIO(), width=200))


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encoded images and captions for all tests of the session."""
    return tmp_path_factory.mktemp("cache")


def edm_objective(pipeline: StableDiffusionXLPipeline) -> Objective:
    """The tiny pipeline's own objective."""
    return objective_for(pipeline.scheduler.config, pipeline.vae.config, log_sigma_mean=-0.4, log_sigma_std=1.2)


def quick_hyperparameters(**changes: object) -> Hyperparameters:
    """A few steps at low cost."""
    values: dict[str, object] = {
        "steps": 8,
        "rank": 4,
        "alpha": 4.0,
        "warmup_steps": 2,
        "batch_size": 2,
        "precision": "fp32",
        "held_out": 0.25,
        "prior_share": 0.0,
        "check_every": 4,
        "sample_steps": 2,
        **changes,
    }
    return Hyperparameters(**values)  # type: ignore[arg-type]


@pytest.fixture
def make_options(tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path: Path) -> Callable[..., FinetuneOptions]:
    """Options for a quick run on the tiny model; keyword arguments change them."""

    def make(**changes: object) -> FinetuneOptions:
        values: dict[str, object] = {
            "images": drawings,
            "out": tmp_path / "adapters" / "shapes",
            "base": str(tiny_base),
            "hyperparameters": quick_hyperparameters(),
            "cache": shared_cache,
            "cpu": True,
            **changes,
        }
        return FinetuneOptions(**values)  # type: ignore[arg-type]

    return make


@dataclass(frozen=True)
class TrainedRun:
    """A run that has ended, and what its page said before each of its steps."""

    options: FinetuneOptions
    result: FinetuneResult
    pages: tuple[str, ...]


@pytest.fixture(scope="session")
def trained(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> TrainedRun:
    """One run that many tests look at; its rate is so high that the adapter visibly does something."""
    hyperparameters = quick_hyperparameters(learning_rate=5e-3, alpha=8.0, check_every=6)
    out = tmp_path_factory.mktemp("adapters") / "shapes"
    options = FinetuneOptions(
        drawings, out, str(tiny_base), hyperparameters, cache=shared_cache, kohya=True, tensorboard=True, cpu=True
    )
    pages: list[str] = []

    def keep_page() -> bool:
        pages.append((out / "index.html").read_text(encoding="utf-8"))
        return False

    result = finetune(options, ProgressBars(Console(file=io.StringIO())), keep_page)
    AcceleratorState._reset_state(reset_partial_state=True)
    return TrainedRun(options, result, tuple(pages))
