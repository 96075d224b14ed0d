"""`imagine-sound models pull`: what can be fetched, under which licence and how large it is; and fetching it."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from core import catalogue
from core.catalogue import KnownModel
from core.cli.arguments import ALL, MODELS
from core.errors import ModelMissing
from core.fetching import OfficialModel
from core.models import ModelStore
from core.official import ENGLISH, PICTURE_CHECK, PLAYGROUND, PLAYGROUND_MODEL, TAESDXL, TINY_DECODERS, UPSCALER, YAMNET
from core.options import PictureCheck
from core.settings import CoreSettings, Speech
from core.speech_models import require_speech


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
        print("What recognises speech is left out; `make speech` installs imagine-sound[speech], which it needs.")
    if not names and "playground" not in wanted:
        print("Playground v2.5 is left out: it does not paint here; `imagine-sound models pull playground` fetches it.")
    if not names and settings.image_model == "auto" and not on_gpu:
        print(_without_gpu(store))
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
    named = catalogue.named(settings.image_model)
    paints = settings.image_model == PLAYGROUND or (settings.image_model == "auto" and on_gpu)
    uses = {
        "yamnet": settings.yamnet_model is None,
        "playground": paints,
        "taesdxl": paints,
        "speech": settings.speech is not Speech.OFF and _has("faster_whisper"),
        "picture-check": settings.picture_check in (PictureCheck.SPOILER, PictureCheck.BLOCK),
        "upscaler": paints and settings.upscale_model is None and _has("spandrel"),
    }
    return [name for name in MODELS if uses.get(name) or (named is not None and named.short_name == name)]


def _without_gpu(store: ModelStore) -> str:
    """What paints pictures of 512 pixels where there is no GPU; whether it is wanted, its licence decides."""
    known = catalogue.catalogue()[catalogue.WITHOUT_GPU]
    try:
        store.known(known)
    except ModelMissing:
        return (
            f"{known.official.name} paints without a GPU ({known.official.licence}, {size_says(known.official)}); "
            f"`imagine-sound models pull {known.short_name}` fetches it, and `auto` paints with it then."
        )
    return f"{known.official.name} paints here; it was fetched before."


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
            return (_Pullable(TAESDXL, "for previews", partial(store.pull_into_cache, TAESDXL)),)
        case _ if known := catalogue.named(name):
            return _painter(known, store)
        case "picture-check":
            does = "which tells pictures that should not be shown"
            return (_Pullable(PICTURE_CHECK, does, partial(store.pull_into_cache, PICTURE_CHECK)),)
        case "upscaler":
            return (_Pullable(UPSCALER, "which enlarges pictures", store.pull_upscaler),)
        case _:
            return (
                _Pullable(store.speech.whisper, "which recognises speech", store.speech.pull_recogniser),
                _Pullable(ENGLISH, "which rules read it with", store.speech.pull_language_pipeline),
            )


def _painter(known: KnownModel, store: ModelStore) -> tuple[_Pullable, ...]:
    """A model of the catalogue, with what decodes its latents on a processor."""
    where = " or without one" if known.short_name == catalogue.WITHOUT_GPU else ""
    does = f"which paints with about {known.gigabytes:g} GB of a GPU{where}"
    painter = _Pullable(known.official, does, partial(store.pull_known, known))
    if not known.tiny_decoder:
        return (painter,)
    decoder = TINY_DECODERS[known.tiny_decoder]
    does = "which decodes its pictures on a processor"
    return painter, _Pullable(decoder, does, partial(store.pull_into_cache, decoder))


def _has(library: str) -> bool:
    return find_spec(library) is not None
