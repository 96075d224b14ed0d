"""Where model files come from: setting, then cache, then official download, then the miniature in the package.

This module knows files and names; it never opens a model. Which models there are: `official.py`; how they are fetched:
`fetching.py` and `hub.py`.
"""

import logging
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from core import hub
from core.arrival import Tell, tell_nobody
from core.errors import DownloadFailed, ModelMissing
from core.fetching import OfficialModel, fetched, fetched_and_unpacked
from core.official import (
    CORES_FOR_SMALL,
    ENGLISH,
    ENGLISH_INSIDE,
    ENGLISH_MARK,
    PLAYGROUND_MODEL,
    TAESDXL,
    UPSCALER,
    WHISPER,
    WHISPER_FILES,
    YAMNET,
    pinned,
)
from core.settings import PLAYGROUND, CoreSettings

log = logging.getLogger(__name__)

MINIATURE_HINT = "bundled miniature; `imagine-sound models pull` fetches what this machine can use"
MINIATURE_PAINTER = "playground-mini"


class Origin(StrEnum):
    """Where a model was found."""

    SETTING = "setting"
    CACHE = "cache"
    DOWNLOAD = "download"
    HUB = "hub"
    PACKAGE = "package"
    BUNDLED = "bundled"


@dataclass(frozen=True)
class LocatedModel:
    """A model that can be loaded. `source` is a path, or a hub name for a model that the hub's client fetches.

    `revision` is the hub's, None for the newest.
    """

    name: str
    source: str
    origin: Origin
    why: str
    revision: str | None = None

    @property
    def path(self) -> Path:
        """`source` as a path."""
        return Path(self.source)

    @property
    def is_miniature(self) -> bool:
        """Whether it is one of the small ones that come with the package."""
        return self.origin is Origin.BUNDLED


