"""`imagine-sound doctor` on speech: whether it can be recognised here, and what finds the scene in it."""

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from core.errors import ModelError, ModelMissing, ModelUnusable
from core.findings import Finding, Mark
from core.hearing.sound import SAMPLE_RATE
from core.located import LocatedModel, Origin
from core.log_lines import one_line
from core.models import ModelStore
from core.settings import CoreSettings, Speech

if TYPE_CHECKING:
    from core.speech.recognise import Recogniser


def speech(settings: CoreSettings, store: ModelStore) -> str | Finding:
    """What recognises speech and what reads it. With SPEECH=on, what is missing is wrong; what is there and unusable
    always is. Raises ModelError.
    """
    if settings.speech is Speech.OFF:
        return "not recognised: SPEECH is off"
    try:
        recogniser = store.speech.recogniser()
        rules = None if settings.scene_url else store.speech.language_pipeline()
    except ModelMissing as error:
        if settings.speech is Speech.ON:
            raise
        return Finding(Mark.BETTER, f"not recognised: {error}")
    from core.speech.said import load_rules
    from core.speech.whisper import threads_beside_painter

    threads = threads_beside_painter(settings.device)
    whisper = _tried(recogniser, threads)
    if rules is not None:
        load_rules(rules.path)
    says = f"{recogniser.name} ({recogniser.origin}) on {threads} thread{'s' if threads > 1 else ''}"
    if not whisper.translates and settings.scene_url is None:
        says += "; it cannot translate, so that nothing but English is understood"
    elif recogniser.name in ("Whisper base", "Whisper tiny"):
        says += "; it understands little but English (SPEECH_MODEL=small does)"
    return says


def _tried(recogniser: LocatedModel, threads: int) -> "Recogniser":
    """The recogniser, after a second of silence: where files do not belong together it may load and not work.

    Raises ModelError.
    """
    from core.speech.whisper import load_whisper

    try:
        whisper = load_whisper(recogniser.path, threads=threads)
        list(whisper.recognise(np.zeros(SAMPLE_RATE, np.float32)).segments)
    except ModelError:
        raise
    except Exception as error:  # of a damaged tokenizer.json its library says nothing more precise
        cure = "set SPEECH_MODEL to another directory, or to a size"
        if recogniser.origin is Origin.CACHE:
            cure = "remove it and run `imagine-sound models pull speech`"
        raise ModelUnusable(
            f"The recogniser in {recogniser.path} does not work ({one_line(str(error))}); {cure}."
        ) from error
    return whisper


def scene(settings: CoreSettings) -> str:
    """How the language model answers, and where the words go. Raises ModelError, WrongSetting."""
    from core.speech.served import ServedWriter

    async def ask() -> str:
        served = ServedWriter(settings.scene_url or "", settings.scene_model or "", settings.scene_key)
        try:
            return await served.check()
        finally:
            await served.close()

    return asyncio.run(ask())
