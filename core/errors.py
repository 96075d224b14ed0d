"""Each failure that a person can meet, with the sentence that the person is told, and the exit codes.

`str(error)` is that sentence in English: what went wrong and what to do. `error.values` fill the places of the same
sentence in other languages. The cause and the traceback go to the log. This module knows nothing of who is told, or
where.
"""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a program of this project ends with."""

    DONE = 0
    FAULT = 1
    """A fault of the program, or the network."""
    BAD_INPUT = 2
    """Bad input or settings: the person can mend it."""
    ENDED_BY_GUARD = 3
    """The guard ended a training; an adapter that it had judged before may have been kept."""
    RESTART = 75
    """It cannot go on, but would after a new start: the supervisor is to start it again."""
    INTERRUPTED = 130


class ImagineSoundError(Exception):
    """Anything that a person is told about; every other exception is a fault of the program.

    Either the class has one `sentence`, whose places `values` fill, or whoever raises it gives a whole one.
    """

    sentence: ClassVar[str] = "That did not work; please try again."

    def __init__(self, sentence: str | None = None, **values: str | int | float) -> None:
        super().__init__(self.sentence.format(**values) if sentence is None else sentence)
        self.values = values
        self.has_own_sentence = sentence is None
        """Whether it says the sentence of its class, and not one that was made for it."""


class WrongSetting(ImagineSoundError):
    """A setting in the environment, in `.env` or on the command line has no valid value."""


class KeyUnusable(WrongSetting):
    """The key for marked pictures is there and cannot be used; the log says why."""

    sentence = (
        "I cannot read the key that my pictures are marked with, so that I cannot tell; whoever runs me finds the "
        "reason in the log."
    )


class WouldOverwrite(ImagineSoundError):
    """What is to be written would take the place of a file that is there."""


class RecordingError(ImagineSoundError):
    """The recording cannot be heard; another recording may be."""


class NotAudio(RecordingError):
    """The bytes are no sound that ffmpeg knows, or are cut off before any sound."""

    sentence = "This is not a recording that I can read; please send an audio file such as mp3, ogg or wav."


class RecordingRefused(NotAudio):
    """Reading it took more than any recording needs, and what read it was ended.

    `limit` is which of the reader's limits was met, `container` what kind of file it was taken for (maybe ""), `size`
    its bytes.
    """

    sentence = "This file asks for more memory than any recording needs; please send it as mp3 or ogg."

    def __init__(self, limit: str, container: str, size: int) -> None:
        super().__init__()
        self.limit = limit
        self.container = container
        self.size = size


class NoSound(RecordingError):
    """A video or container without a sound track."""

    sentence = "There is no sound track in this file; please send one with sound."


class EmptyRecording(RecordingError):
    """A file of no bytes, or a sound of no samples."""

    sentence = "There is no sound in this recording, it is empty; please send one with sound in it."


class RecordingTooLarge(RecordingError):
    """More bytes than the limit in the settings."""

    sentence = (
        "This recording has {size_mb} MB, more than the {limit_mb} MB that I take; please send a shorter or more "
        "compressed one."
    )

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(size_mb=f"{size_bytes / 1e6:.1f}", limit_mb=f"{limit_bytes / 1e6:g}")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes


class RecordingTooLong(RecordingError):
    """More sound than is converted, where all of it is wanted."""

    sentence = "This recording is longer than the {limit_s} seconds that I convert; please send a shorter one."

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s=f"{limit_s:g}")


class DecodingTimedOut(RecordingError):
    """ffmpeg did not finish within its wall-clock limit."""

    sentence = "This recording could not be decoded within {limit_s} seconds; please send it as mp3 or ogg."

    def __init__(self, limit_s: float) -> None:
        super().__init__(limit_s=f"{limit_s:g}")


class NothingHeard(RecordingError):
    """Nothing but silence: there is nothing to paint."""

    sentence = "There is nothing but silence in this recording, so there is nothing to paint."


class HearingStopped(ImagineSoundError):
    """Nobody wants to know any more what is in the recording, so that it was not read to its end."""

    sentence = "I stopped listening to this recording; please send it again."


class DecoderUnusable(ImagineSoundError):
    """ffmpeg does not start, and `why`; whoever runs the program can mend it."""

    sentence = (
        "ffmpeg, which reads the recordings, does not start here ({why}); install ffmpeg 6.1 or newer and set "
        "IMAGEIO_FFMPEG_EXE to its path."
    )

    def __init__(self, why: str) -> None:
        super().__init__(why=why)


class ModelError(ImagineSoundError):
    """A model is missing or cannot be used; whoever runs the program can mend it."""


class ModelMissing(ModelError):
    """No file for a model where the settings point, in the cache, by download or in the package."""


class ModelUnusable(ModelError):
    """The file or directory is there but is no such model."""


class DownloadFailed(ModelError):
    """A model could not be fetched: no network, no disk space, or the wrong hash."""


class PaintingError(ImagineSoundError):
    """The picture could not be painted."""


class InvalidOptions(PaintingError):
    """Steps, guidance, size, seed or prompt out of range."""


class NoPicture(InvalidOptions):
    """The bytes are no picture of a known kind, or are cut off."""

    sentence = "This is not a picture that I can read, or a damaged one; please choose another."


class PictureTooLarge(InvalidOptions):
    """More pixels than are decoded."""

    sentence = (
        "This picture is too large ({width}x{height} pixels, at most {most_million} million); please make it smaller."
    )


class PictureFileTooLarge(InvalidOptions):
    """More bytes than the limit in the settings."""

    sentence = (
        "This picture has {size_mb} MB, more than the {limit_mb} MB that I take; please make it smaller, or save it as "
        "a JPEG."
    )

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(size_mb=f"{size_bytes / 1e6:.1f}", limit_mb=f"{limit_bytes / 1e6:g}")


class NotInspectedInTime(PaintingError):
    """A picture was not looked at within the limit: others were painted for, or the model was being loaded."""

    sentence = "I could not look at this picture within {seconds} seconds; please try again in a few minutes."


class TooManyInspections(PaintingError):
    """Other pictures are still to be looked at."""

    sentence = "I am still looking at other pictures; please try again in a minute."


class WordsRefused(PaintingError):
    """A word that is not to be painted here. The sentence does not repeat it."""

    sentence = "There is a word among these that is not painted here; please choose others."


class PictureBlocked(PaintingError):
    """The picture check takes the picture for one that should not be shown."""

    sentence = "What came of this is not shown here; please try another sound or other words."


class PictureUnchecked(PaintingError):
    """The picture check did not look at the picture in time."""

    sentence = "This picture could not be checked in time, so that it is not shown; please try again."


class OutOfMemory(PaintingError):
    """The picture does not fit into the device's memory."""

    sentence = "This picture does not fit into the graphics card's memory; please ask for a smaller one."


