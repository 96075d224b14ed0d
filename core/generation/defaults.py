"""What a model paints best with, as its directory states it. It needs no model library."""

import json
from dataclasses import dataclass
from pathlib import Path

from core.errors import ModelUnusable


@dataclass(frozen=True)
class Defaults:
    """What a model paints best with. `show_size`: what its pictures are enlarged to, None for as they are."""

    steps: int = 50
    guidance: float = 3.0
    size: tuple[int, int] | None = None
    show_size: tuple[int, int] | None = None
    max_prompt_tokens: int | None = None
    revision: str = ""


def read_defaults(directory: Path | str) -> Defaults:
    """The defaults that a model directory states in `imagine_sound.json`, or Playground's own (50 steps, guidance 3).

    Raises ModelUnusable if the file is there but wrong.
    """
    return stated_defaults(directory) or Defaults()


def stated_defaults(directory: Path | str) -> Defaults | None:
    """The same, None where the directory states nothing."""
    path = Path(directory) / "imagine_sound.json"
    if not path.is_file():
        return None
    try:
        stated = json.loads(path.read_text())
        size, show = stated.get("default_size"), stated.get("show_size")
        return Defaults(
            steps=int(stated["default_steps"]),
            guidance=float(stated["default_guidance"]),
            size=(int(size[0]), int(size[1])) if size else None,
            show_size=(int(show[0]), int(show[1])) if show else None,
            max_prompt_tokens=int(stated["max_prompt_tokens"]) if "max_prompt_tokens" in stated else None,
            revision=str(stated.get("revision", "")),
        )
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise ModelUnusable(f"{path} cannot be read ({error}); restore the model's directory.") from error
