"""The samples of a run in one picture: above the base's, below those with the adapter, same prompts and seeds."""

from pathlib import Path

from PIL import Image

from core.files import written_whole
from core.finetuning.training.disk import full_disk_told

TILE = 256
GAP = 8
COLOURS = 160
"""More cannot be told apart in pictures of this size, and make the file three times as large."""


def write_strip(samples: Path, checkpoint: str, count: int, target: Path) -> Path | None:
    """Write it from the first `count` samples. None if a full disk had no room for them. Raises OSError."""
    rows = [[samples / folder / f"{number}.png" for number in range(count)] for folder in ("base", checkpoint)]
    if not all(path.is_file() for row in rows for path in row):
        return None
    sheet = Image.new("RGB", (count * (TILE + GAP) - GAP, 2 * (TILE + GAP) - GAP), "white")
    for line, row in enumerate(rows):
        for column, path in enumerate(row):
            with Image.open(path) as picture:
                tile = picture.convert("RGB").resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (column * (TILE + GAP), line * (TILE + GAP)))
    with full_disk_told(), written_whole(target) as temporary:
        sheet.quantize(COLOURS).save(temporary, "PNG", optimize=True)
    return target
