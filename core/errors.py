"""Each failure that a person can meet, with the sentence that the person is told.

`str(error)` is that sentence: what went wrong and what to do. The cause and the traceback go to the log.
This module knows nothing of who is told, or where.
"""


class ImagineSoundError(Exception):
    """Anything that a person is told about; every other exception is a fault of the program."""


class RecordingError(ImagineSoundError):
    """The recording cannot be heard; another recording may be."""


class NotAudio(RecordingError):
    """The bytes are no sound that ffmpeg knows, or are cut off before any sound."""


class NoSound(RecordingError):
    """A video or container without a sound track."""


class EmptyRecording(RecordingError):
    """A file of no bytes, or a sound of no samples."""


class RecordingTooLarge(RecordingError):
    """More bytes than the limit in the settings."""


class DecodingTimedOut(RecordingError):
    """ffmpeg did not finish within its wall-clock limit."""


class NothingHeard(RecordingError):
    """Nothing but silence: there is nothing to paint."""

    def __init__(self) -> None:
        super().__init__("There is nothing but silence in this recording, so there is nothing to paint.")


class WouldOverwrite(ImagineSoundError):
    """What is to be written would take the place of a file that is there."""


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


class OutOfMemory(PaintingError):
    """The picture does not fit into the device's memory."""


class Cancelled(PaintingError):
    """The request was cancelled before its picture was finished."""


class ShuttingDown(ImagineSoundError):
    """The engine takes no more requests, or gave this one up, because the program ends."""
