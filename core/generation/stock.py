"""Any diffusers text-to-image model through its own pipeline, one request at a time, behind the same protocol.

For models that are not SDXL with the EDM scheduler: a distilled one for hosts without a GPU, say. Painting and cancel
work where the pipeline has a step callback. Knows nothing of how the model samples.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from diffusers import DiffusionPipeline
from PIL.Image import Image

from core.errors import Cancelled, InvalidOptions, ModelUnusable, OutOfMemory
from core.generation.checkpoint import TRUE_GUIDANCE, BestValues, arguments, guidance_argument
from core.generation.limits import check, recipe_for
from core.generation.loading import free_memory, within_memory
from core.generation.protocol import GenerationRequest, GeneratorInfo, InspectionRequest, Painted, Painting, Picture
from core.generation.queue import Ticket
from core.generation.watch import Phase
from core.generation.worker import PROBE, PaintingThread
from core.recipe import Recipe

log = logging.getLogger(__name__)


class StockModel:
    """A whole pipeline and which arguments it takes. Raises InvalidOptions if it paints nothing from words.

    `tells_steps`: whether it tells how many steps are done, and can be ended between them. `picture_s`: see
    GeneratorInfo.
    """

    tells_steps = True

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        name: str,
        revision: str,
        values: BestValues,
        picture_s: float | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._accepts = frozenset(arguments(pipeline))
        self._guidance = guidance_argument(pipeline)
        if "prompt" not in self._accepts:
            raise InvalidOptions(f"{name} is no text-to-image model; set IMAGE_MODEL to one.")
        self.tells_steps = "callback_on_step_end" in self._accepts
        if not self.tells_steps:
            log.warning(
                "%s does not tell how far it is: pictures come without progress, and one that is being painted cannot "
                "be cancelled any more",
                name,
            )
        size = values.size or self._own_size()
        self._info = GeneratorInfo(name, revision, values.steps, values.guidance, size, picture_s=picture_s)
        # sizes are checked by the pipeline, each in its own way
        self.limits = replace(
            values.limits,
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
            "negative_prompt": recipe.prompt.negative_text or self._no_negative(recipe.guidance),
            "num_inference_steps": recipe.steps,
            self._guidance: recipe.guidance,
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

    def _no_negative(self, guidance: float) -> str | None:
        """What an empty negative prompt is to the pipeline: some are guided only if there is one."""
        return " " if self._guidance == TRUE_GUIDANCE and guidance > 1 else None

    def _own_size(self) -> tuple[int, int]:
        """The size of what the pipeline paints when not told, which can only be seen: one step, with the seed 0."""
        wanted = {"prompt": PROBE.prompt.text, "num_inference_steps": 1, "generator": torch.Generator("cpu")}
        accepted = {name: value for name, value in wanted.items() if name in self._accepts}
        try:
            image: Image = within_memory(lambda: self._pipeline(**accepted)).images[0]
        except (ValueError, OutOfMemory) as error:
            raise ModelUnusable(
                "This model does not say at which size it paints, and it cannot be tried here; state default_size, "
                "default_steps and default_guidance in an imagine_sound.json in its directory."
            ) from error
        return image.size


class StockGenerator(PaintingThread[StockModel]):
    """An ImageGenerator that paints one request after the other."""

    def _serve(self, model: StockModel) -> None:
        self._queue.ready()
        while not self._queue.closed:
            self._watch.begin(Phase.WAITING)
            for ticket in self._queue.take(1, wait=True):
                if isinstance(ticket.request, InspectionRequest):
                    name = model.info().model
                    self._fail(model, ticket, InvalidOptions(f"{name} cannot tell whether it painted a picture."))
                else:
                    self._paint(model, ticket, ticket.request)

    def _probe(self, model: StockModel) -> None:
        """A pipeline without a step callback paints the whole picture."""

        def enough(_: int) -> None:
            raise Cancelled

        self._watch.begin(Phase.STEPPING if model.tells_steps else Phase.WHOLE_PICTURE)
        with suppress(Cancelled):
            model.paint(recipe_for(PROBE, model.info()), enough)

    def _paint(self, model: StockModel, ticket: Ticket[Any], request: GenerationRequest) -> None:
        def on_step(step: int) -> None:
            self._stop_if_cancelled(ticket)
            self._queue.progress(ticket, Painting(step, recipe.steps))
            self._count_step(1)
            self._watch.begin(Phase.STEPPING)

        started = time.monotonic()
        self._watch.begin(Phase.BETWEEN_STEPS if model.tells_steps else Phase.WHOLE_PICTURE)
        try:
            recipe = recipe_for(replace(request, pattern=None), model.info())  # the noise is the pipeline's business
            check(recipe, model.limits)
            self._stop_if_cancelled(ticket)
            self._queue.progress(ticket, Painting(0, recipe.steps))
            image = model.paint(recipe, on_step)
            if not model.tells_steps:
                self._count_step(1)
        except Cancelled:
            self._queue.finish_cancelled(ticket)
        except Exception as error:
            self._fail(model, ticket, error)
        else:
            self._queue.finish(ticket, Painted(Picture(image, recipe, time.monotonic() - started)))

    def _stop_if_cancelled(self, ticket: Ticket[Any]) -> None:
        if self._queue.is_cancelled(ticket.number):
            raise Cancelled
