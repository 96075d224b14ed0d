"""A stranger's recipe is read or refused with one sentence, cheaply, and nothing of it reaches a terminal raw."""

import json
import os
import struct
import subprocess
import sys
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.errors import InvalidOptions
from core.generation.protocol import Picture
from core.pictures import KEY, read_recipe, to_png
from core.prompting.prompt import Prompt
from core.provenance.bounds import MOST_BYTES, MOST_CHUNKS
from core.recipe import Recipe, from_json, to_json

ROOT = Path(__file__).parents[2]
SIGNATURE = b"\x89PNG\r\n\x1a\n"
GOOD = Recipe(
    Prompt("a dog\nand a cat, שלום 👩‍🚀", "text"), 7, 4, 3.0, (256, 128), "model", "1", "hands", ("Dog (0.90)",)
)
STATED = json.loads(to_json(GOOD))
BIG_SEED = to_json(GOOD).encode().replace(b'"seed": 7', b'"seed": ' + b"9" * 60_000)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
PIXELS = chunk(b"IDAT", zlib.compress(bytes(4 * (1 + 3 * 4))))
END = chunk(b"IEND", b"")


def itxt(text: bytes, *, compressed: bool = False, key: bytes = KEY.encode()) -> bytes:
    return chunk(b"iTXt", key + (b"\0\1\0" if compressed else b"\0\0\0") + b"\0\0" + text)


def png(*chunks: bytes) -> bytes:
    return SIGNATURE + HEADER + b"".join(chunks) + PIXELS + END


def with_json(**changes: object) -> bytes:
    return png(itxt(json.dumps({**STATED, **changes}).encode()))


def read(data: bytes) -> Recipe:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "picture.png")
        path.write_bytes(data)
        return read_recipe(path)


def in_nested_lists(depth: int) -> bytes:
    return to_json(GOOD).encode().replace(b'["Dog (0.90)"]', b"[" * depth + b"]" * depth)


