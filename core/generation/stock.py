"""Any diffusers text-to-image model through its own pipeline, one request at a time, behind the same protocol.

For models that are not SDXL with the EDM scheduler: a distilled one for hosts without a GPU, say. Painting and cancel
work where the pipeline has a step callback. Knows nothing of how the model samples.
"""

import inspect
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image

from core.errors import Cancelled, InvalidOptions
from core.generation.limits import Limits, check, recipe_for
from core.generation.loading import Defaults, free_memory, within_memory
from core.generation.protocol import GenerationRequest, GeneratorInfo, Painted, Painting, Picture
from core.generation.queue import Ticket
from core.generation.watch import Phase
from core.generation.worker import PROBE, PaintingThread
from core.recipe import Recipe


class StockModel:
    """A whole pipeline and which arguments it takes. Raises InvalidOptions if it paints nothing from words."""

    def __init__(self, pipeline: DiffusionPipeline, name: str, revision: str, defaults: Defaults) -> None:
        self._pipeline = pipeline
        self._accepts = frozenset(inspect.signature(type(pipeline).__call__).parameters)
        if "prompt" not in self._accepts:
            raise InvalidOptions(f"{name} is no text-to-image model; set IMAGE_MODEL to one.")
        steps, guidance = own_defaults(pipeline) if defaults == Defaults() else (defaults.steps, defaults.guidance)
        self._info = GeneratorInfo(name, revision, steps, guidance, defaults.size or default_size(pipeline))
        # guidance 0 is what distilled models want; sizes are checked by the pipeline, each in its own way
        self.limits = Limits(
            guidance=(0.0, 20.0),
            no_adapters=f"{name} takes no adapters here; choose none.",
            no_near=f"{name} cannot keep a composition.",
        )

    def info(self) -> GeneratorInfo:
        """What paints."""
        return self._info

    def paint(self, recipe: Recipe, on_step: Callable[[int], None]) -> Image:
        """The picture. `on_step` is told how many steps are done; what it raises ends the painting.

        Raises InvalidOptions for what the pipeline itself refuses, OutOfMemory.
        """

        def after_step(_: DiffusionPipeline, step: int, __: object, kwargs: dict[str, Any]) -> dict[str, Any]:
            on_step(step + 1)
            return kwargs

        wanted: dict[str, Any] = {
            "prompt": recipe.prompt.text,
            "negative_prompt": recipe.prompt.negative_text or None,
            "num_inference_steps": recipe.steps,
            "guidance_scale": recipe.guidance,
            "width": recipe.size[0],
            "height": recipe.size[1],
            "generator": torch.Generator("cpu").manual_seed(recipe.seed),
            "callback_on_step_end": after_step,
        }
        accepted = {name: value for name, value in wanted.items() if name in self._accepts}
        try:
            image: Image = within_memory(lambda: self._pipeline(**accepted)).images[0]
        except ValueError as error:  # diffusers' own check of size and the like
            raise InvalidOptions(f"The model cannot paint this: {error}") from error
        return image

    def close(self) -> None:
        """Free the device."""
        del self._pipeline
        free_memory()


class StockGenerator(PaintingThread[StockModel]):
    """An ImageGenerator that paints one request after the other."""

    def _serve(self, model: StockModel) -> None:
        self._queue.ready()
        while not self._queue.closed:
            self._watch.begin(Phase.WAITING)
            for ticket in self._queue.take(1, wait=True):
                self._paint(model, ticket)

    def _probe(self, model: StockModel) -> None:
        """A pipeline without a step callback paints the whole picture."""

        def enough(_: int) -> None:
            raise Cancelled

        self._watch.begin(Phase.STEPPING)
        with suppress(Cancelled):
            model.paint(recipe_for(PROBE, model.info()), enough)

    def _paint(self, model: StockModel, ticket: Ticket[GenerationRequest]) -> None:
        def on_step(step: int) -> None:
            self._stop_if_cancelled(ticket)
            self._queue.progress(ticket, Painting(step, recipe.steps))
            self._watch.begin(Phase.STEPPING)

        started = time.monotonic()
        self._watch.begin(Phase.BETWEEN_STEPS)
        try:
            recipe = recipe_for(ticket.request, model.info())
            check(recipe, model.limits)
            self._stop_if_cancelled(ticket)
            self._queue.progress(ticket, Painting(0, recipe.steps))
            image = model.paint(recipe, on_step)
        except Cancelled:
            self._queue.finish_cancelled(ticket)
        except Exception as error:
            self._fail(model, ticket, error)
        else:
            self._queue.finish(ticket, Painted(Picture(image, recipe, time.monotonic() - started)))

    def _stop_if_cancelled(self, ticket: Ticket[GenerationRequest]) -> None:
        if self._queue.is_cancelled(ticket.number):
            raise Cancelled


def own_defaults(pipeline: DiffusionPipeline) -> tuple[int, float]:
    """Steps and guidance that the pipeline's authors chose; a distilled model wants few of both."""
    parameters = inspect.signature(type(pipeline).__call__).parameters
    stated = {
        name: parameters[name].default for name in ("num_inference_steps", "guidance_scale") if name in parameters
    }
    steps, guidance = stated.get("num_inference_steps"), stated.get("guidance_scale")
    return (
        steps if isinstance(steps, int) else Defaults().steps,
        float(guidance) if isinstance(guidance, int | float) else Defaults().guidance,
    )


def default_size(pipeline: DiffusionPipeline) -> tuple[int, int]:
    """Width and height that the pipeline paints when not told, 512 where it does not say."""
    network = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    sample = getattr(getattr(network, "config", None), "sample_size", None)
    scale = getattr(pipeline, "vae_scale_factor", None)
    side = sample * scale if isinstance(sample, int) and isinstance(scale, int) else 512
    return side, side
