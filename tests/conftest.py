"""What all tests share: models, recordings, and settings that reach for nothing outside the repository."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from core.hearing.classifier import SoundClassifier
from core.hearing.samples import siren, write_wav
from core.importing import silence_libraries
from core.models import ModelStore
from core.settings import CoreSettings

silence_libraries()
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
if "PYTEST_XDIST_WORKER" in os.environ:  # each process has a processor, and shall not take the others'
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What a long table runs through, shorter tests run through too; to measure it would take as long again."""
    for item in items:
        if item.get_closest_marker("table"):
            item.add_marker("no_cover")


@pytest.fixture(autouse=True)
def _no_settings_from_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nobody's environment or .env decides a test, and nothing is fetched or cached outside the test's directories."""
    for name in CoreSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(CoreSettings.model_config, "env_file", None)
    monkeypatch.setenv("DOWNLOAD_MODELS", "off")
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("DATA_DIR", str(tmp_path_factory.getbasetemp() / "data"))
    monkeypatch.setenv("DEVICE", "cpu")


@pytest.fixture(scope="session")
def tiny_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a tiny untrained SDXL+EDM pipeline."""
    from tests.tiny_pipeline import build_tiny_pipeline

    return build_tiny_pipeline(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def settings(tiny_pipeline: Path, tmp_path: Path) -> CoreSettings:
    """Settings with the tiny pipeline and no adapters."""
    return CoreSettings(image_model=str(tiny_pipeline), adapters_dir=tmp_path / "adapters")


@pytest.fixture(scope="session")
def spandrel() -> None:
    """The library of upscalers can be imported, whether torchvision is installed or not."""
    from tests.spandrel_alone import import_spandrel

    import_spandrel()


@pytest.fixture(scope="session")
def real_yamnet() -> Path:
    """The real YamNet, where TEST_YAMNET_MODEL names one, as CI does."""
    named = os.environ.get("TEST_YAMNET_MODEL")
    if not named:
        pytest.skip("TEST_YAMNET_MODEL names no real YamNet")
    return Path(named)


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Real recordings, ESC-10's ten folders, where TEST_RECORDINGS names them, as CI does."""
    named = os.environ.get("TEST_RECORDINGS")
    if not named:
        pytest.skip("TEST_RECORDINGS names no recordings")
    return Path(named)


@pytest.fixture(scope="session")
def classifier() -> SoundClassifier:
    """The real YamNet if there is one, else the bundled miniature."""
    named = os.environ.get("TEST_YAMNET_MODEL")
    path = Path(named) if named else ModelStore(CoreSettings(download_models=False)).yamnet().path
    return SoundClassifier(path)


@pytest.fixture(scope="session")
def siren_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of a siren."""
    return write_wav(tmp_path_factory.mktemp("sounds") / "siren.wav", siren())


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., None]:
    """The bundled ffmpeg, run with the given arguments."""

    def run(*arguments: str | Path) -> None:
        subprocess.run(
            [get_ffmpeg_exe(), "-y", "-nostdin", "-loglevel", "error", *map(str, arguments)], check=True, timeout=60
        )

    return run
