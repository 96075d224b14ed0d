"""XMP comes to the end of an MP4, where nothing else moves; what is no MP4 stays as it is."""

import struct
from pathlib import Path
from xml.etree import ElementTree

import pytest

from core.provenance.mp4_xmp import XMP_BOX, NoMp4, append_xmp
from core.provenance.xmp import MADE_BY_A_MODEL, TRAINED_MEDIA, made_by

IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"


def box(kind: bytes, content: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def large_box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, kind, 16 + len(content)) + content


MP4 = box(b"ftyp", b"isom") + box(b"moov", b"x") + large_box(b"mdat", bytes(100))


def test_the_packet_is_a_box_after_all_others(tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(MP4)
    append_xmp(file, "packet")
    assert file.read_bytes() == MP4 + box(b"uuid", XMP_BOX.bytes + b"packet")


@pytest.mark.parametrize(
    "data",
    [b"", b"no film at all", MP4[:-1], MP4 + b"x", box(b"ftyp") + box(b"moov"), MP4 + struct.pack(">I4s", 0, b"free"),
     MP4 + struct.pack(">I4s", 7, b"free"), MP4 + struct.pack(">I4s", 1, b"free"), box(b"free") * 2000 + MP4],
)  # fmt: skip
def test_what_is_no_whole_mp4_stays_as_it_is(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "film.mp4"
    file.write_bytes(data)
    with pytest.raises(NoMp4):
        append_xmp(file, "packet")
    assert file.read_bytes() == data


@pytest.mark.parametrize("name", ["some/model", "a \"model\" <b> & 'more' \x00\n\ud800 ä 犬"])
def test_the_packet_names_the_model_whatever_its_name(name: str) -> None:
    packet = made_by(name, "imagine-sound 1")
    [description] = ElementTree.fromstring(packet.encode()).iter(
        "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description"
    )
    assert description.get(f"{IPTC}DigitalSourceType") == TRAINED_MEDIA
    assert description.get(f"{IPTC}AISystemUsed") == "".join(letter for letter in name if letter.isprintable())
    assert description.get("{http://ns.adobe.com/xap/1.0/}CreatorTool") == "imagine-sound 1"
    assert f'DigitalSourceType="{TRAINED_MEDIA}"' in MADE_BY_A_MODEL
