"""Where model files come from: setting, then cache, then official download, then the miniature in the package.

This module knows files and names; it never opens a model. How files are fetched: `fetching.py`.
"""

import logging
import os
import sys
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from core.errors import DownloadFailed, ModelMissing
from core.fetching import OfficialModel, fetched, unpacked
from core.settings import PLAYGROUND, CoreSettings

log = logging.getLogger(__name__)

MINIATURE_HINT = "bundled miniature; `imagine-sound models pull` fetches YamNet and Playground"


class Origin(StrEnum):
    """Where a model was found."""

    SETTING = "setting"
    CACHE = "cache"
    DOWNLOAD = "download"
    HUB = "hub"
    BUNDLED = "bundled"


YAMNET = OfficialModel(
    name="YamNet",
    address="https://storage.googleapis.com/mediapipe-models/audio_classifier/yamnet/float32/1/yamnet.tflite",
    sha256="10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de",
    about_bytes=4_000_000,
    licence="Apache-2.0",
)
PLAYGROUND_MODEL = OfficialModel(
    name="Playground v2.5",
    address=PLAYGROUND,
    commit="1e032f13f2fe6db2dc49947dbdbd196e753de573",
    about_bytes=6_900_000_000,
    licence="Playground v2.5 Community License",
)
TAESDXL = OfficialModel(
    name="TAESDXL",
    address="madebyollin/taesdxl",
    commit="b20258aaef75ef61e659c1e0f14f251cf0ad153e",
    about_bytes=10_000_000,
    licence="MIT",
)
"""A small decoder for previews; without it they are simpler."""
UPSCALER = OfficialModel(
    name="realesr-general-x4v3",
    address="https://github.com/xinntao/Real-ESRGAN/releases/download/v0.2.5.0/realesr-general-x4v3.pth",
    sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
    about_bytes=4_900_000,
    licence="BSD-3-Clause",
)
"""A super-resolution network that makes pictures larger; fetched only where somebody asks for it."""
WHISPER = {
    size: OfficialModel(
        name=f"Whisper {size}",
        address=f"Systran/faster-whisper-{size}",
        commit=commit,
        about_bytes=about,
        licence="MIT",
    )
    for size, commit, about in (
        ("tiny", "d90ca5fe260221311c53c58e660288d3deb8d356", 78_000_000),
        ("base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66", 148_000_000),
        ("small", "536b0662742c02347bc0e980a01041f333bce120", 487_000_000),
        ("medium", None, 1_530_000_000),
        ("large-v3", None, 3_090_000_000),
    )
}
"""What recognises speech; of those without a commit the newest is taken."""
CORES_FOR_SMALL = 4
"""So many processor cores recognise with small about as quickly as people talk."""
ENGLISH = OfficialModel(
    name="en_core_web_sm",
    address="https://github.com/explosion/spacy-models/releases/download/en_core_web_sm-3.8.0/"
    "en_core_web_sm-3.8.0-py3-none-any.whl",
    sha256="1932429db727d4bff3deed6b34cfc05df17794f4a52eeb26cf8928f7c1a0fb85",
    about_bytes=12_800_000,
    licence="MIT",
)
"""spaCy's small English pipeline, by which rules find the scene in what is said."""
ENGLISH_INSIDE = "en_core_web_sm/en_core_web_sm-3.8.0"
MINIATURE_PAINTER = "playground-mini"
PINNED = {official.address: official.commit for official in (PLAYGROUND_MODEL, TAESDXL)}


PLAYGROUND_FILES = ["*.json", "*.txt", "*/*.fp16.safetensors"]
"""What of Playground's repository is fetched: the half-precision weights in the pipeline's folders. The same weights
lie in its root again, as one file."""
WHISPER_FILES = ["config.json", "model.bin", "tokenizer.json", "vocabulary.*"]
TAESDXL_FILES = ["config.json", "diffusion_pytorch_model.safetensors"]
"""What of TAESDXL's: the whole of it, once, and no pickles."""


