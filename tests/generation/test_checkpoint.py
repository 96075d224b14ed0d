"""A checkpoint is painted with what its directory, the catalogue or its pipeline says, in this order, not by guess."""

import logging
from collections.abc import Mapping
from types import SimpleNamespace

import diffusers
import pytest
from diffusers import DiffusionPipeline
from PIL import Image

from core.errors import ModelUnusable
from core.generation.checkpoint import Source, best_values, guidance_argument, own_defaults, stated_size
from core.generation.defaults import Defaults
from core.generation.limits import Limits
from core.generation.stock import StockModel
from core.prompting.prompt import Prompt
from core.recipe import Recipe


def bare(kind: str, scheduler: Mapping[str, object] | None = None, **attributes: object) -> DiffusionPipeline:
    """A pipeline of the class `kind` without parts."""
    pipeline = getattr(diffusers, kind).__new__(getattr(diffusers, kind))
    config = attributes.pop("config", {})
    object.__setattr__(pipeline, "_internal_dict", config)
    object.__setattr__(pipeline, "scheduler", SimpleNamespace(config=scheduler or {}))
    for name, value in attributes.items():
        object.__setattr__(pipeline, name, value)
    return pipeline


def taught(by_guidance: bool) -> SimpleNamespace:
    """A network that was, or was not, taught by its guidance."""
    return SimpleNamespace(config={"guidance_embeds": by_guidance})


