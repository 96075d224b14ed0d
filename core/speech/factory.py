"""What recognises and what writes scenes, as the settings say. The libraries load here, not before."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.errors import ModelError, ModelMissing
from core.models import ModelStore
from core.settings import CoreSettings, Speech
from core.speech.recognise import Recogniser

if TYPE_CHECKING:
    from core.speech.writer import SceneWriter

log = logging.getLogger(__name__)


def said_at_start(settings: CoreSettings, models: ModelStore) -> Iterator[str]:
    """What whoever runs a program that stays should know: what SPEECH=on lacks, and that words leave the machine."""
    from core.speech.served import is_local

    if settings.speech is Speech.ON:
        locators = [models.speech.recogniser, *([] if settings.scene_url else [models.speech.language_pipeline])]
        for locate in locators:
            try:
                locate()
            except ModelMissing as error:
                yield f"SPEECH is on, but {error}"
    if settings.speech is not Speech.OFF and settings.scene_url is not None and not is_local(settings.scene_url):
        yield "SCENE_URL is not in this network: what people say leaves this machine, and the privacy text says so"


def make_recogniser(settings: CoreSettings, models: ModelStore) -> Recogniser:
    """Whisper, loaded. Raises ModelError."""
    from core.speech.whisper import load_whisper, threads_beside_painter

    return load_whisper(models.speech.recogniser().path, threads=threads_beside_painter(settings.device))


def make_writer(settings: CoreSettings, models: ModelStore) -> "SceneWriter":
    """The endpoint that the settings name, and the rules where their pipeline is here."""
    from core.speech.said import load_rules
    from core.speech.served import ServedWriter
    from core.speech.writer import SceneWriter

    served = None
    if settings.scene_url and settings.scene_model:
        served = ServedWriter(settings.scene_url, settings.scene_model, settings.scene_key)
    try:
        rules = load_rules(models.speech.language_pipeline().path).write
    except ModelError as error:
        log.warning("no rules tell what is said: %s", error)
        return SceneWriter(rules=None, served=served)
    return SceneWriter(rules=rules, served=served)
