"""Makes docs/story.webp: the demo's film as a contact sheet, two frames a second.

make demo                                    # paints, and makes demo/story.mp4
python -m docs.story_sheet demo/story.mp4
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from imageio_ffmpeg import read_frames
from PIL import Image, ImageDraw, ImageFont

from core.hearing.timeline import clock

SIDE, GAP, CAPTION, A_ROW = 108, 6, 16, 9


def frames(film: Path) -> Iterator[tuple[float, Image.Image]]:
    """Each frame, and the second at which it is seen."""
    reader = read_frames(str(film), pix_fmt="rgb24")
    about = next(reader)
    for number, frame in enumerate(reader):
        yield number / about["fps"], Image.frombytes("RGB", about["size"], frame)


def every(interval_s: float, shown: Iterator[tuple[float, Image.Image]]) -> Iterator[tuple[float, Image.Image]]:
    """Of the frames the first in each interval."""
    due = 0.0
    for at, frame in shown:
        if at >= due:
            yield at, frame
            due += interval_s


def make_sheet(film: Path, target: Path) -> None:
    """Lay the frames out, row by row, with their times."""
    chosen = list(every(0.5, frames(film)))
    rows = -(-len(chosen) // A_ROW)
    sheet = Image.new("RGB", (A_ROW * (SIDE + GAP) + GAP, rows * (SIDE + CAPTION + GAP) + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    for number, (at, frame) in enumerate(chosen):
        x = GAP + number % A_ROW * (SIDE + GAP)
        y = GAP + number // A_ROW * (SIDE + CAPTION + GAP)
        sheet.paste(frame.resize((SIDE, SIDE), Image.Resampling.LANCZOS), (x, y))
        pen.text((x, y + SIDE + 2), f"{clock(at)}.{int(at * 10) % 10}", "#555555", font)
    sheet.save(target, quality=80)


def main() -> None:
    """Make the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/story.webp"))
    options = parser.parse_args()
    make_sheet(options.film, options.out)


if __name__ == "__main__":
    main()
