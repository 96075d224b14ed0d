"""A film's title and its scenes as chapters, in ffmpeg's own text format for metadata (ffmetadata).

It knows nothing of pictures.
"""

from collections.abc import Sequence

from core.stories.camera import Shot

_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\=;#"})


def as_ffmetadata(title: str, shots: Sequence[Shot]) -> str:
    """The text: see "Metadata" in ffmpeg's manual of formats. Times are in milliseconds."""
    lines = [";FFMETADATA1", f"title={_value(title)}"]
    for shot in shots:
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={round(shot.begins_s * 1000)}"]
        lines += [f"END={round(shot.ends_s * 1000)}", f"title={_value(shot.title)}"]
    return "\n".join([*lines, ""])


def _value(text: str) -> str:
    """One line, without what cannot be printed, and with the format's own marks escaped."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line.translate(_MARKS)