def bomb(megabytes: int) -> bytes:
    """So many megabytes of spaces, packed: each by itself, and so alike that one is packed and stands there often."""
    megabyte = b" " * (1 << 20)
    packing = zlib.compressobj(9)
    first, again = (packing.compress(megabyte) + packing.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    end = packing.flush()[:-4]  # and a checksum of all of it
    return first + again * (megabytes - 1) + end + struct.pack(">I", adler32_of(megabyte, megabytes))


def adler32_of(part: bytes, times: int) -> int:
    checksum = 1
    for _ in range(times):
        checksum = zlib.adler32(part, checksum)
    return checksum


HOSTILE = {
    "a huge seed": with_json(seed=10**400),
    "more digits than Python takes": png(itxt(BIG_SEED)),
    "a negative seed": with_json(seed=-1),
    "a seed that is true": with_json(seed=True),
    "enlarged eight times": with_json(enlarged=8),
    "enlarged not at all": with_json(enlarged=0),
    "enlarged truly": with_json(enlarged=True),
    "enlarged in words": with_json(enlarged="2"),
    "a seed in words": with_json(seed="7"),
    "steps without end": with_json(steps=10**9),
    "guidance that is no number": with_json(guidance=float("nan")),
    "infinite guidance": with_json(guidance=float("inf")),
    "a size of gigapixels": with_json(size=[100_000, 100_000]),
    "a size of three": with_json(size=[256, 256, 256]),
    "a size of one letter each": with_json(size="ab"),
    "no size": with_json(size=None),
    "nothing but a list": png(itxt(b"[]")),
    "an empty text": png(itxt(b"")),
    "a missing field": png(itxt(json.dumps({k: v for k, v in STATED.items() if k != "seed"}).encode())),
    "nested lists": png(itxt(in_nested_lists(30_000))),
    "nested objects": png(itxt(b'{"a":' * 10_000 + b"1" + b"}" * 10_000)),
    "escape codes in the model": with_json(model="\x1b[2J\x1b]0;mine\x07"),
    "C1 in the revision": with_json(revision="\x9b2J"),
    "a line break in the adapter": with_json(adapter="hands\nimagine-sound: all is well"),
    "a word for what guided it": with_json(guided_by="all is well, really"),
    "turned letters in the prompt": with_json(prompt="gpj.\u202eexe"),
    "escape codes in the prompt": with_json(prompt="\x1b[31mred"),
    "half a character": with_json(prompt="\ud800"),
    "a long prompt": with_json(prompt="a" * 30_000),
    "a long text": png(itxt(to_json(GOOD).encode() + b" " * MOST_BYTES)),
    "a chunk of 64 megabytes": png(itxt(b" " * (64 << 20))),
    "a bomb in iTXt": png(itxt(bomb(500), compressed=True)),
    "a bomb in zTXt": png(chunk(b"zTXt", KEY.encode() + b"\0\0" + bomb(500))),
    "a damaged bomb": png(itxt(b"x\x9cnot zlib", compressed=True)),
    "no UTF-8": png(itxt(b"\xff\xfe")),
    "no language": png(chunk(b"iTXt", KEY.encode() + b"\0\0\0")),
    "many chunks": png(chunk(b"tEXt", b"a\0") * (MOST_CHUNKS + 1)),
    "a wrong checksum": png(itxt(to_json(GOOD).encode())[:-1] + b"\0"),
    "a chunk longer than the file": SIGNATURE + struct.pack(">I4s", 0x7FFFFFFF, b"IDAT"),
    "a text longer than the file": SIGNATURE + struct.pack(">I4s", 0x7FFFFFFF, b"iTXt") + KEY.encode() + b"\0" * 5,
    "a chunk without a name": SIGNATURE + struct.pack(">I4s", 0, b"\0\0\0\0") + b"\0\0\0\0",
    "no end": SIGNATURE + HEADER,
    "nothing": b"",
}  # fmt: skip


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_strange_recipe_is_refused_with_one_sentence(kind: str) -> None:
    with pytest.raises(InvalidOptions) as told:
        read(HOSTILE[kind])

    assert len(str(told.value)) < 300
    assert str(told.value).isprintable()


def test_a_recipe_that_was_written_is_read_again_whatever_is_in_its_prompt() -> None:
    assert read(to_png(Picture(Image.new("RGB", (4, 4)), GOOD, 1.0))) == GOOD
    assert read(to_png(Picture(Image.new("RGB", (4000, 4000)), GOOD, 1.0))) == GOOD


@pytest.mark.parametrize("kind", ["iTXt", "compressed iTXt", "tEXt", "zTXt", "behind the pixels", "behind other texts"])
def test_other_programs_may_have_written_it_anew(kind: str) -> None:
    text = json.dumps(STATED).encode()
    key = KEY.encode() + b"\0"
    chunks = {
        "iTXt": [itxt(text)],
        "compressed iTXt": [itxt(zlib.compress(text), compressed=True)],
        "tEXt": [chunk(b"tEXt", key + text)],
        "zTXt": [chunk(b"zTXt", key + b"\0" + zlib.compress(text))],
        "behind the pixels": [PIXELS, itxt(text)],
        "behind other texts": [itxt(b"<x/>" * 100_000, key=b"XML:com.adobe.xmp"), itxt(text)],
    }[kind]

    assert read(png(*chunks)) == GOOD


@pytest.mark.parametrize("what", ["a directory", "a pipe", "nothing there", "a device without end"])
def test_what_is_no_file_is_said_so_at_once(what: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    if what == "a directory":
        path.mkdir()
    elif what == "a pipe":
        os.mkfifo(path)
    elif what == "a device without end":
        path.symlink_to("/dev/zero")

    with pytest.raises(InvalidOptions, match="not a picture that I can read"):
        read_recipe(path)


WRITTEN = to_png(Picture(Image.new("RGB", (4, 4)), GOOD, 1.0))


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """A good file in which bytes were changed, left out or put in."""
    data = bytearray(WRITTEN)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data)


jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(sorted(STATED)), inner),
)


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200)
    | mutants()
    | st.binary(max_size=200).map(lambda data: png(itxt(data)))
    | st.binary(max_size=200).map(lambda data: png(chunk(b"zTXt", KEY.encode() + b"\0\0" + data)))
    | st.dictionaries(st.sampled_from(sorted(STATED)), jsons).map(lambda changes: with_json(**changes))
)
def test_whatever_the_file_is_there_is_a_recipe_or_the_one_error(data: bytes) -> None:
    with suppress(InvalidOptions):
        recipe = read(data)
        assert from_json(to_json(recipe)) == recipe


PEAK = """
import re, sys
from core.cli.main import main
status = main(sys.argv[1:])
with open("/proc/self/status") as file: peak = re.search(r"VmHWM:\\s+(\\d+) kB", file.read())[1]
with open("peak", "w") as file: file.write(peak)
sys.exit(status)
"""
"""VmHWM, for ru_maxrss begins with what the process had that started it."""


def painted_by_the_command(picture: str, directory: Path) -> tuple[subprocess.CompletedProcess[str], int]:
    """What becomes of `imagine --recipe PICTURE`, and the most memory that it took, in kB."""
    done = subprocess.run(
        [sys.executable, "-c", PEAK, "imagine", "--recipe", picture, "--out", "out.png"],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done, int((directory / "peak").read_text())


@pytest.mark.parametrize(
    "kind", ["nested lists", "a chunk of 64 megabytes", "a bomb in iTXt", "escape codes in the model"]
)
def test_the_command_refuses_it_with_one_sentence_and_little_memory(kind: str, tmp_path: Path) -> None:
    (tmp_path / "\x1b[2Jstrange.png").write_bytes(HOSTILE[kind])

    done, peak = painted_by_the_command("\x1b[2Jstrange.png", tmp_path)

    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("imagine-sound: ")
    assert done.stderr.removesuffix("\n").isprintable()
    assert done.stdout == ""
    assert peak < 150_000
