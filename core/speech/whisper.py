"""Whisper, by faster-whisper, which is an extra; its model is fetched into the model cache when first used."""

from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelMissing
from core.hearing.audio import Clip
from core.speech.recognise import Recognised, Recogniser, Segment

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

MODEL = "base"
"""Whisper's 74 M parameter model: about real time on one processor core, in 99 languages (Radford et al. 2022)."""
TEMPERATURES = (0.0, 0.4)
"""The second is tried where the first makes little sense; the library's six take three times as long on noise."""
BEAMS = 5


def load_recogniser(model_cache: Path, *, may_download: bool) -> Recogniser:
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
    return Whisper(model)


class Whisper:
    """faster-whisper's model behind the protocol."""

    def __init__(self, model: "WhisperModel") -> None:
        self._model = model

    def recognise(self, clip: Clip) -> Recognised:
        """See Recogniser. Each stretch is recognised by itself, so that one invention does not lead to the next."""
        segments, info = self._model.transcribe(
            clip.samples,
            vad_filter=True,
            condition_on_previous_text=False,
            beam_size=BEAMS,
            temperature=TEMPERATURES,
        )
        found = tuple(
            Segment(
                text=segment.text.strip(),
                start_s=segment.start,
                end_s=segment.end,
                log_probability=segment.avg_logprob,
                no_speech=segment.no_speech_prob,
                compression=segment.compression_ratio,
            )
            for segment in segments
        )
        return Recognised(found, info.language, info.language_probability)
