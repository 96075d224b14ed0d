"""Where the files lie that speech is understood with: the setting's, else the fetched, else what is installed.

It never opens a model. Which there are: `official.py`.
"""

import os
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from core import hub
from core.errors import ModelMissing
from core.fetching import OfficialModel, fetched_and_unpacked
from core.located import LocatedModel, Origin
from core.official import CORES_FOR_SMALL, ENGLISH, ENGLISH_INSIDE, ENGLISH_MARK, WHISPER, WHISPER_FILES

if TYPE_CHECKING:
    from core.settings import CoreSettings


class SpeechModels:
    """Finds and fetches what recognises speech, and what rules read it with."""

    def __init__(self, settings: "CoreSettings") -> None:
        self._settings = settings

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
        return self.cached_whisper(self.whisper)

    def cached_whisper(self, official: OfficialModel) -> Path:
        """Where that recogniser lies, if it was fetched."""
        return self._settings.model_cache / official.name.lower().replace(" ", "-")

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
        return hub.pull_missing(self.whisper, self.cached_recogniser, token=self._settings.hub_token)

    def pull_language_pipeline(self, official: OfficialModel = ENGLISH) -> Path:
        """Fetch the English pipeline into the cache and unpack it, unless it is there. Raises DownloadFailed."""
        return fetched_and_unpacked(official, ENGLISH_INSIDE, self.cached_pipeline, ENGLISH_MARK)


def require_speech(library: str) -> None:
    """Raises ModelMissing without a library of the extra."""
    if find_spec(library) is None:
        raise ModelMissing("Recognising speech needs the extra `speech`; `make speech` installs imagine-sound[speech].")


def _installed_pipeline() -> Path | None:
    """The English pipeline where it is installed as a package of its own; nothing is imported."""
    package = find_spec(PurePosixPath(ENGLISH_INSIDE).parts[0])
    places = (package.submodule_search_locations if package else None) or ()
    return next((mark.parent for place in places for mark in Path(place).glob(f"*/{ENGLISH_MARK}")), None)
