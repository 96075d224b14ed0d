"""What a request comes to with a model, and what the model can be asked for."""

import math
from dataclasses import replace

import pytest

from core.errors import InvalidOptions
from core.generation.limits import Limits, check, recipe_for, shaped, size_again
from core.generation.protocol import GenerationRequest, GeneratorInfo
from core.options import Shape
from core.prompting.prompt import Prompt
from core.recipe import Recipe

INFO = GeneratorInfo("model", "1", steps=50, guidance=3.0, size=(1024, 768), speed="balanced")
WANTED = Recipe(Prompt("a dog", ""), 7, 50, 3.0, (1024, 768), "model", "1", None, ())
LIMITS = Limits(steps=(1, 150), guidance=(1.0, 20.0), sides=(256, 2048), side_unit=32)


def test_what_a_request_leaves_open_is_the_model_s_choice() -> None:
    assert recipe_for(GenerationRequest(Prompt("a dog", ""), 7), INFO) == replace(WANTED, speed="balanced")


def test_what_a_request_states_is_taken() -> None:
    request = GenerationRequest(Prompt("a dog", ""), 7, 4, 4.5, (512, 512), "hands", near=3, heard=("Dog (0.90)",))
    recipe = recipe_for(request, INFO)
    assert (recipe.steps, recipe.guidance, recipe.size) == (4, 4.5, (512, 512))
    assert (recipe.adapter, recipe.near, recipe.heard) == ("hands", 3, ("Dog (0.90)",))


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 1},
        {"steps": 150},
        {"guidance": 1},
        {"guidance": 20.0},
        {"seed": 0},
        {"seed": 2**32 - 1},
        {"size": (256, 2048)},
        {"adapter": "hands"},
    ],
)
def test_the_ends_of_every_range_can_be_chosen(change: dict[str, object]) -> None:
    check(replace(WANTED, **change), LIMITS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": 0}, "Steps must be from 1 to 150, not 0."),
        ({"steps": 151}, "Steps must be from 1 to 150, not 151."),
        ({"guidance": 0.99}, "Guidance must be from 1 to 20, not 0.99."),
        ({"guidance": math.nan}, "Guidance must be from 1 to 20, not nan."),
        ({"seed": -1}, "The seed must be from 0 to 4294967295, not -1."),
        ({"seed": 2**32}, "The seed must be from 0 to 4294967295, not 4294967296."),
        ({"size": (1000, 768)}, "Width and height must be multiples of 32 from 256 to 2048 pixels, not 1000x768."),
        ({"size": (1024, 224)}, "Width and height must be multiples of 32 from 256 to 2048 pixels, not 1024x224."),
        ({"near": -1}, "The seed of the picture to stay close to must be from 0 to 4294967295, not -1."),
        ({"prompt": Prompt(" ", "people")}, "The prompt is empty; please say what to paint."),
    ],
)
def test_beyond_them_it_is_said_what_can_be_chosen(change: dict[str, object], says: str) -> None:
    with pytest.raises(InvalidOptions) as told:
        check(replace(WANTED, **change), LIMITS)  # type: ignore[arg-type]
    assert str(told.value) == says


def test_the_limits_are_the_model_s() -> None:
    distilled = Limits(guidance=(0.0, 20.0), no_adapters="This model takes no adapters.")
    check(replace(WANTED, guidance=0.0, size=(1, 10_000)), distilled)
    with pytest.raises(InvalidOptions, match="takes no adapters"):
        check(replace(WANTED, adapter="hands"), distilled)


def test_a_recipe_is_painted_again_at_its_own_size() -> None:
    assert size_again(WANTED, replace(INFO, revision="2", size=(512, 512))) == (1024, 768)


@pytest.mark.parametrize("now", [("playground-mini", "2"), ("playground-v2.5", "1")])
def test_a_recipe_of_the_coarse_miniature_is_painted_again_at_the_model_s_size(now: tuple[str, str]) -> None:
    recipe = replace(WANTED, model="playground-mini", revision="1", size=(128, 128))
    info = replace(INFO, model=now[0], revision=now[1], size=(256, 256))
    assert size_again(recipe, info) == (256, 256)
    assert size_again(recipe, replace(info, model="playground-mini", revision="1")) == (128, 128)


def test_a_model_that_keeps_no_compositions_says_so() -> None:
    check(replace(WANTED, near=1), LIMITS)
    with pytest.raises(InvalidOptions, match="cannot keep a composition"):
        check(replace(WANTED, near=1), replace(LIMITS, no_near="The model cannot keep a composition."))


@pytest.mark.parametrize(
    ("side", "unit", "tall"), [(1024, 32, (832, 1216)), (256, 16, (208, 304)), (256, 32, (192, 320))]
)
def test_a_shape_has_about_as_many_pixels_as_the_models_own(side: int, unit: int, tall: tuple[int, int]) -> None:
    info = replace(INFO, size=(side, side), side_unit=unit)
    assert shaped(Shape.TALL, info) == tall
    assert shaped(Shape.WIDE, info) == tall[::-1]
    assert shaped(Shape.SQUARE, info) == (side, side)
    assert tall[0] * tall[1] == pytest.approx(side * side, rel=0.07)
