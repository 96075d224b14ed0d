"""The words that are spoken in a clip, where the settings ask for them (TRANSCRIBE, off by default).

faster-whisper does the recognising; it is an extra and its model is fetched into the model cache when first used. The
words go into the prompt and to the person who asked, and into no log.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.errors import ModelMissing
from core.hearing.audio import Clip

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

MODEL = "base"
"""Whisper's 74 M parameter model: about real time on one processor core, in 99 languages (Radford et al. 2022)."""


class Transcriber(Protocol):
    """Recognises speech."""

    def transcribe(self, clip: Clip) -> str:
        """The words in `clip`, empty if there are none. Blocks for as long as it takes."""
        ...


def load_transcriber(model_cache: Path, *, may_download: bool) -> Transcriber:
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
            download_root=str(model_cache / "whisper"),
            local_files_only=not may_download,
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
