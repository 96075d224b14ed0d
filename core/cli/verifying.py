"""`imagine-sound models verify`: every fetched file against the size and hash that its makers list."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from core import catalogue, hub
from core.errors import DownloadFailed, ExitCode
from core.fetching import OfficialModel
from core.log_lines import one_line
from core.models import ModelStore
from core.official import ENGLISH, PICTURE_CHECK, PLAYGROUND_MODEL, TAESD, TAESDXL, UPSCALER, WHISPER, YAMNET
from core.settings import CoreSettings
from core.verifying import damaged_file, damaged_from_hub, damaged_unpacked

Look = Callable[[], Sequence[Path]]
"""Returns the files that are damaged or missing. Raises DownloadFailed where there is nothing to compare with."""


def verify(settings: CoreSettings) -> ExitCode:
    """Say of each fetched model what it is: 2 if a file is damaged, 1 if some could not be compared, 0 otherwise."""
    status = ExitCode.DONE
    anything = False
    for name, pull, look in _fetched(ModelStore(settings), settings):
        anything = True
        try:
            damaged = look()
        except (DownloadFailed, OSError) as error:
            print(f"?     {name}: {one_line(str(error))}")
            status = status or ExitCode.FAULT
            continue
        if not damaged:
            print(f"ok    {name}", flush=True)
            continue
        status = ExitCode.BAD_INPUT
        files = ", ".join(map(str, damaged))
        print(f"wrong {name}: damaged or missing: {files}; delete them and run `imagine-sound models pull {pull}`.")
    if not anything:
        print("No model was fetched; `imagine-sound models pull` fetches what this machine can use.")
    return status


def _fetched(store: ModelStore, settings: CoreSettings) -> Iterator[tuple[str, str, Look]]:
    """The name of each model that is here, what `models pull` calls it, and how it is looked at."""
    single = ((YAMNET, "yamnet", store.cached_yamnet), (UPSCALER, "upscaler", store.cached_upscaler))
    for official, pull, file in single:
        if file.is_file():
            yield official.name, pull, partial(damaged_file, official, file)
    if store.speech.cached_pipeline.is_dir():
        yield ENGLISH.name, "speech", partial(damaged_unpacked, ENGLISH, store.speech.cached_pipeline)

    def from_hub(official: OfficialModel, revision: str | None, directory: Path) -> Look:
        return partial(damaged_from_hub, official, revision, directory, settings.hub_token)

    whispers = [(official, "speech", store.speech.cached_whisper(official)) for official in WHISPER.values()]
    decoders = [(TAESDXL, "taesdxl", store.cached_taesdxl), (TAESD, catalogue.WITHOUT_GPU, store.cached(TAESD))]
    check = (PICTURE_CHECK, "picture-check", store.cached(PICTURE_CHECK))
    for official, pull, directory in (*decoders, *whispers, check):
        if directory.is_dir():
            yield official.name, pull, from_hub(official, official.commit, directory)
    painters = [(known.official, known.short_name) for known in catalogue.catalogue().values() if known.can_be_pulled]
    for official, pull in ((PLAYGROUND_MODEL, "playground"), *painters):
        revision = store.revision(official)
        snapshot = hub.snapshot(official, revision)
        if snapshot is not None:
            yield official.name, pull, from_hub(official, revision, snapshot)
