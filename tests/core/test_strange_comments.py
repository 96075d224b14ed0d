"""The EXIF of a stranger's WebP or JPEG is read or refused with one sentence, cheaply."""

import io
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import InvalidOptions
from core.pictures import KEY, read_recipe
from core.prompting.prompt import Prompt
from core.provenance.bounds import MOST_BYTES, MOST_CHUNKS
from core.provenance.exif_text import exif_with
from core.recipe import Recipe, from_json, to_ascii_json, to_json
from tests.core.test_strange_recipes import painted_by_the_command

GOOD = Recipe(Prompt("a dog\nand a cat", "text"), 7, 4, 3.0, (256, 128), "model", "1", None, ("Dog (0.90)",))
TEXT = to_ascii_json(GOOD).encode()


def block(comment: bytes, order: str = "<") -> bytes:
    """An EXIF block by hand: a directory that points to another one, which has the comment."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    first = struct.pack(f"{order}IH HHII I", 8, 1, 0x8769, 4, 1, 26, 0)
    second = struct.pack(f"{order}H HHII I", 1, 0x9286, 7, len(comment), 44, 0)
    return start + first + second + comment


def comment(text: bytes = TEXT) -> bytes:
    return b"ASCII\0\0\0" + KEY.encode() + b":" + text


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def webp(*chunks: bytes) -> bytes:
    content = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def jpeg(*segments: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xda\0\x02pixels\xff\xd9"


def exif(content: bytes) -> bytes:
    return segment(0xE1, b"Exif\0\0" + content)


def read(data: bytes) -> Recipe:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "picture")
        path.write_bytes(data)
        return read_recipe(path)


def saved(kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (16, 16)).save(out, kind, exif=exif_with(KEY, to_ascii_json(GOOD)), **options)
    return out.getvalue()


XMP = b"http://ns.adobe.com/xap/1.0/\0<x/>"
ODD = block(comment(TEXT + b" " * (1 - len(block(comment())) % 2)))
MANY_FIELDS = b"II*\0" + struct.pack("<IH", 8, 5000) + struct.pack("<HHII", 0x10E, 7, 60_000, 8) * 5000

HOSTILE = {
    "a WebP without chunks": webp(),
    "a WebP that is cut off": webp(chunk(b"EXIF", block(comment())))[:-20],
    "a WebP that says it is longer": b"RIFF" + struct.pack("<I", 10_000) + b"WEBP" + chunk(b"VP8 ", b"pixels"),
    "a WebP that says it is shorter": b"RIFF" + struct.pack("<I", 20) + b"WEBP" + chunk(b"EXIF", block(comment())),
    "a WebP that says it has nothing": b"RIFF\0\0\0\0WEBP" + chunk(b"EXIF", block(comment())),
    "another RIFF": b"RIFF" + struct.pack("<I", 40) + b"WAVE" + chunk(b"EXIF", block(comment())),
    "a chunk longer than the file": webp(b"VP8 " + struct.pack("<I", 0xFFFFFFFF)),
    "an EXIF longer than the file": webp(b"EXIF" + struct.pack("<I", 0xFFFFFFFF) + block(comment())),
    "an EXIF of 64 megabytes": webp(chunk(b"EXIF", block(comment(TEXT + b" " * (64 << 20))))),
    "an EXIF a little too long": webp(chunk(b"EXIF", block(comment(TEXT + b" " * MOST_BYTES)))),
    "many chunks": webp(chunk(b"EXIF", block(b"ASCII\0\0\0")) * (MOST_CHUNKS + 1)),
    "a JPEG without segments": jpeg(),
    "a JPEG that is cut off": b"\xff\xd8\xff",
    "a JPEG cut off in its EXIF": jpeg(exif(block(comment())))[:80],
    "a segment of less than nothing": b"\xff\xd8\xff\xe1\0\0" + b"Exif\0\0" + block(comment()),
    "a segment of more than the file": b"\xff\xd8\xff\xe1\xff\xffExif\0\0" + block(comment()),
    "bytes between the segments": jpeg(b"\0\0\0\0", exif(block(comment()))),
    "many segments": jpeg(segment(0xFE, b"") * (MOST_CHUNKS + 1)),
    "many filling bytes": b"\xff\xd8" + b"\xff" * (2 * MOST_CHUNKS),
    "no order of bytes": jpeg(exif(b"XX*\0" + block(comment())[4:])),
    "an empty EXIF": jpeg(exif(b"")),
    "a directory beyond the end": jpeg(exif(b"II*\0" + struct.pack("<I", 0xFFFFFFF0))),
    "a directory of too many fields": jpeg(exif(b"II*\0" + struct.pack("<IH", 8, 0xFFFF))),
    "thousands of fields in one place": jpeg(exif(MANY_FIELDS)),
    "a directory in itself": jpeg(exif(b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x8769, 4, 1, 8, 0))),
    "a comment beyond the end": jpeg(exif(block(comment())[:-10])),
    "a comment of gigabytes": jpeg(exif(block(comment()).replace(struct.pack("<I", len(comment())), b"\xff" * 4))),
    "a comment of one letter": jpeg(exif(block(b"a"))),
    "another program's comment": jpeg(exif(block(b"ASCII\0\0\0a dog"))),
    "a comment in other letters": jpeg(exif(block(comment("{“}".encode())))),
    "a comment that is no recipe": jpeg(exif(block(comment(b"[]")))),
    "escape codes in the prompt": jpeg(exif(block(comment(TEXT.replace(b"a dog", b"\\u001b[31m"))))),
    "turned letters in the prompt": webp(chunk(b"EXIF", block(comment(TEXT.replace(b"a dog", b"\\u202e"))))),
    "a raw escape code": jpeg(exif(block(comment(TEXT.replace(b"a dog", b"\x1b[2J"))))),
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_strange_comment_is_refused_with_one_sentence(kind: str) -> None:
    with pytest.raises(InvalidOptions) as told:
        read(HOSTILE[kind])

    assert len(str(told.value)) < 300
    assert str(told.value).isprintable()


OTHERS = {
    "Pillow's WebP": saved("WEBP"),
    "Pillow's lossless WebP": saved("WEBP", lossless=True),
    "Pillow's JPEG": saved("JPEG"),
    "Pillow's progressive JPEG": saved("JPEG", progressive=True),
    "the other order of bytes": jpeg(exif(block(comment(), ">"))),
    "filling bytes and restarts": jpeg(b"\xff\xff\xff\xd0", b"\xff", exif(block(comment()))),
    "behind other segments": jpeg(segment(0xE0, b"JFIF\0"), segment(0xE1, XMP), exif(block(comment()))),
    "behind another block": jpeg(exif(block(b"ASCII\0\0\0a dog")), exif(block(comment()))),
    "closed with zeros": jpeg(exif(block(comment() + b"\0\0"))),
    "with JPEG's own start in a WebP": webp(chunk(b"EXIF", b"Exif\0\0" + block(comment()))),
    "behind the pixels": webp(chunk(b"VP8 ", b"odd"), chunk(b"EXIF", block(comment()))),
    "without the last chunk's padding": webp(chunk(b"VP8 ", b""), chunk(b"EXIF", ODD)[:-1]),
}  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_however_it_was_written_it_is_read(kind: str) -> None:
    assert read(OTHERS[kind]) == GOOD


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A good file in which bytes were changed, left out or put in."""
    data = bytearray(draw(st.sampled_from(sorted(OTHERS.values()))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data)


@settings(max_examples=300, deadline=None)
@given(
    mutants()
    | st.binary(max_size=200).map(lambda data: jpeg(exif(data)))
    | st.binary(max_size=200).map(lambda data: b"\xff\xd8" + data)
    | st.binary(max_size=200).map(lambda data: jpeg(exif(b"II*\0\x08\0\0\0" + data)))
    | st.binary(max_size=200).map(webp)
)
def test_whatever_the_file_is_there_is_a_recipe_or_the_one_error(data: bytes) -> None:
    with suppress(InvalidOptions):
        recipe = read(data)
        assert from_json(to_json(recipe)) == recipe


@pytest.mark.parametrize("kind", ["an EXIF of 64 megabytes", "thousands of fields in one place", "many chunks"])
def test_the_command_refuses_it_with_little_memory(kind: str, tmp_path: Path) -> None:
    (tmp_path / "strange.webp").write_bytes(HOSTILE[kind])

    done, peak = painted_by_the_command("strange.webp", tmp_path)

    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert peak < 150_000
