"""XMP in MP4: a box of its own after all others, so that nothing in the file moves (XMP specification part 3, MPEG-4).

It knows nothing of what the packet says, nor of films.
"""

import os
import struct
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

XMP_BOX = UUID("be7acfcb-97a9-42e8-9c71-999491e3afac")
"""The box's own type (the same section)."""
_MOST_BOXES = 1000


class NoMp4(ValueError):
    """The file is no MP4, or not a whole one."""


def append_xmp(file: Path, packet: str) -> None:
    """Write an XMP packet to the end of an MP4. Raises NoMp4, and OSError where it cannot be written."""
    with file.open("r+b") as mp4:
        kinds = _boxes(mp4)
        if not {b"ftyp", b"moov", b"mdat"} <= set(kinds):
            raise NoMp4(f"only {kinds}")
        content = XMP_BOX.bytes + packet.encode()
        mp4.seek(0, os.SEEK_END)
        mp4.write(struct.pack(">I4s", 8 + len(content), b"uuid") + content)


def _boxes(mp4: BinaryIO) -> list[bytes]:
    """The kinds of the outermost boxes (ISO/IEC 14496-12, 4.2), which have to end where the file ends."""
    end = mp4.seek(0, os.SEEK_END)
    kinds: list[bytes] = []
    at = 0
    while at < end:
        mp4.seek(at)
        head = mp4.read(16)
        if len(head) < 8 or len(kinds) >= _MOST_BOXES:
            raise NoMp4(f"no box at byte {at}")
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            size = struct.unpack_from(">Q", head, 8)[0]
        if not 8 <= size <= end - at:
            raise NoMp4(f"{kind!r} at byte {at} has {size} bytes")
        kinds.append(kind)
        at += size
    return kinds
