"""`imagine-sound models`: each model, its size, its licence and where it was found; or what is done with them."""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core import catalogue
from core.cli.common import load_settings
from core.cli.pruning import prune
from core.cli.pulling import pull, size_says
from core.cli.verifying import verify
from core.errors import ExitCode, ModelError, WrongSetting
from core.fetching import OfficialModel
from core.located import LocatedModel, Origin
from core.models import ModelStore
from core.official import ENGLISH, PICTURE_CHECK, PLAYGROUND, PLAYGROUND_MODEL, TAESDXL, TINY_DECODERS, UPSCALER, YAMNET
from core.settings import CoreSettings

PAINTER = OfficialModel("what paints", "", about_bytes=0, licence="its maker's")
"""Whatever IMAGE_MODEL names; of a model that a setting names no more is known."""


def run(options: argparse.Namespace) -> int:
    """List, fetch, verify or prune. Raises DownloadFailed, WrongSetting."""
    settings = load_settings()
    if options.yes and options.action != "prune":
        raise WrongSetting("--yes is for `imagine-sound models prune` only.")
    if options.names and options.action in ("verify", "prune"):
        raise WrongSetting(f"`models {options.action}` looks at all that was fetched; leave the names out.")
    if options.action == "verify":
        return verify(settings)
    if options.action == "prune":
        return prune(settings, delete=options.yes)
    on_gpu = _has_gpu(settings)
    if options.action == "pull":
        pull(options.names or (), settings, on_gpu=on_gpu)
        return ExitCode.DONE
    if options.names:
        raise WrongSetting(f"to fetch it: `imagine-sound models pull {' '.join(options.names)}`.")
    store = ModelStore(settings.model_copy(update={"download_models": False}))
    table = Table("model", "size", "licence", "found", title="Models")
    table.add_row(*_row(YAMNET, store.yamnet))
    table.add_row(*_row(PLAYGROUND_MODEL, store.playground))
    for known in (known for known in catalogue.catalogue().values() if known.can_be_pulled):
        table.add_row(*_row(known.official, partial(store.known, known)))
        if known.tiny_decoder:
            table.add_row(*_row(TINY_DECODERS[known.tiny_decoder], partial(store.tiny_decoder, known)))
    if _named_otherwise(settings.image_model) or not on_gpu:
        table.add_row(*_row(PAINTER, lambda: store.image_model(on_gpu=on_gpu)))
    table.add_row(*_row(TAESDXL, store.taesdxl))
    table.add_row(*_row(UPSCALER, lambda: store.upscaler(store.image_model(on_gpu=on_gpu).name)))
    table.add_row(*_row(PICTURE_CHECK, store.picture_check))
    table.add_row(*_row(store.speech.whisper, store.speech.recogniser))
    table.add_row(*_row(ENGLISH, store.speech.language_pipeline))
    Console().print(table)
    return ExitCode.DONE


def _named_otherwise(image_model: str) -> bool:
    """Whether a setting names a painter that has no row of its own."""
    known = catalogue.named(image_model)
    return image_model not in ("auto", PLAYGROUND) and not (known and known.can_be_pulled)


def _row(official: OfficialModel, locate: Callable[[], LocatedModel]) -> tuple[Text, ...]:
    """As plain text: in markup a name in brackets, an extra's say, would be swallowed."""
    return tuple(map(Text, _told(official, locate)))


def _told(official: OfficialModel, locate: Callable[[], LocatedModel]) -> tuple[str, str, str, str]:
    about = f"about {size_says(official)}" if official.about_bytes else "unknown"
    try:
        located = locate()
    except ModelError as error:
        return official.name, about, official.licence, f"missing: {error}"
    found = f"{located.origin}: {located.source} ({located.why})"
    size = _size(located.path) if located.path.exists() else about
    if located.is_miniature:
        return located.name, size, "Apache-2.0", found
    return located.name, size, official.licence if located.origin is Origin.CACHE else PAINTER.licence, found


def _size(path: Path) -> str:
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


def _has_gpu(settings: CoreSettings) -> bool:
    if settings.device == "cpu":
        return False
    from core.generation.loading import choose_device

    return choose_device(settings.device).type == "cuda"
