"""A picture's recipe, all that is needed to paint it again: a value, and JSON.

It knows the fields, neither painters nor files; `pictures.py` puts the JSON into a PNG.
"""

import json
from dataclasses import dataclass

from core.prompting.prompt import Prompt


@dataclass(frozen=True)
class Recipe:
    """What was painted and how; `size` in pixels, width and height, before any enlarging."""

    prompt: Prompt
    seed: int
    steps: int
    guidance: float
    size: tuple[int, int]
    model: str
    revision: str
    adapter: str | None
    heard: tuple[str, ...]
    speed: str = "exact"


def to_json(recipe: Recipe) -> str:
    """`recipe` as one line of JSON."""
    return json.dumps(
        {
            "prompt": recipe.prompt.text,
            "negative_prompt": recipe.prompt.negative_text,
            "seed": recipe.seed,
            "steps": recipe.steps,
            "guidance": recipe.guidance,
            "size": list(recipe.size),
            "model": recipe.model,
            "revision": recipe.revision,
            "adapter": recipe.adapter,
            "heard": list(recipe.heard),
            "speed": recipe.speed,
        },
        ensure_ascii=False,
    )


def from_json(text: str) -> Recipe:
    """The recipe in `text`. Raises ValueError, KeyError or TypeError where it is none."""
    stated = json.loads(text)
    width, height = stated["size"]
    adapter = stated["adapter"]
    return Recipe(
        prompt=Prompt(str(stated["prompt"]), str(stated["negative_prompt"])),
        seed=int(stated["seed"]),
        steps=int(stated["steps"]),
        guidance=float(stated["guidance"]),
        size=(int(width), int(height)),
        model=str(stated["model"]),
        revision=str(stated["revision"]),
        adapter=None if adapter is None else str(adapter),
        heard=tuple(str(name) for name in stated["heard"]),
        speed=str(stated.get("speed", "exact")),
    )