class ModelStore:
    """Finds models as the settings say; fetches what is missing if they allow it."""

    def __init__(self, settings: CoreSettings, *, tell: Tell = tell_nobody) -> None:
        """`tell` is told how much of the image model has arrived, where it is fetched while somebody waits for it."""
        self._settings = settings
        self._tell = tell

    def yamnet(self) -> LocatedModel:
        """The sound classifier. Raises ModelMissing or DownloadFailed."""
        setting = self._settings.yamnet_model
        if setting is not None:
            setting = setting.expanduser()
            if not setting.is_file():
                raise ModelMissing(f"YAMNET_MODEL is {setting}, but there is no such file; correct or remove it.")
            return LocatedModel("YamNet", str(setting), Origin.SETTING, "YAMNET_MODEL names it")
        cached = self.cached_yamnet
        if cached.is_file():
            return LocatedModel("YamNet", str(cached), Origin.CACHE, "it was fetched before")
        problem = "DOWNLOAD_MODELS is off"
        if self._settings.download_models:
            try:
                return LocatedModel("YamNet", str(self.pull_yamnet()), Origin.DOWNLOAD, "it was fetched just now")
            except DownloadFailed as error:
                problem = str(error)
        return self._miniature("yamnet-mini", "yamnet-mini.tflite", "YamNet", problem)

    def ears(self) -> tuple[Path, ...]:
        """The sound classifiers that hear together: YamNet, and the bundled student of it as its second.

        Only the student where it stands in for YamNet. Raises ModelMissing or DownloadFailed.
        """
        first, second = self.yamnet().path, _miniature_path("yamnet-mini") / "yamnet-mini.tflite"
        if not second.is_file():
            raise ModelMissing("This package holds no yamnet-mini, which is YamNet's second ear; reinstall.")
        return (first,) if first.samefile(second) else (first, second)

    def image_model(self, *, on_gpu: bool) -> LocatedModel:
        """What paints; Playground is fetched where it is wanted and not whole. `on_gpu` decides what `auto` means.

        Raises ModelMissing, and DownloadFailed where IMAGE_MODEL names Playground.
        """
        wanted = self._settings.image_model
        if wanted.startswith("~"):
            wanted = str(Path(wanted).expanduser())
        if wanted == PLAYGROUND:
            return self._playground("IMAGE_MODEL names it")
        if wanted != "auto":
            return self._named(wanted)
        why = "IMAGE_MODEL is auto and Playground v2.5 needs a CUDA GPU, which is not here"
        if on_gpu:
            try:
                return self._playground("IMAGE_MODEL is auto and there is a CUDA GPU")
            except (ModelMissing, DownloadFailed) as error:
                why = str(error)
        return self._miniature(MINIATURE_PAINTER, "model_index.json", "Playground v2.5", why)

    def _named(self, wanted: str) -> LocatedModel:
        why = "IMAGE_MODEL names it"
        path = Path(wanted)
        if path.is_dir() or (path.is_file() and path.suffix == ".safetensors"):
            return LocatedModel(path.resolve().name, wanted, Origin.SETTING, why)
        if wanted.startswith((".", "/", "~")) or wanted.count("/") != 1:
            raise ModelMissing(
                f"IMAGE_MODEL is {wanted}, but there is no such directory or .safetensors file; correct or remove it."
            )
        return LocatedModel(wanted, wanted, Origin.HUB, why, self._settings.image_model_revision or pinned(wanted))

    def playground(self) -> LocatedModel:
        """Playground v2.5 as it was fetched, whoever paints. Raises ModelMissing, which names what lacks."""
        found = hub.whole(PLAYGROUND_MODEL, self._playground_revision)
        if found is None:
            raise ModelMissing(f"{self._playground_lacks}; run `imagine-sound models pull playground`.")
        return LocatedModel(PLAYGROUND, str(found), Origin.CACHE, "it was fetched before", found.name)

    def _playground(self, why: str) -> LocatedModel:
        revision = self._playground_revision
        found = hub.whole(PLAYGROUND_MODEL, revision)
        if found is None and not self._settings.download_models:
            raise ModelMissing(f"{self._playground_lacks}; run `imagine-sound models pull`.")
        if found is None:
            try:
                found = self.pull_playground(self._tell)
            except DownloadFailed as error:
                raise DownloadFailed(f"{self._playground_lacks}. {error}") from error
        return LocatedModel(PLAYGROUND, str(found), Origin.HUB, why, found.name)

    @property
    def _playground_revision(self) -> str | None:
        return self._settings.image_model_revision or PLAYGROUND_MODEL.commit

    @property
    def _playground_lacks(self) -> str:
        revision = self._playground_revision
        directory = hub.snapshot(PLAYGROUND_MODEL, revision)
        return hub.lacks_says(PLAYGROUND_MODEL, hub.lacks(PLAYGROUND_MODEL, directory, revision))

    def upscaler(self, painter: str) -> LocatedModel:
        """What enlarges the pictures of the model `painter`: the setting's, the fetched one, or for the bundled painter
        the bundled one. Looks at a few names on the disk only. Raises ModelMissing, also without the library for it.
        """
        libraries = ("spandrel", "torchvision")  # the first cannot be imported without the second
        if "spandrel" not in sys.modules and any(find_spec(name) is None for name in libraries):
            raise ModelMissing("Enlarging needs the extra `upscale`; install imagine-sound[upscale].")
        setting = self._settings.upscale_model
        if setting is not None:
            setting = setting.expanduser()
            if not setting.is_file():
                raise ModelMissing(f"UPSCALE_MODEL is {setting}, but there is no such file; correct or remove it.")
            return LocatedModel(setting.stem, str(setting), Origin.SETTING, "UPSCALE_MODEL names it")
        cached = self.cached_upscaler
        if cached.is_file():
            return LocatedModel(UPSCALER.name, str(cached), Origin.CACHE, "it was fetched before")
        bundled = _miniature_path("upscaler-mini") / "upscaler-mini.safetensors"
        if painter == MINIATURE_PAINTER and self._settings.allow_miniatures and bundled.is_file():
            return LocatedModel("upscaler-mini", str(bundled), Origin.BUNDLED, "the painter is a miniature, too")
        raise ModelMissing(
            f"Nothing here makes the pictures of {painter} larger; run `imagine-sound models pull upscaler`, or set "
            "UPSCALE_MODEL."
        )

    @property
    def whisper(self) -> OfficialModel:
        """The recogniser that SPEECH_MODEL names by its size, or what stands for a directory."""
        wanted = self._settings.speech_model
        if wanted == "auto":
            wanted = "small" if (os.cpu_count() or 1) >= CORES_FOR_SMALL else "base"
        return WHISPER.get(wanted) or OfficialModel(wanted, wanted, 0, "its maker's", files=WHISPER_FILES)

    def recogniser(self) -> LocatedModel:
        """What recognises speech. Looks at a few names on the disk. Raises ModelMissing, also without the library."""
        require_speech("faster_whisper")
        wanted = Path(self._settings.speech_model).expanduser()
        if self._settings.speech_model != "auto" and self._settings.speech_model not in WHISPER:
            if missing := hub.lacks(self.whisper, wanted, None):
                raise ModelMissing(
                    f"SPEECH_MODEL is {wanted}, but there is no whole Whisper model for CTranslate2 (it lacks "
                    f"{', '.join(missing)}); name a directory with one, or a size: {', '.join(WHISPER)}."
                )
            return LocatedModel(wanted.name, str(wanted), Origin.SETTING, "SPEECH_MODEL names it")
        official, cached = self.whisper, self.cached_recogniser
        if hub.lacks(official, cached, official.commit):
            raise ModelMissing(f"{official.name} is not here; `imagine-sound models pull speech` fetches it.")
        return LocatedModel(official.name, str(cached), Origin.CACHE, "it was fetched before")

    def language_pipeline(self) -> LocatedModel:
        """What rules read English with. Raises ModelMissing, also without the library."""
        require_speech("spacy")
        if (self.cached_pipeline / ENGLISH_MARK).is_file():
            return LocatedModel(ENGLISH.name, str(self.cached_pipeline), Origin.CACHE, "it was fetched before")
        if installed := _installed_pipeline():
            return LocatedModel(ENGLISH.name, str(installed), Origin.PACKAGE, "it is installed")
        raise ModelMissing(f"{ENGLISH.name} is not here; `imagine-sound models pull speech` fetches it.")

    @property
    def cached_recogniser(self) -> Path:
        """Where a fetched recogniser lies."""
        return self._settings.model_cache / self.whisper.name.lower().replace(" ", "-")

    @property
    def cached_pipeline(self) -> Path:
        """Where a fetched English pipeline lies."""
        return self._settings.model_cache / PurePosixPath(ENGLISH_INSIDE).name

    def pull_recogniser(self) -> Path:
        """Fetch the recogniser that the settings name by its size into the cache, also without the library for it.

        Raises DownloadFailed, and ModelMissing where they name a directory that holds none.
        """
        if self._settings.speech_model not in ("auto", *WHISPER):
            return self.recogniser().path
        return self._pull(self.whisper, into=self.cached_recogniser)

    def pull_language_pipeline(self, official: OfficialModel = ENGLISH) -> Path:
        """Fetch the English pipeline into the cache and unpack it, unless it is there. Raises DownloadFailed."""
        return fetched_and_unpacked(official, ENGLISH_INSIDE, self.cached_pipeline, ENGLISH_MARK)

    def taesdxl(self) -> LocatedModel:
        """What decodes previews. Raises ModelMissing, which is no harm."""
        if hub.lacks(TAESDXL, self.cached_taesdxl, TAESDXL.commit):
            raise ModelMissing("Previews stay simple without it; `imagine-sound models pull` fetches it.")
        return LocatedModel("TAESDXL", str(self.cached_taesdxl), Origin.CACHE, "it was fetched before")

    @property
    def cached_yamnet(self) -> Path:
        """Where a fetched YamNet lies."""
        return self._settings.model_cache / "yamnet.tflite"

    def pull_yamnet(self, official: OfficialModel = YAMNET) -> Path:
        """Fetch YamNet into the cache unless it is there; shows a progress bar. Raises DownloadFailed."""
        return fetched(official, self.cached_yamnet)

    @property
    def cached_upscaler(self) -> Path:
        """Where a fetched upscaler lies."""
        return self._settings.model_cache / "realesr-general-x4v3.pth"

    def pull_upscaler(self, official: OfficialModel = UPSCALER) -> Path:
        """Fetch the upscaler into the cache unless it is there, likewise. Raises DownloadFailed."""
        return fetched(official, self.cached_upscaler)

    @property
    def cached_taesdxl(self) -> Path:
        """Where a fetched TAESDXL lies."""
        return self._settings.model_cache / "taesdxl"

    def pull_playground(self, tell: Tell = tell_nobody) -> Path:
        """Fetch what is missing of Playground v2.5 into the hub client's cache. Raises DownloadFailed."""
        return hub.pull(PLAYGROUND_MODEL, self._playground_revision, token=self._settings.hub_token, tell=tell)

    def pull_taesdxl(self) -> Path:
        """Fetch what is missing of TAESDXL into the cache. Raises DownloadFailed."""
        return self._pull(TAESDXL, into=self.cached_taesdxl)

    def _pull(self, official: OfficialModel, into: Path) -> Path:
        if not hub.lacks(official, into, official.commit):
            return into
        return hub.pull(official, official.commit, token=self._settings.hub_token, into=into)

    def _miniature(self, directory: str, file: str, instead_of: str, why: str) -> LocatedModel:
        path = _miniature_path(directory)
        if not self._settings.allow_miniatures:
            raise ModelMissing(
                f"{instead_of} is missing ({why}) and ALLOW_MINIATURES is off; run `imagine-sound models pull`, or "
                "name a model in the settings."
            )
        found = path / file
        if not found.exists():
            raise ModelMissing(
                f"{instead_of} is missing ({why}), and this package holds no miniature of it; reinstall."
            )
        source = found if file.endswith(".tflite") else path
        log.warning("%s: %s", directory, MINIATURE_HINT)
        return LocatedModel(directory, str(source), Origin.BUNDLED, why)


def require_speech(library: str) -> None:
    """Raises ModelMissing without a library of the extra."""
    if find_spec(library) is None:
        raise ModelMissing("Recognising speech needs the extra `speech`; install imagine-sound[speech].")


def _installed_pipeline() -> Path | None:
    """The English pipeline where it is installed as a package of its own; nothing is imported."""
    package = find_spec(PurePosixPath(ENGLISH_INSIDE).parts[0])
    places = (package.submodule_search_locations if package else None) or ()
    return next((mark.parent for place in places for mark in Path(place).glob(f"*/{ENGLISH_MARK}")), None)


def _miniature_path(directory: str) -> Path:
    return Path(str(resources.files("core"))) / "miniatures" / directory


def find_adapters(directory: Path) -> dict[str, Path]:
    """The LoRA adapters in `directory` by name: `name.safetensors`, or `name/pytorch_lora_weights.safetensors`."""
    if not directory.is_dir():
        return {}
    files = {path.stem: path for path in sorted(directory.glob("*.safetensors"))}
    folders = {path.parent.name: path for path in sorted(directory.glob("*/pytorch_lora_weights.safetensors"))}
    return folders | files
