"""Which images there are and what their captions are. Reads three layouts; opens no image.

- Hugging Face imagefolder: `metadata.jsonl` with `file_name` and `text` (or `caption`), maybe `subject` and `stratum`.
- A `.txt` file beside each image.
- 11k Hands: `HandInfo.csv`; its captions are built from the columns, and name side, aspect and the white background,
  because whatever a caption does not name becomes part of everything the adapter paints.
"""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import UnusableData

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})
METADATA_NAME = "metadata.jsonl"
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
    """An image that is not used, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Listing:
    """What a folder holds."""

    folder: Path
    layout: str
    examples: tuple[Example, ...]
    rejected: tuple[Rejected, ...]
    licence: str = ""


def list_examples(directory: Path) -> Listing:
    """Read the folder's layout. Raises UnusableData if there is none that is known, or a line cannot be read."""
    if not directory.is_dir():
        raise UnusableData(f"There is no folder {directory}; --images wants a folder of captioned images.")
    if (directory / METADATA_NAME).is_file():
        found = list(_imagefolder(directory))
        layout, licence = "imagefolder (metadata.jsonl)", ""
    elif (hand_info := _hand_info(directory)) is not None:
        found = list(_eleven_k_hands(hand_info, directory))
        layout, licence = "11k Hands (HandInfo.csv)", ELEVEN_K_LICENCE
    else:
        found = list(_text_beside_image(directory))
        layout, licence = "a .txt beside each image", ""
    examples = tuple(item for item in found if isinstance(item, Example))
    if not examples:
        raise UnusableData(
            f"{directory} holds no captioned image: add {METADATA_NAME} with file_name and text, "
            "or a .txt beside each image."
        )
    return Listing(directory, layout, examples, tuple(item for item in found if isinstance(item, Rejected)), licence)


def _imagefolder(directory: Path) -> Iterator[Example | Rejected]:
    lines = (directory / METADATA_NAME).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            path = directory / row["file_name"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnusableData(
                f'Line {number} of {METADATA_NAME} is not of the form {{"file_name": "a.jpg", "text": "a caption"}}.'
            ) from error
        subject = row.get("subject")
        yield _example(
            path,
            str(row.get("text") or row.get("caption") or ""),
            None if subject is None else str(subject),
            str(row.get("stratum") or ""),
        )


def _text_beside_image(directory: Path) -> Iterator[Example | Rejected]:
    for path in sorted(directory.rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            continue
        beside = path.with_suffix(".txt")
        caption = beside.read_text(encoding="utf-8", errors="replace") if beside.is_file() else ""
        stratum = path.parent.relative_to(directory).as_posix()
        yield _example(path, caption, None, "" if stratum == "." else stratum)


def _example(path: Path, caption: str, subject: str | None, stratum: str) -> Example | Rejected:
    caption = " ".join(caption.split())
    if not path.is_file():
        return Rejected(path, "missing")
    if not caption:
        return Rejected(path, "no caption")
    return Example(path, caption, subject, stratum)


def _hand_info(directory: Path) -> Path | None:
    """The table lies beside the folder `Hands` or in it."""
    for place in (directory, directory.parent):
        if (place / HAND_INFO_NAME).is_file():
            return place / HAND_INFO_NAME
    return None


def _eleven_k_hands(table: Path, directory: Path) -> Iterator[Example | Rejected]:
    folders = (directory, directory / "Hands", table.parent / "Hands")
    with table.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
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
