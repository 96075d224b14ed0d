"""`imagine-sound doctor` on speech: whether it can be recognised here, and what finds the scene in it."""

import asyncio

from core.errors import ModelMissing
from core.models import ModelStore
from core.settings import CoreSettings, Speech


def speech(settings: CoreSettings, store: ModelStore) -> str:
    """What recognises speech and what reads it. With SPEECH=on, what is missing is wrong; what is there and unusable
    always is. Raises ModelError.
    """
    if settings.speech is Speech.OFF:
        return "not recognised: SPEECH is off"
    try:
        recogniser = store.recogniser()
        rules = None if settings.scene_url else store.language_pipeline()
    except ModelMissing as error:
        if settings.speech is Speech.ON:
            raise
        return f"not recognised: {error}"
    from core.speech.said import load_rules
    from core.speech.whisper import load_whisper, threads_beside_painter

    threads = threads_beside_painter(settings.device)
    whisper = load_whisper(recogniser.path, threads=threads)
    if rules is not None:
        load_rules(rules.path)
    says = f"{recogniser.name} ({recogniser.origin}) on {threads} thread{'s' if threads > 1 else ''}"
    if not whisper.translates and settings.scene_url is None:
        says += "; it cannot translate, so that nothing but English is understood"
    elif recogniser.name in ("Whisper base", "Whisper tiny"):
        says += "; it understands little but English (SPEECH_MODEL=small does)"
    return says


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
