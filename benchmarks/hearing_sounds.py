"""The recordings that hearing is measured on: from Debian packages, labelled by their file names, and from ESC-10.

`hearing_sounds.csv` names them, `package|half|path|accepted`; a path into an archive of the package goes on after `!`.
What this module does not know: how a recording is heard, and when an answer is right.
"""

import csv
import subprocess
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path

TABLE = Path(__file__).with_suffix(".csv")


class Group(StrEnum):
    """What a recording is for: constants are chosen on one half of the packages and reported on the other."""

    CHOOSE = "choose"
    REPORT = "report"
    ESC10 = "esc10"


@dataclass(frozen=True)
class Sound:
    """A recording: the package or folder it is in, its path there, and the labels that are right answers for it."""

    source: str
    path: str
    group: Group
    accepted: frozenset[str]

    @property
    def key(self) -> str:
        """What it is known by in saved results."""
        return f"{self.source}/{self.path}"


def load_table(table: Path = TABLE) -> tuple[Sound, ...]:
    """The packages' recordings. Raises ValueError where a package is in both halves, or a recording is named twice."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [
            Sound(row["package"], row["path"], Group(row["half"]), frozenset(row["accepted"].split(";")))
            for row in csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE, strict=True)
        ]
    halves = {(sound.source, sound.group) for sound in rows}
    if len(halves) != len({sound.source for sound in rows}):
        raise ValueError(f"{table}: a package is in both halves")
    if len({sound.key for sound in rows}) != len(rows):
        raise ValueError(f"{table}: a recording is named twice")
    return tuple(rows)


def from_packages(folder: Path, sounds: Iterable[Sound]) -> Iterator[tuple[Sound, bytes]]:
    """Those of `sounds` whose packages are in `folder`, as `NAME_VERSION_ARCH.deb` or unpacked in a folder `NAME`.

    Nothing is written. Raises CalledProcessError for a package that dpkg-deb cannot read.
    """
    packages = {path.name.split("_")[0]: path for path in sorted(folder.iterdir()) if is_package(path)}
    wanted: defaultdict[str, list[Sound]] = defaultdict(list)
    for sound in sounds:
        wanted[sound.source].append(sound)
    for name, inside in wanted.items():
        if name in packages:
            yield from _from_package(packages[name], inside)


def from_esc10(folder: Path, accepted: Mapping[str, Sequence[str]]) -> Iterator[tuple[Sound, bytes]]:
    """ESC-10's recordings, a folder for each class ("001 - Dog bark"); `accepted` are the right answers by class."""
    for path in sorted(folder.glob("*/*.ogg")):
        kind = path.parent.name.split(" - ")[-1]
        if kind in accepted:
            yield Sound(kind, path.name, Group.ESC10, frozenset(accepted[kind])), path.read_bytes()


def is_package(path: Path) -> bool:
    """Whether it is a Debian package, or a folder that may be one, unpacked."""
    return path.is_dir() or path.suffix == ".deb"


def _from_package(package: Path, sounds: Sequence[Sound]) -> Iterator[tuple[Sound, bytes]]:
    """The recordings that the package has; one that another version of it lacks is left out."""
    by_file: defaultdict[str, list[Sound]] = defaultdict(list)
    for sound in sounds:
        by_file[sound.path.partition("!")[0]].append(sound)
    read = _unpacked(package, by_file) if package.is_dir() else _packed(package, by_file)
    for file, content in read:
        for sound in by_file[file]:
            member = sound.path.partition("!")[2]
            found = _member(content, member) if member else content
            if found is not None:
                yield sound, found


def _unpacked(folder: Path, files: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    return ((file, (folder / file).read_bytes()) for file in files if (folder / file).is_file())


def _packed(package: Path, files: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    missing = set(files)
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for entry in archive:
                    name = entry.name.removeprefix("./")
                    if name in missing and (content := archive.extractfile(entry)) is not None:
                        missing.discard(name)
                        yield name, content.read()
                    if not missing:
                        process.terminate()  # all were found; it need not unpack the rest
                        return
        except tarfile.ReadError as error:
            raise subprocess.CalledProcessError(process.wait(), command) from error


def _member(archive: bytes, name: str) -> bytes | None:
    with zipfile.ZipFile(BytesIO(archive)) as opened:
        return opened.read(name) if name in opened.namelist() else None
