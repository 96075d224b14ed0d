"""Every attack by its name: files that want memory, time, other files or the network, each built in code."""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.hostile import boxes, others, riff, streams

HEARD = frozenset({"mp3: packed pictures", "polyglot: mp3 behind a web page", "polyglot: wav before an archive"})
"""Those in which there is sound, which must be heard nevertheless."""


@dataclass(frozen=True)
class Canary:
    """What nothing may touch: a file in a watched directory, and a port that somebody listens at."""

    file: Path
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/canary.wav"


def attacks(canary: Canary) -> Mapping[str, Callable[[], bytes]]:
    """All of them; each is built when it is called."""
    every: dict[str, Callable[[], bytes]] = {}
    for some in (
        boxes.attacks(),
        riff.riff_attacks(),
        streams.stream_attacks(),
        others.other_attacks(),
        playlists(canary),
        disguises(canary),
    ):
        every.update(some)
    return every


def playlists(canary: Canary) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Files that name the canary."""
    for word, target in {"path": str(canary.file), "file:": f"file://{canary.file}", "http:": canary.address}.items():
        yield f"playlist: hls, {word}", partial(_hls, target)
        yield f"playlist: concat, {word}", partial(str.encode, f"ffconcat version 1.0\nfile '{target}'\n")
        yield f"playlist: dash, {word}", partial(_dash, target)
        yield f"playlist: pls, {word}", partial(str.encode, f"[playlist]\nFile1={target}\n")
        yield (
            f"playlist: asx, {word}",
            partial(str.encode, f'<asx><entry><ref href="{target}"/></entry></asx>'),
        )
    yield "playlist: sdp", lambda: _sdp(canary.port)
    yield "playlist: hls behind a tag", lambda: riff.tagged(2, b"") + _hls(str(canary.file))
    yield "playlist: hls key", lambda: _hls(str(canary.file), f'#EXT-X-KEY:METHOD=AES-128,URI="{canary.address}"\n')
    yield "playlist: rtsp redirect", lambda: f"[Reference]\nRef1={canary.address}\n".encode()
    yield "mp4: sound in another file", lambda: boxes.outside(str(canary.file))
    yield "matroska: next file", lambda: _linked(canary)


def disguises(canary: Canary) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """What is no recording: fonts, subtitles, pictures, archives, and files that are two things at once."""
    yield "font: ttf", lambda: b"\0\1\0\0" + struct.pack(">HHHH", 65_535, 128, 3, 224) + boxes.noise(50_000)
    yield "font: woff2", lambda: b"wOF2" + boxes.noise(50_000)
    yield "subtitles: ass", lambda: b"[Script Info]\n[Fonts]\nfontname: a\n" + b"A" * 100_000
    yield "subtitles: srt", lambda: b"1\n00:00:00,000 --> 99:59:59,999\na\n\n" * 20_000
    yield "subtitles: vtt", lambda: b"WEBVTT\n\n00:00.000 --> 99:59.999\na\n\n" * 20_000
    yield "picture: png, 60,000 x 60,000", _png
    yield "picture: gif", lambda: b"GIF89a\xff\xff\xff\xff\xf7\0\0" + boxes.noise(5000)
    yield (
        "picture: svg",
        lambda: f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{canary.address}"/></svg>'.encode(),
    )
    yield "picture: jpeg", lambda: b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03" + boxes.noise(5000)
    yield "picture: tiff", lambda: b"II*\0\x08\0\0\0\xff\xff" + boxes.noise(50_000)
    yield "archive: zip", lambda: _zip(100)
    yield "archive: gzip", lambda: b"\x1f\x8b\x08\0\0\0\0\0\0\3" + boxes.packed(b"", 100)[2:]
    yield "archive: tar", lambda: (b"a" * 100 + bytes(412)) * 2000
    yield "document: pdf", lambda: b"%PDF-1.7\n" + b"1 0 obj<</Type/Sound>>endobj\n" * 5000
    yield "program: elf", lambda: b"\x7fELF\2\1\1" + boxes.noise(50_000)
    yield "text: script", lambda: f"#!/bin/sh\ncat {canary.file}\n".encode()
    yield "text: nothing but new lines", lambda: b"\n" * 1_000_000
    yield "bytes: zeros", lambda: bytes(5_000_000)
    yield "bytes: ones", lambda: b"\xff" * 5_000_000
    yield "bytes: noise", lambda: boxes.noise(1_000_000)
    yield "bytes: one", lambda: b"R"
    yield "polyglot: mp3 behind a web page", lambda: b"<html>" + bytes(500) + riff.MP3_FRAME * 200
    yield "polyglot: wav before an archive", lambda: riff.wav(size=32_000) + _zip(1)
    yield "polyglot: png before mp4", lambda: _png() + boxes.many_samples(1)
    yield "polyglot: mp4 in ogg", lambda: streams.page(boxes.many_samples(1)[:60_000], 1, 0, flags=2)
    yield "polyglot: hls in a matroska tag", lambda: streams.matroska(streams.element(b"\xec", _hls(str(canary.file))))


def _hls(target: str, key: str = "") -> bytes:
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n{key}#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n".encode()


def _dash(target: str) -> bytes:
    period = f'<Period><AdaptationSet mimeType="audio/mp4"><Representation id="a"><BaseURL>{target}</BaseURL>'
    head = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    return f"{head}{period}</Representation></AdaptationSet></Period></MPD>".encode()


def _sdp(port: int) -> bytes:
    return f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n".encode()


def _linked(canary: Canary) -> bytes:
    """A Matroska file that says that it goes on in another."""
    following = streams.element(b"\x3e\x83\xbb", str(canary.file).encode())
    info = streams.element(b"\x15I\xa9f", streams.element(b"\x3e\xb9\x23", bytes(16)) + following)
    return streams.matroska(info, streams.tracks(streams.sound_track()))


def _png() -> bytes:
    head = b"IHDR" + struct.pack(">II5B", 60_000, 60_000, 8, 6, 0, 0, 0)
    data = b"IDAT" + boxes.packed(b"", 20)
    parts = (struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (head, data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _zip(megabytes: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", bytes(megabytes << 20))
    return out.getvalue()