def pinned(name: str) -> str | None:
    """The commit at which the hub model `name` is taken where no setting says otherwise; None: the newest."""
    return PINNED.get(name)


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

    def __init__(self, settings: CoreSettings) -> None:
        self._settings = settings

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
        """What paints. `on_gpu` decides what `auto` means. Raises ModelMissing."""
        wanted = self._settings.image_model
        if wanted.startswith("~"):
            wanted = str(Path(wanted).expanduser())
        if wanted != "auto":
            if Path(wanted).is_dir():
                return LocatedModel(Path(wanted).resolve().name, wanted, Origin.SETTING, "IMAGE_MODEL names it")
            if wanted.startswith((".", "/", "~")) or wanted.count("/") != 1:
                raise ModelMissing(f"IMAGE_MODEL is {wanted}, but there is no such directory; correct or remove it.")
            return self._on_hub(wanted, "IMAGE_MODEL names it")
        if on_gpu and not self._settings.download_models and not self.has_playground():
            why = "there is a CUDA GPU, but Playground v2.5 was not fetched and DOWNLOAD_MODELS is off"
            return self._miniature(MINIATURE_PAINTER, "model_index.json", "Playground v2.5", why)
        if on_gpu:
            return self._on_hub(PLAYGROUND, "IMAGE_MODEL is auto and there is a CUDA GPU")
        why = "IMAGE_MODEL is auto and Playground v2.5 needs a CUDA GPU, which is not here"
        return self._miniature(MINIATURE_PAINTER, "model_index.json", "Playground v2.5", why)

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
        return WHISPER.get(wanted) or OfficialModel(wanted, wanted, 0, "its maker's")

    def recogniser(self) -> LocatedModel:
        """What recognises speech. Looks at a few names on the disk. Raises ModelMissing, also without the library."""
        _require_speech("faster_whisper")
        wanted = Path(self._settings.speech_model).expanduser()
        if self._settings.speech_model != "auto" and self._settings.speech_model not in WHISPER:
            if not (wanted / "model.bin").is_file():
                raise ModelMissing(
                    f"SPEECH_MODEL is {wanted}, but there is no Whisper model for CTranslate2 (model.bin); name a "
                    f"directory with one, or a size: {', '.join(WHISPER)}."
                )
            return LocatedModel(wanted.name, str(wanted), Origin.SETTING, "SPEECH_MODEL names it")
        official, cached = self.whisper, self.cached_recogniser
        if not all(any(cached.glob(pattern)) for pattern in WHISPER_FILES):
            raise ModelMissing(f"{official.name} is not here; `imagine-sound models pull speech` fetches it.")
        return LocatedModel(official.name, str(cached), Origin.CACHE, "it was fetched before")

    def language_pipeline(self) -> LocatedModel:
        """What rules read English with. Raises ModelMissing, also without the library."""
        _require_speech("spacy")
        if not (self.cached_pipeline / "config.cfg").is_file():
            raise ModelMissing(f"{ENGLISH.name} is not here; `imagine-sound models pull speech` fetches it.")
        return LocatedModel(ENGLISH.name, str(self.cached_pipeline), Origin.CACHE, "it was fetched before")

    @property
    def cached_recogniser(self) -> Path:
        """Where a fetched recogniser lies."""
        return self._settings.model_cache / self.whisper.name.lower().replace(" ", "-")

    @property
    def cached_pipeline(self) -> Path:
        """Where a fetched English pipeline lies."""
        return self._settings.model_cache / PurePosixPath(ENGLISH_INSIDE).name

    def pull_recogniser(self) -> Path:
        """Fetch the recogniser that the settings name by its size into the cache. Raises DownloadFailed."""
        if self._settings.speech_model in ("auto", *WHISPER):
            self._pull(self.whisper, self.whisper.commit, WHISPER_FILES, into=self.cached_recogniser)
        return self.recogniser().path

    def pull_language_pipeline(self, official: OfficialModel = ENGLISH) -> Path:
        """Fetch the English pipeline into the cache and unpack it, unless it is there. Raises DownloadFailed."""
        if not self.cached_pipeline.is_dir():
            wheel = fetched(official, self.cached_pipeline.with_suffix(".whl"))
            unpacked(official, wheel, ENGLISH_INSIDE, self.cached_pipeline)
            wheel.unlink()
        return self.cached_pipeline

    def taesdxl(self) -> LocatedModel:
        """What decodes previews. Raises ModelMissing, which is no harm."""
        if not self.cached_taesdxl.is_dir():
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

    def has_playground(self) -> bool:
        """Whether Playground v2.5 lies in the hub client's cache."""
        from huggingface_hub import try_to_load_from_cache

        revision = self._revision_of(PLAYGROUND)
        return isinstance(try_to_load_from_cache(PLAYGROUND, "model_index.json", revision=revision), str)

    def pull_playground(self) -> None:
        """Fetch Playground v2.5 into the hub client's cache. Raises DownloadFailed."""
        self._pull(PLAYGROUND_MODEL, self._revision_of(PLAYGROUND), PLAYGROUND_FILES)

    def pull_taesdxl(self) -> Path:
        """Fetch TAESDXL into the cache unless it is there. Raises DownloadFailed."""
        self._pull(TAESDXL, TAESDXL.commit, TAESDXL_FILES, into=self.cached_taesdxl)
        return self.cached_taesdxl

    def _pull(self, official: OfficialModel, revision: str | None, files: list[str], into: Path | None = None) -> None:
        """Fetch with the hub's client: checked, resumed, with progress."""
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

        token = self._settings.hub_token
        try:
            snapshot_download(official.address, revision=revision, allow_patterns=files, local_dir=into, token=token)
        except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
            log.debug("fetching %s failed", official.address, exc_info=True)
            raise DownloadFailed(
                f"{official.name} could not be fetched; check the network and that {official.about_bytes / 1e9:.1g} GB "
                "are free, and try again."
            ) from error

    def _revision_of(self, name: str) -> str | None:
        return self._settings.image_model_revision or pinned(name)

    def _on_hub(self, name: str, why: str) -> LocatedModel:
        return LocatedModel(name, name, Origin.HUB, why, self._revision_of(name))

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


def _require_speech(library: str) -> None:
    if find_spec(library) is None:
        raise ModelMissing("Recognising speech needs the extra `speech`; install imagine-sound[speech].")


def _miniature_path(directory: str) -> Path:
    return Path(str(resources.files("core"))) / "miniatures" / directory


def find_adapters(directory: Path) -> dict[str, Path]:
    """The LoRA adapters in `directory` by name: `name.safetensors`, or `name/pytorch_lora_weights.safetensors`."""
    if not directory.is_dir():
        return {}
    files = {path.stem: path for path in sorted(directory.glob("*.safetensors"))}
    folders = {path.parent.name: path for path in sorted(directory.glob("*/pytorch_lora_weights.safetensors"))}
    return folders | files