TURBO = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}
XL_TURBO = {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"}


@pytest.mark.parametrize(
    ("pipeline", "name", "steps", "guidance", "size"),
    [
        (bare("ZImagePipeline", {"shift": 3.0}), "mine", 8, 0.0, (1024, 1024)),
        (bare("ZImagePipeline"), "Tongyi-MAI/Z-Image-Turbo", 8, 0.0, (1024, 1024)),
        (bare("Flux2KleinPipeline", config={"is_distilled": True}), "mine", 4, 1.0, (1024, 1024)),
        (bare("Flux2KleinPipeline", config={"is_distilled": False}), "mine", 50, 4.0, (1024, 1024)),
        (bare("Flux2KleinPipeline"), "black-forest-labs/FLUX.2-klein-9B", 4, 1.0, (1024, 1024)),
        (bare("StableDiffusionPipeline", TURBO), "mine", 1, 0.0, (512, 512)),
        (bare("StableDiffusionXLPipeline", XL_TURBO), "mine", 1, 0.0, (512, 512)),
        (bare("QwenImagePipeline"), "Qwen/Qwen-Image", 50, 4.0, (1328, 1328)),
    ],
)
def test_a_known_checkpoint_is_painted_as_its_card_says(
    pipeline: DiffusionPipeline, name: str, steps: int, guidance: float, size: tuple[int, int]
) -> None:
    values = best_values(pipeline, name, None)
    assert (values.steps, values.guidance, values.size, values.source) == (steps, guidance, size, Source.CATALOGUE)


@pytest.mark.parametrize(
    ("pipeline", "steps", "guidance"),
    [
        (bare("StableDiffusionPipeline", TURBO), (1, 4), (0.0, 1.0)),
        (bare("ZImagePipeline", {"shift": 3.0}), Limits.steps, (0.0, 1.0)),
        (bare("StableDiffusionPipeline"), Limits.steps, (0.0, 20.0)),
    ],
)
def test_a_distilled_one_is_not_asked_for_what_makes_it_worse(
    pipeline: DiffusionPipeline, steps: tuple[int, int], guidance: tuple[float, float]
) -> None:
    limits = best_values(pipeline, "mine", None).limits
    assert (limits.steps, limits.guidance) == (steps, guidance)


def test_an_unknown_one_keeps_its_pipelines_own_and_its_authors_card_is_named(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = bare("SanaPipeline")
    values = best_values(pipeline, "somebody/sana", None)
    assert (values.steps, values.guidance, values.size, values.source) == (20, 4.5, (1024, 1024), Source.PIPELINE)
    assert "nothing is known here of somebody/sana" in caplog.text
    assert "author's card" in caplog.text


def test_what_a_directory_states_comes_first_and_the_limits_stay() -> None:
    stated = Defaults(steps=2, guidance=1.0, size=(640, 512))
    values = best_values(bare("StableDiffusionPipeline", TURBO), "mine", stated)
    assert (values.steps, values.guidance, values.size, values.source) == (2, 1.0, (640, 512), Source.DIRECTORY)
    assert values.limits.steps == (1, 4)


def sized(**config: object) -> SimpleNamespace:
    return SimpleNamespace(config=SimpleNamespace(**config))


@pytest.mark.parametrize(
    ("pipeline", "size"),
    [
        (bare("FluxPipeline", default_sample_size=128, vae_scale_factor=8), (1024, 1024)),
        (bare("StableDiffusionPipeline", unet=sized(sample_size=96), vae_scale_factor=8), (768, 768)),
        (bare("PRXPipeline", config={"default_sample_size": 512}), (512, 512)),
        (bare("Cosmos2TextToImagePipeline"), (1360, 768)),
        (bare("ZImagePipeline", transformer=sized(), vae_scale_factor=8), None),
    ],
)
def test_a_size_is_what_is_stated_somewhere_or_unknown(
    pipeline: DiffusionPipeline, size: tuple[int, int] | None
) -> None:
    assert stated_size(pipeline) == size


@pytest.mark.parametrize(
    ("pipeline", "argument", "own"),
    [
        (bare("QwenImagePipeline", transformer=taught(False)), "true_cfg_scale", 4),
        (bare("QwenImagePipeline", transformer=taught(True)), "guidance_scale", 3),
        (bare("FluxPipeline", transformer=taught(True)), "guidance_scale", 3.5),
        (bare("StableDiffusionXLPipeline"), "guidance_scale", 5),
    ],
)
def test_guidance_goes_to_the_argument_that_is_read(pipeline: DiffusionPipeline, argument: str, own: float) -> None:
    assert guidance_argument(pipeline) == argument
    assert own_defaults(pipeline)[1] == own


class Recorded:
    """A pipeline that notes what it is called with, and tells nothing of its steps. Its own size is 48x32."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    def __call__(
        self,
        prompt: str = "",
        negative_prompt: str | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 7,
        true_cfg_scale: float = 4.0,
        guidance_scale: float | None = None,
    ) -> SimpleNamespace:
        self.asked.append(dict(locals()))
        return SimpleNamespace(images=[Image.new("RGB", (width or 48, height or 32))])


def model(pipeline: DiffusionPipeline) -> StockModel:
    return StockModel(pipeline, "mine", "1", best_values(pipeline, "mine", None))


def test_a_size_that_nothing_states_is_seen_once_and_not_guessed(caplog: pytest.LogCaptureFixture) -> None:
    pipeline = Recorded()
    made = model(pipeline)
    assert made.info().size == (48, 32)
    assert [(asked["width"], asked["num_inference_steps"]) for asked in pipeline.asked] == [(None, 1)]
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum("does not tell how far it is" in line for line in said) == 1


def test_a_size_that_cannot_be_seen_is_asked_for() -> None:
    class Refusing:
        def __call__(self, prompt: str = "", height: int | None = None, width: int | None = None) -> None:
            raise ValueError("give me a size")

    with pytest.raises(ModelUnusable, match=r"state default_size.* in an imagine_sound\.json"):
        model(Refusing())


@pytest.mark.parametrize(("guidance", "negative", "passed"), [(4.0, "", " "), (1.0, "", None), (4.0, "a cat", "a cat")])
def test_qwens_guidance_and_an_empty_negative_prompt_arrive(guidance: float, negative: str, passed: str | None) -> None:
    pipeline = Recorded()
    recipe = Recipe(Prompt("a dog", negative), 0, 3, guidance, (16, 16), "mine", "1", None, ())
    assert model(pipeline).paint(recipe, lambda step: None).size == (16, 16)
    asked = pipeline.asked[-1]
    assert (asked["true_cfg_scale"], asked["guidance_scale"]) == (guidance, None)
    assert asked["negative_prompt"] == passed
