"""Finds the sound files in an unpacked Debian package, also those inside the archives that games keep them in.

Zip archives (.pk3, .wz) are unpacked; Qt resource files (.rcc) and OpenTTD's sound sets (.cat) are searched for whole
Ogg streams and WAV files. What this module does not know: what is in a sound file, and compressed Qt resources.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

SOUND_SUFFIXES = {".wav", ".ogg", ".oga", ".mp3", ".flac", ".au", ".aif", ".aiff", ".opus"}
ZIP_SUFFIXES = {".pk3", ".wz", ".zip"}
SMALLEST = 3_000  # bytes; a shorter Ogg stream is hardly a sound


def sound_files(folder: Path, scratch: Path) -> list[Path]:
    """All sound files below a folder; those inside archives are written below `scratch`."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink()]
    found = [p for p in files if p.suffix.lower() in SOUND_SUFFIXES]
    for path in files:
        target = scratch / "archives" / folder.name / path.stem
        if path.suffix.lower() in ZIP_SUFFIXES and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if Path(n).suffix.lower() in SOUND_SUFFIXES]
                found += [Path(archive.extract(name, target)) for name in names]
        elif path.suffix == ".rcc":
            found += _written(ogg_streams(path.read_bytes()), target, ".ogg")
        elif path.suffix == ".cat":
            found += _written(wav_files(path.read_bytes()), target, ".wav")
    return sorted(found)


def ogg_streams(data: bytes) -> Iterator[bytes]:
    """Runs of Ogg pages from a first page to a last one."""
    start = data.find(b"OggS")
    while start >= 0:
        end, last = start, not data[start + 5] & 2  # only a page that begins a stream is followed
        while data[end : end + 4] == b"OggS" and not last:
            segments = data[end + 26]
            last = bool(data[end + 5] & 4)
            end += 27 + segments + sum(data[end + 27 : end + 27 + segments])
        if end - start > SMALLEST:
            yield data[start:end]
        start = data.find(b"OggS", max(end, start + 4))


def wav_files(data: bytes) -> Iterator[bytes]:
    start = data.find(b"RIFF")
    while start >= 0:
        yield data[start : start + 8 + int.from_bytes(data[start + 4 : start + 8], "little")]
        start = data.find(b"RIFF", start + 8)


def _written(sounds: Iterator[bytes], folder: Path, suffix: str) -> list[Path]:
    written = []
    for i, sound in enumerate(sounds):
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{i:04}{suffix}"
        path.write_bytes(sound)
        written.append(path)
    return written
