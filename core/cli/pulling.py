"""`imagine-sound models pull`: what can be fetched, under which licence and how large it is; and fetching it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from core.cli.arguments import ALL, MODELS
from core.fetching import OfficialModel
from core.models import ModelStore, require_speech
from core.official import ENGLISH, PLAYGROUND_MODEL, TAESDXL, UPSCALER, YAMNET
from core.settings import PLAYGROUND, CoreSettings, Speech


@dataclass(frozen=True)
class _Pullable:
    """A model, what it does, and how it is fetched; `pull` returns where it lies then."""

    official: OfficialModel
    does: str
    pull: Callable[[], Path]

    @property
    def says(self) -> str:
        """What somebody should know before it is fetched."""
        return f"{self.official.name}, {self.does}: {self.official.licence}, about {size_says(self.official)}"


def pull(names: Sequence[str], settings: CoreSettings, *, on_gpu: bool) -> None:
    """Fetch what is called `names`; without names what the settings use on this machine. Raises ModelError."""
    store = ModelStore(settings)
    wanted = list(names) or used_here(settings, on_gpu=on_gpu)
    if ALL in wanted:
        wanted = [name for name in MODELS if name != "speech" or _has("faster_whisper")]
    if "speech" not in wanted and not _has("faster_whisper") and ALL in names:
        print("What recognises speech is left out: it needs the extra `speech`; install imagine-sound[speech].")
    if not names and "playground" not in wanted:
        print("Playground v2.5 is left out: it does not paint here; `imagine-sound models pull playground` fetches it.")
    models = [model for name in dict.fromkeys(wanted) for model in _pullable(name, store)]
    for model in models:
        print(model.says, flush=True)
    logging.getLogger("core.arrival").setLevel(logging.INFO)  # without a terminal its lines are all that moves
    for model in models:
        print(f"{model.official.name} is in {model.pull()}", flush=True)
    if "speech" in wanted:  # what was fetched is of no use without the extra
        require_speech("faster_whisper")
        require_speech("spacy")


def used_here(settings: CoreSettings, *, on_gpu: bool) -> list[str]:
    """What of MODELS the settings use on a machine with or without a GPU, and with its extras."""
    paints = settings.image_model == PLAYGROUND or (settings.image_model == "auto" and on_gpu)
    uses = {
        "yamnet": settings.yamnet_model is None,
        "playground": paints,
        "taesdxl": paints,
        "speech": settings.speech is not Speech.OFF and _has("faster_whisper"),
        "upscaler": paints and settings.upscale_model is None and _has("spandrel"),
    }
    return [name for name in MODELS if uses[name]]


def size_says(official: OfficialModel) -> str:
    """How large the download is."""
    size = official.about_bytes
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _pullable(name: str, store: ModelStore) -> tuple[_Pullable, ...]:
    match name:
        case "yamnet":
            return (_Pullable(YAMNET, "which names sounds", store.pull_yamnet),)
        case "playground":
            return (_Pullable(PLAYGROUND_MODEL, "which paints", store.pull_playground),)
        case "taesdxl":
            return (_Pullable(TAESDXL, "for previews", store.pull_taesdxl),)
        case "upscaler":
            return (_Pullable(UPSCALER, "which enlarges pictures", store.pull_upscaler),)
        case _:
            return (
                _Pullable(store.whisper, "which recognises speech", store.pull_recogniser),
                _Pullable(ENGLISH, "which rules read it with", store.pull_language_pipeline),
            )


def _has(library: str) -> bool:
    return find_spec(library) is not None
