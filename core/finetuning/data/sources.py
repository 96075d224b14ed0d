"""Which images there are and what their captions are. Tells pictures from other files by their first bytes.

- Hugging Face imagefolder: `metadata.jsonl` or `metadata.csv` with `file_name` and `text` (or `caption`), maybe
  `subject` and `stratum`.
- A `.txt` file beside each image, or one caption for all that have none.
- 11k Hands: `HandInfo.csv`; its captions are built from the columns, and name side, aspect and the white background,
  because whatever a caption does not name becomes part of everything the adapter paints.

Every file of the folder is accounted for: as an example, as what describes examples, or as left out and why.
"""

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import UnusableData
from core.finetuning.data.pictures import is_picture, large_ones_too
from core.finetuning.data.text import NotText, read_text

METADATA_NAMES = ("metadata.jsonl", "metadata.csv")
HAND_INFO_NAME = "HandInfo.csv"

ELEVEN_K_LICENCE = (
    "11k Hands (M. Afifi, 2019) is free for academic fair use; ask its author before you share an adapter made with it."
)


@dataclass(frozen=True)
class Example:
    """One captioned image. `subject`: who or what is in it, for splitting; `stratum`: its kind, for sub-sets."""

    path: Path
    caption: str
    subject: str | None = None
    stratum: str = ""


@dataclass(frozen=True)
class Rejected:
    """A file that is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Listing:
    """What a folder holds."""

    folder: Path
    layout: str
    examples: tuple[Example, ...]
    rejected: tuple[Rejected, ...]
    descriptions: tuple[Path, ...] = ()
    """Files that were read for captions."""
    licence: str = ""


@large_ones_too()
def list_examples(directory: Path, caption: str | None = None) -> Listing:
    """Read the folder's layout; `caption` is for images that have none of their own.

    Raises UnusableData if no image has a caption, or a table cannot be read.
    """
    if not directory.is_dir():
        raise UnusableData(f"There is no folder {directory}; give one with images.")
    table = next((directory / name for name in METADATA_NAMES if (directory / name).is_file()), None)
    licence = ""
    if table is not None:
        found, layout = list(_imagefolder(table, caption)), f"imagefolder ({table.name})"
    elif (table := _hand_info(directory)) is not None:
        found, layout, licence = list(_eleven_k_hands(table, directory)), "11k Hands (HandInfo.csv)", ELEVEN_K_LICENCE
    else:
        found, layout = list(_beside(directory, caption)), "a .txt beside each image"
        if caption and not any(isinstance(item, Path) for item in found):
            layout = "one caption for all"
    if table is not None:
        named = {item.path for item in found if not isinstance(item, Path)}
        found += [table] if table.parent == directory else []
        found += [item for item in _unnamed(directory, table) if item.path not in named]
    examples = tuple(item for item in found if isinstance(item, Example))
    rejected = tuple(item for item in found if isinstance(item, Rejected))
    if not examples:
        raise UnusableData(_nothing_captioned(directory, rejected))
    descriptions = tuple(item for item in found if isinstance(item, Path))
    return Listing(directory, layout, examples, rejected, descriptions, licence)


def files_in(directory: Path) -> Iterator[Path]:
    """All files and hidden folders, by name; hidden folders are not entered, nor links to folders."""
    for folder, inner, names in os.walk(directory):
        hidden = [name for name in inner if name.startswith(".")]
        inner[:] = sorted(set(inner) - set(hidden))
        yield from (Path(folder) / name for name in sorted([*names, *hidden]))


def _nothing_captioned(directory: Path, rejected: tuple[Rejected, ...]) -> str:
    uncaptioned = sum(item.reason == NO_CAPTION for item in rejected)
    if uncaptioned:
        return (
            f"None of the {uncaptioned} images in {directory} has a caption: say what is in all of them, "
            f'--caption "a photo of Rex the dog", or add {METADATA_NAMES[0]} with file_name and text, or a .txt beside '
            "each image."
        )
    why = f" (of {rejected[0].path.name}: {rejected[0].reason})" if rejected else ""
    return f"There is no image in {directory} that can be used{why}; give a folder with images and captions."


NO_CAPTION = "no caption"
Found = Example | Rejected | Path
"""An image, or what is wrong with a file, or a file that describes images."""


def _imagefolder(table: Path, caption: str | None) -> Iterator[Found]:
    for row in _csv_rows(table) if table.suffix == ".csv" else _json_rows(table):
        own = row.get("text") or row.get("caption") or caption or ""
        subject = row.get("subject")
        yield _example(
            table.parent / str(row["file_name"]),
            str(own),
            None if subject in (None, "") else str(subject),
            str(row.get("stratum") or ""),
        )


def _json_rows(table: Path) -> Iterator[dict[str, object]]:
    # not splitlines(), which would also cut at characters that JSON allows in a caption
    for number, line in enumerate(_text_of(table).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row["file_name"], str):
                raise TypeError("a file's name is text")
        except (ValueError, KeyError, TypeError) as error:
            raise UnusableData(
                f'Line {number} of {table.name} is not of the form {{"file_name": "a.jpg", "text": "a caption"}}.'
            ) from error
        yield row


def _csv_rows(table: Path) -> Iterator[dict[str, object]]:
    """Separated by commas, semicolons or tabs, whichever the first line has."""
    text = _text_of(table)
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    if "file_name" not in (reader.fieldnames or ()):
        raise UnusableData(f"The first line of {table.name} must name the columns: file_name,text.")
    for row in reader:
        if row["file_name"]:
            yield dict(row)


def _text_of(table: Path) -> str:
    try:
        return read_text(table)
    except NotText as error:
        raise UnusableData(f"{error}; save it as UTF-8.") from error


def _beside(directory: Path, caption: str | None) -> Iterator[Found]:
    everything = list(files_in(directory))
    yield from (found for path in everything if (found := _hidden(path)) is not None)
    files = [path for path in everything if _hidden(path) is None]
    texts = {_key(path): path for path in files if path.suffix.lower() == ".txt"}
    described: set[Path] = set()
    for path in files:
        text = texts.get(_key(path))
        if path.suffix.lower() == ".txt":
            continue
        if not is_picture(path):
            yield Rejected(path, "no picture that I know")
            continue
        stratum = path.parent.relative_to(directory).as_posix()
        try:
            own = "" if text is None else read_text(text)
        except NotText as error:
            yield Rejected(path, f"caption of {error}")
            continue
        described |= {text} if text is not None else set()
        yield _example(path, own if own.strip() else caption or "", None, "" if stratum == "." else stratum)
    for text in texts.values():
        yield text if text in described else Rejected(text, "no caption of an image")


def _key(path: Path) -> tuple[Path, str]:
    """What an image and its caption have in common."""
    return path.parent, path.stem


def _example(path: Path, caption: str, subject: str | None, stratum: str) -> Example | Rejected:
    caption = " ".join(caption.split())
    if not path.is_file():
        return Rejected(path, "missing")
    if not caption:
        return Rejected(path, NO_CAPTION)
    return Example(path, caption, subject, stratum)


def _unnamed(directory: Path, table: Path) -> Iterator[Rejected]:
    """The folder's other files."""
    for path in files_in(directory):
        if path != table:
            yield _hidden(path) or Rejected(path, f"not in {table.name}")


