"""The words that are spoken in a clip, where the settings ask for them (TRANSCRIBE, off by default).

faster-whisper does the recognising; it is an extra and its model is fetched into the model cache when first used. The
words go into the prompt and to the person who asked, and into no log.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from core.errors import ModelMissing
from core.hearing.audio import Clip
from core.hearing.categories import TopCategory
from core.prompting.phrasebook import load_phrasebook
from core.settings import CoreSettings

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

MODEL = "base"
"""Whisper's 74 M parameter model: about real time on one processor core, in 99 languages (Radford et al. 2022)."""

SPOKEN_FROM = 0.3
"""The prominence of speech from which there is something to recognise; music with a little talk gives nonsense."""


class Transcriber(Protocol):
    """Recognises speech."""

    def transcribe(self, clip: Clip) -> str:
        """The words in `clip`, empty if there are none. Blocks for as long as it takes."""
        ...


def is_spoken(top: Sequence[TopCategory]) -> bool:
    """Whether the recording holds enough speech to be recognised."""
    book = load_phrasebook()
    return any(
        category.prominence >= SPOKEN_FROM
        for category in top
        if category.name in book and book.is_kind_of(category.name, "Speech")
    )


def load_transcriber(settings: CoreSettings) -> Transcriber:
    """faster-whisper with its model. Raises ModelMissing if the extra is not installed or the model not to be had."""
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise ModelMissing(
            "TRANSCRIBE is on but the speech recogniser is not installed; pip install 'imagine-sound[transcribe]', or "
            "turn TRANSCRIBE off."
        ) from error
    try:
        model = WhisperModel(
            MODEL,
            compute_type="int8",
            download_root=str(settings.model_cache / "whisper"),
            local_files_only=not settings.download_models,
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise ModelMissing(
            "TRANSCRIBE is on but its model is neither here nor could it be fetched; check the network, or turn "
            "TRANSCRIBE off."
        ) from error
    return _Whisper(model)


class _Whisper:
    """faster-whisper's model behind the protocol."""

    def __init__(self, model: "WhisperModel") -> None:
        self._model = model

    def transcribe(self, clip: Clip) -> str:
        segments, _ = self._model.transcribe(clip.samples, vad_filter=True, condition_on_previous_text=False)
        return " ".join(segment.text.strip() for segment in segments)