class UpscalingStalled(PaintingError):
    """Enlarging hangs, and was given up. The painter goes on; the next picture is enlarged by a new thread."""

    sentence = "Enlarging this picture took too long and was given up; please try again."


class StoryError(ImagineSoundError):
    """The pictures are painted, and no film comes of them."""


class FilmFailed(StoryError):
    """The encoder ended with an error, or took too long."""

    sentence = "The film could not be made of these pictures and this sound; please try again."


class FilmTooLarge(StoryError):
    """Even at the lowest quality worth seeing, the film is larger than it may be."""

    sentence = "The film does not fit into {megabytes} MB; please take a shorter recording."

    def __init__(self, megabytes: float) -> None:
        super().__init__(megabytes=f"{megabytes:g}")


class NoSpaceForFilm(StoryError):
    """The disk is full."""

    sentence = "There is no space left for the film; please try again later."


class Cancelled(PaintingError):
    """The request was cancelled before its picture was finished."""

    sentence = "This picture was cancelled."


class PainterLost(ImagineSoundError):
    """The painter hangs, has died, or its device works no more; only a new start of the program mends that.

    It is no fault of the request, which can be painted after the start.
    """

    sentence = "The painter has stopped working and has to be started again; please try again in a few minutes."


class ShuttingDown(ImagineSoundError):
    """The engine takes no more requests, or gave this one up, because the program ends."""


class FinetuningError(ImagineSoundError):
    """A fine-tuning or an evaluation cannot go on."""


class UnusableData(FinetuningError):
    """The folder holds no captioned images, or too few good ones."""


class UnusableBase(FinetuningError):
    """The base model cannot be loaded, or is of a kind that this trainer does not know."""


class ObjectiveMismatch(FinetuningError):
    """Scheduler, VAE and objective do not belong together; training would end in noise."""


class BaseChanged(FinetuningError):
    """The base model answers otherwise than before, though only the adapter may change."""


class NoLearning(FinetuningError):
    """Steps cannot be taken any more, so nothing would be learnt."""


class AdapterRefused(FinetuningError):
    """What was written does not paint what was judged, or paints no pictures."""


class InvalidHyperparameters(FinetuningError):
    """A hyperparameter is out of range, or its library is not installed."""


class CannotResume(FinetuningError):
    """There is no checkpoint, or it belongs to a run with other settings."""


class PlaceInUse(FinetuningError):
    """Another run works in the same folder."""


class DiskFull(FinetuningError):
    """There is no room on the disk for a run's checkpoints, or for its adapter."""


class OutOfTrainingMemory(FinetuningError):
    """The device's memory does not hold the model, its gradients and the batch."""


class EvaluationError(FinetuningError):
    """The hand evaluation lacks its model file or its images."""