def _hidden(path: Path) -> Rejected | None:
    if not path.name.startswith("."):
        return None
    return Rejected(path, "a hidden folder" if path.is_dir() else "a hidden file")


def _hand_info(directory: Path) -> Path | None:
    """The table lies beside the folder `Hands` or in it."""
    for place in (directory, directory.parent):
        if (place / HAND_INFO_NAME).is_file():
            return place / HAND_INFO_NAME
    return None


def _eleven_k_hands(table: Path, directory: Path) -> Iterator[Found]:
    folders = (directory, directory / "Hands", table.parent / "Hands")
    for row in csv.DictReader(io.StringIO(_text_of(table), newline="")):
        try:
            name = row["imageName"]
            path = next((folder / name for folder in folders if (folder / name).is_file()), directory / name)
            yield _example(path, hand_caption(row), row["id"], f"{row['aspectOfHand']}, {row['gender']}".lower())
        except KeyError as error:
            raise UnusableData(f"{table} has no column {error}; is it the HandInfo.csv of 11k Hands?") from error


def hand_caption(row: dict[str, str]) -> str:
    """A sentence from one row of HandInfo.csv.

    Columns: id, age, gender, skinColor, accessories, nailPolish, aspectOfHand ("dorsal right"), imageName,
    irregularities. Raises KeyError if one of those needed is missing.
    """
    aspect, _, side = row["aspectOfHand"].strip().lower().partition(" ")
    person = {"male": "man", "female": "woman"}.get(row["gender"].strip().lower(), "person")
    age = int(row["age"]) if row["age"].strip().isdigit() else 40
    grown = "young " if age < 30 else "older " if age >= 55 else ""
    article = "an" if grown.startswith("o") else "a"
    view = {"dorsal": "the back", "palmar": "the palm"}.get(aspect, aspect)
    parts = [f"a photo of {view} of the {side} hand of {article} {grown}{person}", f"{row['skinColor'].strip()} skin"]
    if row["nailPolish"].strip() == "1":
        parts.append("with nail polish")
    if row["accessories"].strip() == "1":
        parts.append("wearing jewellery")
    if row["irregularities"].strip() == "1":
        parts.append("with an irregularity")
    return ", ".join([*parts, "fingers spread, isolated on a plain white background"])
