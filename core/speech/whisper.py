"""Whisper, by faster-whisper, which is an extra. It knows a directory with a model, not how that came there."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelMissing, ModelUnusable
from core.hearing.audio import Samples
from core.speech.recognise import Recognition, Segment, Task

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

TEMPERATURES = (0.0, 0.4)
"""The second is tried where the first makes little sense; the library's six take three times as long on noise."""
BEAMS = 5
"""3 to 12 % dearer than one, with base."""
CANNOT_TRANSLATE = ("turbo", "distil", ".en")
"""Parts of the names of Whisper's models that write down each language as it is, or know but one."""


def load_whisper(directory: Path, *, threads: int) -> "Whisper":
    """The model in `directory`, in 8 bits on `threads` threads of the processor.

    Raises ModelMissing without the extra, ModelUnusable for what is no such model.
    """
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise ModelMissing(
            "Speech cannot be recognised without the extra `speech`: `make speech` installs imagine-sound[speech], "
            "SPEECH=off does without."
        ) from error
    logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # it tells of each recording
    try:
        model = WhisperModel(
            str(directory), device="cpu", compute_type="int8", cpu_threads=threads, local_files_only=True
        )
    except Exception as error:  # of a damaged tokenizer.json its library says nothing more precise
        raise ModelUnusable(
            f"The recogniser in {directory} cannot be loaded; run `imagine-sound models pull speech`, or set "
            "SPEECH_MODEL to the directory of a Whisper model for CTranslate2."
        ) from error
    return Whisper(model, translates=translates(directory.name) and bool(model.model.is_multilingual))


def translates(name: str) -> bool:
    """Whether the model of this name can write down other languages in English."""
    return not any(part in name.lower() for part in CANNOT_TRANSLATE)


def threads_beside_painter(device: str) -> int:
    """How many threads recognition takes: one beside a painter on the processor, else half of the cores.

    `device` is where the painter paints, as the settings say.
    """
    return max(1, (os.cpu_count() or 1) // 2) if device != "cpu" and has_gpu() else 1


def has_gpu() -> bool:
    """Whether there is a CUDA GPU here, as far as the recogniser's library knows; False without it."""
    try:
        from ctranslate2 import get_cuda_device_count
    except ImportError:
        return False
    return int(get_cuda_device_count()) > 0


class Whisper:
    """faster-whisper's model behind the protocol."""

    def __init__(self, model: "WhisperModel", *, translates: bool) -> None:
        self._model = model
        self._translates = translates

    @property
    def translates(self) -> bool:
        """See Recogniser."""
        return self._translates

    def recognise(self, samples: Samples, *, language: str = "", task: Task = Task.TRANSCRIBE) -> Recognition:
        """See Recogniser. Each stretch is recognised by itself, so that one invention does not lead to the next."""
        segments, info = self._model.transcribe(
            samples,
            language=language or None,
            task=task.value,
            vad_filter=True,
            condition_on_previous_text=False,
            beam_size=BEAMS,
            temperature=TEMPERATURES,
        )

        def told() -> Iterator[Segment]:
            for segment in segments:
                yield Segment(
                    text=segment.text.strip(),
                    start_s=segment.start,
                    end_s=segment.end,
                    log_probability=segment.avg_logprob,
                    no_speech=segment.no_speech_prob,
                    compression=segment.compression_ratio,
                )

        return Recognition(told(), info.language, info.language_probability)
