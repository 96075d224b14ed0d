"""`imagine-sound models`: each model, its size, its licence and where it was found; `models pull` fetches them."""

import argparse
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.cli.common import load_settings
from core.errors import ExitCode, ModelError, WrongSetting
from core.fetching import OfficialModel
from core.models import LocatedModel, ModelStore
from core.official import ENGLISH, PLAYGROUND_MODEL, TAESDXL, UPSCALER, YAMNET
from core.settings import CoreSettings


def run(options: argparse.Namespace) -> int:
    """List or fetch. Raises DownloadFailed, WrongSetting."""
    settings = load_settings()
    store = ModelStore(settings)
    if options.model is not None and options.action != "pull":
        raise WrongSetting(f"to fetch it: `imagine-sound models pull {options.model}`.")
    if options.model == "speech":
        print(f"{store.whisper.name}, which recognises speech: {store.pull_recogniser()}")
        print(f"{ENGLISH.name}, which rules read it with: {store.pull_language_pipeline()}")
        return ExitCode.DONE
    if options.model is not None:
        print(f"{UPSCALER.name}, which enlarges pictures: {store.pull_upscaler()}")
        return ExitCode.DONE
    if options.action == "pull":
        print(f"YamNet: {store.pull_yamnet()}")
        store.pull_playground()
        print("Playground v2.5: in the Hugging Face cache")
        print(f"TAESDXL, for previews: {store.pull_taesdxl()}")
        return ExitCode.DONE
    offline = ModelStore(settings.model_copy(update={"download_models": False}))
    table = Table("model", "size", "licence", "found", title="Models")
    table.add_row(*_row(YAMNET, offline.yamnet))
    table.add_row(*_row(PLAYGROUND_MODEL, lambda: offline.image_model(on_gpu=_has_gpu(settings))))
    table.add_row(*_row(TAESDXL, offline.taesdxl))
    table.add_row(*_row(UPSCALER, lambda: _upscaler(settings, offline)))
    table.add_row(*_row(offline.whisper, offline.recogniser))
    table.add_row(*_row(ENGLISH, offline.language_pipeline))
    Console().print(table)
    return ExitCode.DONE


def _row(official: OfficialModel, locate: Callable[[], LocatedModel]) -> tuple[Text, ...]:
    """As plain text: in markup a name in brackets, an extra's say, would be swallowed."""
    return tuple(map(Text, _told(official, locate)))


def _told(official: OfficialModel, locate: Callable[[], LocatedModel]) -> tuple[str, str, str, str]:
    try:
        located = locate()
    except ModelError as error:
        return official.name, f"about {official.about_bytes / 1e6:.0f} MB", official.licence, f"missing: {error}"
    if located.is_miniature:
        return located.name, _size(located.path), "Apache-2.0", f"{located.origin}: {located.source} ({located.why})"
    size = _size(located.path) if located.path.exists() else f"about {official.about_bytes / 1e6:.0f} MB"
    return located.name, size, official.licence, f"{located.origin}: {located.source} ({located.why})"


def _upscaler(settings: CoreSettings, store: ModelStore) -> LocatedModel:
    """What enlarges the pictures of the painter that the settings choose."""
    return store.upscaler(store.image_model(on_gpu=_has_gpu(settings)).name)


def _size(path: Path) -> str:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


def _has_gpu(settings: CoreSettings) -> bool:
    if settings.device == "cpu":
        return False
    from core.generation.loading import choose_device

    return choose_device(settings.device).type == "cuda"
