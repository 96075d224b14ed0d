"""The pictures of a job as files: encoded as large as Discord takes them, kept until they are shown, and read back.

It knows neither the store nor Discord. Everything here blocks: run it in a thread.
"""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.storage.records import Outcome
from core.checker import COVERED
from core.errors import PaintingError
from core.generation.protocol import Picture
from core.hearing.palette import Palette, palette_of
from core.pictures import PictureFile, encode_picture, read_image
from core.provenance.manifest import Sign, unsigned

SEVERAL = "zip"
"""The ending of a file that holds more than one picture."""


class PictureGone(PaintingError):
    """Discord does not hand out a picture that it showed."""

    sentence = "I could not fetch this picture from Discord; it may have been removed."


@dataclass(frozen=True)
class Encoded:
    """Pictures that were painted together, a file of each, and the colours of the first."""

    pictures: tuple[Picture, ...]
    files: tuple[PictureFile, ...]
    palette: Palette

    @property
    def outcome(self) -> Outcome:
        """What is written down of them."""
        first, *others = self.pictures
        is_covered = COVERED not in first.notes and any(COVERED in picture.notes for picture in others)
        notes = (*first.notes, COVERED) if is_covered else first.notes
        recipes = tuple(picture.recipe for picture in others)
        return Outcome(first.recipe, first.seconds, first.is_miniature, notes, self.palette, recipes)


def encode(pictures: Sequence[Picture], most_bytes: int, sign: Sign = unsigned) -> Encoded:
    """`pictures`, each in the best file of at most `most_bytes`."""
    files = tuple(encode_picture(picture, most_bytes, sign) for picture in pictures)
    return Encoded(tuple(pictures), files, palette_of(pictures[0].image))


def halved(encoded: Encoded, sign: Sign) -> Encoded:
    """The same in files of half as many bytes."""
    pairs = zip(encoded.pictures, encoded.files, strict=True)
    return replace(encoded, files=tuple(encode_picture(picture, len(file.data) // 2, sign) for picture, file in pairs))


def packed(encoded: Encoded) -> PictureFile:
    """All of it as one file."""
    if len(encoded.files) == 1:
        return encoded.files[0]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # pictures are as small as they get
        for number, file in enumerate(encoded.files):
            archive.writestr(f"{number}.{file.ending}", file.data)
    return PictureFile(buffer.getvalue(), SEVERAL)


def unpacked(outcome: Outcome, file: PictureFile) -> Encoded:
    """What was packed into `file`, of which `outcome` was written down."""
    files = _files_in(file)
    images = [read_image(each.data) for each in files]
    pictures = tuple(
        Picture(image, recipe, outcome.seconds, outcome.is_miniature, outcome.notes)
        for image, recipe in zip(images, outcome.recipes, strict=True)
    )
    palette = outcome.palette or palette_of(images[0])  # an older version kept none
    return Encoded(pictures, files, palette)


def _files_in(file: PictureFile) -> tuple[PictureFile, ...]:
    if file.ending != SEVERAL:
        return (file,)
    with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
        return tuple(PictureFile(archive.read(name), name.rpartition(".")[2]) for name in archive.namelist())
