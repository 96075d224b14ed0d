"""What `--json` prints of a picture's way, the same for one picture and for those of a story: one object a line."""

import base64
import json
from collections.abc import Mapping

from core.cli.common import note_text
from core.generation.protocol import Loading, Painted, Painting, Queued
from core.recipe import to_json


def line_of(event: Loading | Queued | Painting | Painted) -> dict[str, object]:
    """`event` as plain values; a preview is a JPEG in base64."""
    match event:
        case Loading(arrived):
            return {"event": "loading"} | ({} if arrived is None else {"arrived": arrived})
        case Queued(position, picture_s):
            known: dict[str, object] = {} if picture_s is None else {"picture_s": round(picture_s, 1)}
            return {"event": "queued", "position": position, **known}
        case Painting(step, steps, preview):
            seen = {} if preview is None else {"preview_jpeg": base64.b64encode(preview).decode()}
            return {"event": "painting", "step": step, "steps": steps, **seen}
        case Painted(picture):
            notes = [note_text(note) for note in picture.notes]
            recipe = json.loads(to_json(picture.recipe))
            return {"event": "painted", "seconds": round(picture.seconds, 2), "notes": notes, **recipe}


def print_line(line: Mapping[str, object]) -> None:
    """At once, whoever reads it."""
    print(json.dumps(line, ensure_ascii=False), flush=True)
