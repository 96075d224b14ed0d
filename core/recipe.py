"""A picture's recipe, all that is needed to paint it again: a value, and JSON.

It knows the fields and what they can be, neither painters nor files; `pictures.py` puts the JSON into a file.
"""

import json
import unicodedata
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.prompting.prompt import Prompt


@dataclass(frozen=True)
class Mark:
    """Which pattern of which secret key is in a picture's noise; `key` names the key, and tells nothing of it."""

    key: str
    pattern: int


@dataclass(frozen=True)
class Recipe:
    """What was painted and how; `size` in pixels, width and height, before any enlarging.

    `near`: the seed of the picture whose composition was kept. `enlarged`: how many times it was enlarged along each
    side after it was painted: 1 for not at all, 2 or 4. `mark`: how its noise is marked, None for not at all.
    `guided_by`: the adapter that stood for guidance in one evaluation a step (the first 16 digits of its file's
    SHA-256), None for two evaluations.
    """

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
    near: int | None = None
    enlarged: int = 1
    mark: Mark | None = None
    guided_by: str | None = None


def to_json(recipe: Recipe) -> str:
    """`recipe` as one line of JSON."""
    return json.dumps(_plain(recipe), ensure_ascii=False)


def to_ascii_json(recipe: Recipe) -> str:
    """The same in ASCII, for where other characters are not safe."""
    return json.dumps(_plain(recipe))


def _plain(recipe: Recipe) -> dict[str, object]:
    return {
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
        **({} if recipe.near is None else {"near": recipe.near}),
        **({} if recipe.enlarged == 1 else {"enlarged": recipe.enlarged}),
        **({} if recipe.mark is None else {"mark": {"key": recipe.mark.key, "pattern": recipe.mark.pattern}}),
        **({} if recipe.guided_by is None else {"guided_by": recipe.guided_by}),
    }


def from_json(text: str) -> Recipe:
    """The recipe in `text`, which may be a stranger's. Raises ValueError where it is none."""
    stated = _Stated.model_validate_json(text)
    return Recipe(
        prompt=Prompt(stated.prompt, stated.negative_prompt),
        seed=stated.seed,
        steps=stated.steps,
        guidance=stated.guidance,
        size=stated.size,
        model=stated.model,
        revision=stated.revision,
        adapter=stated.adapter,
        heard=stated.heard,
        speed=stated.speed,
        near=stated.near,
        enlarged=stated.enlarged,
        mark=None if stated.mark is None else Mark(stated.mark.key, stated.mark.pattern),
        guided_by=stated.guided_by,
    )


def _no_control_characters(text: str) -> str:
    """`text`, which may have lines and scripts of any direction, but nothing that a terminal obeys or that misleads."""
    odd = (char for char in text if char in _MISLEADING or unicodedata.category(char) in ("Cc", "Cs"))
    if any(char not in "\n\t" for char in odd):
        raise ValueError("there are control characters in it")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("it is not printable")
    return text


def _one_two_or_four(times: int) -> int:
    if times not in (1, 2, 4):
        raise ValueError("it is neither 1 nor 2 nor 4")
    return times


_MISLEADING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
"""They make a text look like another one: embedded and overridden directions, and line breaks beside the usual."""

Words = Annotated[str, Field(max_length=20_000), AfterValidator(_no_control_characters)]
Name = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
Seed = Annotated[int, Field(ge=0, lt=1 << 32)]
Times = Annotated[int, AfterValidator(_one_two_or_four)]
Side = Annotated[int, Field(ge=1, le=16_384)]


class _StatedMark(BaseModel):
    model_config = ConfigDict(strict=True)

    key: Annotated[str, Field(pattern="^[0-9a-f]{8}$")]
    pattern: Annotated[int, Field(ge=0, lt=256)]


class _Stated(BaseModel):
    """The JSON. Wider than what any model takes (`generation/limits.py` knows that), but no wider than what can be."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    prompt: Words
    negative_prompt: Words
    seed: Seed
    steps: Annotated[int, Field(ge=1, le=10_000)]
    guidance: Annotated[float, Field(ge=0, le=1000)]
    size: tuple[Side, Side]
    model: Name
    revision: Name
    adapter: Name | None
    heard: Annotated[tuple[Name, ...], Field(max_length=1000)]
    speed: Name = "exact"
    near: Seed | None = None
    enlarged: Times = 1
    mark: _StatedMark | None = None
    guided_by: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | None = None
