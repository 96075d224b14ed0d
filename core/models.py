"""Where model files come from: setting, then cache, then official download, then the miniature in the package.

This module knows files and names; it never opens a model. Which models there are: `official.py`; how they are fetched:
`fetching.py` and `hub.py`.
"""

import logging
import sys
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from core import catalogue, hub
from core.arrival import Tell, tell_nobody
from core.catalogue import KnownModel
from core.errors import DownloadFailed, ModelMissing
from core.fetching import OfficialModel, fetched
from core.located import MINIATURE_PAINTER, LocatedModel, Origin, miniature_path
from core.official import (
    PICTURE_CHECK,
    PLAYGROUND,
    PLAYGROUND_MODEL,
    TAESDXL,
    TINY_DECODERS,
    UPSCALER,
    YAMNET,
    pinned,
)
from core.speech_models import SpeechModels

if TYPE_CHECKING:
    from core.settings import CoreSettings

log = logging.getLogger(__name__)

MINIATURE_HINT = "bundled miniature; `imagine-sound models pull` fetches what this machine can use"


class ModelStore:
    """Finds models as the settings say; fetches what is missing if they allow it."""

    def __init__(self, settings: "CoreSettings", *, tell: Tell = tell_nobody) -> None:
        """`tell` is told how much of the image model has arrived, where it is fetched while somebody waits for it."""
        self._settings = settings
        self._tell = tell
        self.speech = SpeechModels(settings)

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
        located, second = self.yamnet(), miniature_path("yamnet-mini") / "yamnet-mini.tflite"
        if not second.is_file():
            raise ModelMissing("This package holds no yamnet-mini, which is YamNet's second ear; reinstall.")
        _tell_of_miniature(located)
        return (located.path,) if located.path.samefile(second) else (located.path, second)

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
        elif (known := catalogue.named(catalogue.WITHOUT_GPU)) and hub.whole(known.official, known.official.commit):
            return self._known(known, f"IMAGE_MODEL is auto, there is no CUDA GPU, and {known.short_name} was fetched")
        miniature = self._miniature(MINIATURE_PAINTER, "model_index.json", "Playground v2.5", why)
        _tell_of_miniature(miniature)
        return miniature

    def _named(self, wanted: str) -> LocatedModel:
        why = "IMAGE_MODEL names it"
        path = Path(wanted)
        known = catalogue.named(wanted)
        if path.is_dir() or (path.is_file() and path.suffix == ".safetensors"):
            return LocatedModel(path.resolve().name, wanted, Origin.SETTING, why)
        if known is not None:
            return self._known(known, why)
        if wanted.startswith((".", "/", "~")) or wanted.count("/") != 1:
            raise ModelMissing(
                f"IMAGE_MODEL is {wanted}, but there is no such directory or .safetensors file; correct or remove it."
            )
        return LocatedModel(wanted, wanted, Origin.HUB, why, self._settings.image_model_revision or pinned(wanted))

    def _known(self, known: KnownModel, why: str) -> LocatedModel:
        """A model of the catalogue, fetched where it is not whole; if it is not known what that is, its name."""
        address, revision = known.official.address, self.revision(known.official)
        if not known.can_be_pulled:
            return LocatedModel(address, address, Origin.HUB, why, revision)
        return self._on_hub(known.official, why, f"models pull {known.short_name}")

    def known(self, known: KnownModel) -> LocatedModel:
        """A model of the catalogue as it was fetched, whoever paints. Raises ModelMissing, which names what lacks."""
        return self._as_fetched(known.official, known.short_name)

    def pull_known(self, known: KnownModel) -> Path:
        """Fetch what is missing of a model of the catalogue into the hub client's cache. Raises DownloadFailed."""
        return self._pull_from_hub(known.official, tell_nobody)

    def tiny_decoder(self, known: KnownModel) -> LocatedModel:
        """The small autoencoder that the catalogue names for `known`. Raises ModelMissing, which is no harm."""
        official = TINY_DECODERS[known.tiny_decoder]
        place = self.cached(official)
        if hub.lacks(official, place, official.commit):
            pulls = known.short_name if known.can_be_pulled else known.tiny_decoder
            raise ModelMissing(
                f"{official.name} is not here, without which {known.official.name}'s pictures are decoded more slowly; "
                f"`imagine-sound models pull {pulls}` fetches it."
            )
        return LocatedModel(official.name, str(place), Origin.CACHE, "it was fetched before", official.commit)

    def pull_into_cache(self, official: OfficialModel) -> Path:
        """Fetch what is missing of a small model from the hub into the cache. Raises DownloadFailed."""
        return hub.pull_missing(official, self.cached(official), token=self._settings.hub_token)

    def cached(self, official: OfficialModel) -> Path:
        """Where a small model that was fetched from the hub lies."""
        return self._settings.model_cache / PurePosixPath(official.address).name

    def playground(self) -> LocatedModel:
        """Playground v2.5 as it was fetched, whoever paints. Raises ModelMissing, which names what lacks."""
        return self._as_fetched(PLAYGROUND_MODEL, "playground")

    def _as_fetched(self, official: OfficialModel, short_name: str) -> LocatedModel:
        found = hub.whole(official, self.revision(official))
        if found is None:
            raise ModelMissing(f"{self._lacks(official)}; run `imagine-sound models pull {short_name}`.")
        return LocatedModel(official.address, str(found), Origin.CACHE, "it was fetched before", found.name)

    def _playground(self, why: str) -> LocatedModel:
        return self._on_hub(PLAYGROUND_MODEL, why, "models pull")

    def _on_hub(self, official: OfficialModel, why: str, command: str) -> LocatedModel:
        """Whole in the hub client's cache. Raises ModelMissing, which names `command`, or DownloadFailed."""
        found = hub.whole(official, self.revision(official))
        if found is None and not self._settings.download_models:
            raise ModelMissing(f"{self._lacks(official)}; run `imagine-sound {command}`.")
        if found is None:
            try:
                found = self._pull_from_hub(official, self._tell)
            except DownloadFailed as error:
                raise DownloadFailed(f"{self._lacks(official)}. {error}") from error
        return LocatedModel(official.address, str(found), Origin.HUB, why, found.name)

    def _pull_from_hub(self, official: OfficialModel, tell: Tell) -> Path:
        return hub.pull(official, self.revision(official), token=self._settings.hub_token, tell=tell)

    def revision(self, official: OfficialModel) -> str | None:
        """IMAGE_MODEL_REVISION where it is meant for this model, which `auto` leaves to Playground."""
        wanted = catalogue.named(self._settings.image_model)
        address = wanted.official.address if wanted else self._settings.image_model
        is_meant = official.address == address or (address == "auto" and official.address == PLAYGROUND)
        return (self._settings.image_model_revision if is_meant else None) or official.commit

    def _lacks(self, official: OfficialModel) -> str:
        revision = self.revision(official)
        directory = hub.snapshot(official, revision)
        return hub.lacks_says(official, hub.lacks(official, directory, revision))

    def upscaler(self, painter: str) -> LocatedModel:
        """What enlarges the pictures of the model `painter`: the setting's, the fetched one, or for the bundled painter
        the bundled one. Looks at a few names on the disk only. Raises ModelMissing, also without the library for it.
        """
        libraries = ("spandrel", "torchvision")  # the first cannot be imported without the second
        if "spandrel" not in sys.modules and any(find_spec(name) is None for name in libraries):
            raise ModelMissing("Enlarging needs the extra `upscale`; `make upscale` installs imagine-sound[upscale].")
        setting = self._settings.upscale_model
        if setting is not None:
            setting = setting.expanduser()
            if not setting.is_file():
                raise ModelMissing(f"UPSCALE_MODEL is {setting}, but there is no such file; correct or remove it.")
            return LocatedModel(setting.stem, str(setting), Origin.SETTING, "UPSCALE_MODEL names it")
        cached = self.cached_upscaler
        if cached.is_file():
            return LocatedModel(UPSCALER.name, str(cached), Origin.CACHE, "it was fetched before")
        bundled = miniature_path("upscaler-mini") / "upscaler-mini.safetensors"
        if painter == MINIATURE_PAINTER and self._settings.allow_miniatures and bundled.is_file():
            return LocatedModel("upscaler-mini", str(bundled), Origin.BUNDLED, "the painter is a miniature, too")
        raise ModelMissing(
            f"Nothing here makes the pictures of {painter} larger; run `imagine-sound models pull upscaler`, or set "
            "UPSCALE_MODEL."
        )

    def picture_check(self) -> LocatedModel:
        """What tells pictures that should not be shown. Raises ModelMissing."""
        place = self.cached(PICTURE_CHECK)
        if hub.lacks(PICTURE_CHECK, place, PICTURE_CHECK.commit):
            raise ModelMissing(
                f"{PICTURE_CHECK.name} is not here; `imagine-sound models pull picture-check` fetches it."
            )
        return LocatedModel(PICTURE_CHECK.name, str(place), Origin.CACHE, "it was fetched before")

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
        return self.cached(TAESDXL)

    def pull_playground(self, tell: Tell = tell_nobody) -> Path:
        """Fetch what is missing of Playground v2.5 into the hub client's cache. Raises DownloadFailed."""
        return self._pull_from_hub(PLAYGROUND_MODEL, tell)

    def _miniature(self, directory: str, file: str, instead_of: str, why: str) -> LocatedModel:
        path = miniature_path(directory)
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
        return LocatedModel(directory, str(source), Origin.BUNDLED, why)


def _tell_of_miniature(located: LocatedModel) -> None:
    """Once it is to be loaded; who only asks which it is writes nothing into the log."""
    if located.is_miniature:
        log.warning("%s: %s", located.name, MINIATURE_HINT)
