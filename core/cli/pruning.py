"""`imagine-sound models prune`: what was fetched and no setting uses any more: told, and deleted if that is wanted."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from core import catalogue
from core.catalogue import KnownModel
from core.errors import ExitCode, WrongSetting
from core.hub import FETCHING_LOCK, hub_cache
from core.models import ModelStore
from core.official import ENGLISH_INSIDE, PICTURE_CHECK, PLAYGROUND, PLAYGROUND_MODEL, TAESD, WHISPER
from core.options import PictureCheck
from core.settings import CoreSettings, Speech


@dataclass(frozen=True)
class Unused:
    """Something on the disk that no setting uses: where, why, how many bytes, and how it is deleted."""

    path: Path
    why: str
    size: int
    delete: Callable[[], object]


def prune(settings: CoreSettings, *, delete: bool) -> ExitCode:
    """Say what can go, why, and how large it is; delete it if that is wanted. Raises WrongSetting if it cannot be."""
    found = list(unused(settings))
    for one in found:
        print(f"{one.path} ({one.size / 1e6:.1f} MB): {one.why}", flush=True)
    total = sum(one.size for one in found) / 1e6
    if not found:
        print("There is nothing that was fetched and that no setting uses.")
    elif not delete:
        print(f"`imagine-sound models prune --yes` deletes this, {total:.1f} MB; nothing was deleted yet.")
    else:
        for one in found:
            try:
                one.delete()
            except OSError as error:
                raise WrongSetting(f"{one.path} cannot be deleted: {error.strerror}.") from error
        print(f"Deleted, {total:.1f} MB.")
    return ExitCode.DONE


def unused(settings: CoreSettings) -> Iterator[Unused]:
    """What is there and no setting uses; of what other programs may have fetched, nothing."""
    store = ModelStore(settings)
    found = (Unused(path, why, _size(path), partial(_delete, path)) for path, why in _in_cache(store, settings))
    named = _named(settings)
    for one in (*found, *_in_hub_cache(settings, store)):
        place = one.path.resolve()
        if one.path.exists() and not any(path.is_relative_to(place) for path in named):
            yield one


def _named(settings: CoreSettings) -> list[Path]:
    """The files and directories that settings name, which may be what was fetched."""
    names = (settings.yamnet_model, settings.upscale_model, settings.image_model, settings.speech_model)
    return [Path(name).expanduser().resolve() for name in names if name is not None]


def _in_cache(store: ModelStore, settings: CoreSettings) -> Iterator[tuple[Path, str]]:
    if settings.yamnet_model is not None:
        yield store.cached_yamnet, "YAMNET_MODEL names another"
    if settings.upscale_model is not None:
        yield store.cached_upscaler, "UPSCALE_MODEL names another"
    used = {known.tiny_decoder for known in _known(settings)}
    if "taesd" not in used:
        yield store.cached(TAESD), "IMAGE_MODEL names another"
    if settings.preview_every == 0 and "taesdxl" not in used:
        yield store.cached_taesdxl, "PREVIEW_EVERY is 0"
    if settings.picture_check is PictureCheck.OFF:
        yield store.cached(PICTURE_CHECK), "PICTURE_CHECK is off"
    is_off = settings.speech is Speech.OFF
    for official in WHISPER.values():
        if is_off or official != store.speech.whisper:
            yield store.speech.cached_whisper(official), "SPEECH is off" if is_off else "SPEECH_MODEL is another"
    for pipeline in settings.model_cache.glob(f"{PurePosixPath(ENGLISH_INSIDE).parts[0]}-*/"):
        if is_off:
            yield pipeline, "SPEECH is off"
        elif pipeline != store.speech.cached_pipeline:
            yield pipeline, f"this version reads English with {store.speech.cached_pipeline.name}"


def _known(settings: CoreSettings) -> list[KnownModel]:
    """What IMAGE_MODEL means of the catalogue, if anything; `auto` means what paints without a GPU."""
    known = catalogue.named(catalogue.WITHOUT_GPU if settings.image_model == "auto" else settings.image_model)
    return [known] if known else []


def _in_hub_cache(settings: CoreSettings, store: ModelStore) -> Iterator[Unused]:
    """Painters that this program fetched: all but what IMAGE_MODEL means, and of that its other revisions."""
    is_auto = settings.image_model == "auto"
    wanted = {PLAYGROUND if is_auto else settings.image_model, *(known.official.address for known in _known(settings))}
    painters = [known.official for known in catalogue.catalogue().values() if known.can_be_pulled]
    for official in (PLAYGROUND_MODEL, *painters):
        directory = hub_cache() / f"models--{official.address.replace('/', '--')}"
        if not (directory / FETCHING_LOCK).exists():
            continue
        if official.address in wanted:
            yield from _other_revisions(directory, store.revision(official))
        else:
            yield Unused(directory, "IMAGE_MODEL names another", _size(directory), partial(_delete, directory))


def _other_revisions(directory: Path, wanted: str | None) -> Iterator[Unused]:
    from huggingface_hub import scan_cache_dir

    cache = scan_cache_dir(directory.parent)
    for repository in cache.repos:
        for one in repository.revisions if repository.repo_path == directory else ():
            if wanted != one.commit_hash and wanted not in one.refs:
                plan = cache.delete_revisions(one.commit_hash)
                why = "IMAGE_MODEL_REVISION is another"
                yield Unused(one.snapshot_path, why, plan.expected_freed_size, plan.execute)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file() and not file.is_symlink())


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
