"""What a request comes to with a model, and whether it is within the model's limits.

Pure; what the limits are is the model's business.
"""

from dataclasses import dataclass

from core.errors import InvalidOptions
from core.generation.protocol import MAX_SEED, GenerationRequest, GeneratorInfo
from core.options import Shape
from core.recipe import Recipe

SHORT, LONG, EVEN = 13, 19, 16
"""The sides of a shape, in sixteenths of a square's: 832 x 1216 for 1024 x 1024, as SDXL was trained
(https://arxiv.org/abs/2307.01952, appendix I)."""
CELL = 8
"""Pixels of a side are a multiple of this, the least that an autoencoder of the family takes."""

COARSER = frozenset({("playground-mini", "1")})
"""Models and revisions that painted the same thing on fewer pixels: their sizes are a part of a picture by now."""


@dataclass(frozen=True)
class Limits:
    """What a model can be asked for; every range includes both ends.

    `sides`: pixels of a picture's width and height, which are multiples of `side_unit`; None leaves them to the model.
    `no_adapters`: the sentence for somebody who chose an adapter, empty where there may be one; `no_near` likewise for
    a composition to be kept.
    """

    steps: tuple[int, int] = (1, 150)
    guidance: tuple[float, float] = (1.0, 20.0)
    seeds: tuple[int, int] = (0, MAX_SEED)
    sides: tuple[int, int] | None = None
    side_unit: int = 1
    no_adapters: str = ""
    no_near: str = ""


def sides_of(native: int, vae_scale: int, unet_blocks: int) -> tuple[tuple[int, int], int]:
    """`sides` and `side_unit` of a model of SDXL's family that paints `native` pixels a side unless told otherwise.

    `vae_scale`: pixels to a cell of the latent; `unet_blocks`: of them all but one halve it.
    """
    return (native // 4, 2 * native), vae_scale * 2 ** (unet_blocks - 1)


def recipe_for(request: GenerationRequest, info: GeneratorInfo) -> Recipe:
    """What `request` comes to: the model's own values where it leaves them open."""
    return Recipe(
        prompt=request.prompt,
        seed=request.seed,
        steps=info.steps if request.steps is None else request.steps,
        guidance=info.guidance if request.guidance is None else request.guidance,
        size=info.size if request.size is None else request.size,
        model=info.model,
        revision=info.revision,
        adapter=request.adapter,
        heard=request.heard,
        speed=info.speed,
        near=request.near,
        mark=None if request.pattern is None else request.pattern.mark,
    )


def size_again(recipe: Recipe, info: GeneratorInfo) -> tuple[int, int]:
    """The size at which `recipe` is painted again: its own, or the model's where a coarser revision had painted it."""
    painted_by = (recipe.model, recipe.revision)
    return info.size if painted_by in COARSER and painted_by != (info.model, info.revision) else recipe.size


def shaped(shape: Shape, info: GeneratorInfo) -> tuple[int, int]:
    """Width and height of `shape` with about as many pixels as the model's own."""
    unit = info.side_unit
    short, even, long = (round(side * max(info.size) / EVEN / unit) * unit for side in (SHORT, EVEN, LONG))
    match shape:
        case Shape.SQUARE:
            return even, even
        case Shape.TALL:
            return short, long
        case Shape.WIDE:
            return long, short


def check(wanted: Recipe, limits: Limits) -> None:
    """Raises InvalidOptions, which says what may be chosen, if `wanted` is beyond `limits`."""
    if wanted.adapter is not None and limits.no_adapters:
        raise InvalidOptions(limits.no_adapters)
    if wanted.near is not None and limits.no_near:
        raise InvalidOptions(limits.no_near)
    if not wanted.prompt.text.strip():
        raise InvalidOptions("The prompt is empty; please say what to paint.")
    _check_range("Steps", wanted.steps, limits.steps)
    _check_range("Guidance", wanted.guidance, limits.guidance)
    _check_range("The seed", wanted.seed, limits.seeds)
    if wanted.near is not None:
        _check_range("The seed of the picture to stay close to", wanted.near, limits.seeds)
    if limits.sides is not None:
        least, most = limits.sides
        if any(side % limits.side_unit or not least <= side <= most for side in wanted.size):
            raise InvalidOptions(
                f"Width and height must be multiples of {limits.side_unit} from {least} to {most} pixels, "
                f"not {wanted.size[0]}x{wanted.size[1]}."
            )


def _check_range(name: str, value: float, allowed: tuple[float, float]) -> None:
    least, most = allowed
    if not least <= value <= most:
        raise InvalidOptions(f"{name} must be from {_number(least)} to {_number(most)}, not {_number(value)}.")


def _number(value: float) -> str:
    """Whole numbers in full, others short."""
    return f"{value:d}" if isinstance(value, int) else f"{value:g}"
