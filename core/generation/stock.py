"""Any diffusers text-to-image model through its own pipeline, one request at a time, behind the same protocol.

For models that are not SDXL with the EDM scheduler: a distilled one for hosts without a GPU, say. Painting and cancel
work where the pipeline has a step callback. Knows nothing of how the model samples.
"""

import inspect
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import DiffusionPipeline

from core.errors import Cancelled, ImagineSoundError, InvalidOptions, PaintingError
from core.generation import (
    MAX_SEED,
    Failed,
    GenerationRequest,
    GeneratorInfo,
    Listener,
    Painted,
    Painting,
    Picture,
)
from core.generation.batcher import LONGEST_STEP_S
from core.generation.loading import Defaults
from core.generation.memory import within_memory
from core.generation.queue import RequestQueue, Ticket
from core.recipe import Recipe

log = logging.getLogger(__name__)


class StockGenerator:
    """An ImageGenerator around a whole pipeline. `load` runs in the painting thread."""

    def __init__(self, load: Callable[[], tuple[DiffusionPipeline, str, str, Defaults]], *, max_waiting: int) -> None:
        self._queue = RequestQueue(max_waiting)
        self._loaded = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(load,), name="painting", daemon=True)
        self._thread.start()
        self._loaded.wait()
        if self._failure is not None:
            raise self._failure

    def info(self) -> GeneratorInfo:
        """What paints."""
        return self._info

    def submit(self, request: GenerationRequest, listener: Listener) -> int:
        """Queue `request`; see ImageGenerator."""
        return self._queue.put(request, listener)

    def cancel(self, number: int) -> None:
        """Give up a request; see ImageGenerator."""
        self._queue.cancel(number)

    def queue_length(self) -> int:
        """How many requests wait or are being painted."""
        return len(self._queue)

    def close(self) -> None:
        """See ImageGenerator; waits for the step under way."""
        self._queue.close()
        self._thread.join(LONGEST_STEP_S)

    def _run(self, load: Callable[[], tuple[DiffusionPipeline, str, str, Defaults]]) -> None:
        try:
            pipeline, name, revision, defaults = load()
            accepts = frozenset(inspect.signature(type(pipeline).__call__).parameters)
            if "prompt" not in accepts:
                raise InvalidOptions(f"{name} is no text-to-image model; set IMAGE_MODEL to one.")
            steps, guidance = own_defaults(pipeline) if defaults == Defaults() else (defaults.steps, defaults.guidance)
            self._info = GeneratorInfo(name, revision, steps, guidance, defaults.size or default_size(pipeline))
        except BaseException as error:
            self._failure = error
            self._loaded.set()
            return
        self._loaded.set()
        self._queue.ready()
        try:
            while not self._queue.closed:
                for ticket in self._queue.take(1, wait=True):
                    self._paint(pipeline, accepts, ticket)
        except Exception:
            log.critical("the painting thread has failed; restart the program", exc_info=True)
            self._queue.give_up()

    def _paint(self, pipeline: DiffusionPipeline, accepts: frozenset[str], ticket: Ticket) -> None:
        try:
            picture = self._run_pipeline(pipeline, accepts, ticket)
        except Cancelled:
            self._queue.leave(ticket)
        except ImagineSoundError as error:
            self._queue.finish(ticket, Failed(error))
        except Exception:
            log.exception("painting request %d failed", ticket.number)
            sorry = PaintingError("Something went wrong while painting this picture; please try again.")
            self._queue.finish(ticket, Failed(sorry))
        else:
            self._queue.finish(ticket, Painted(picture))

    def _run_pipeline(self, pipeline: DiffusionPipeline, accepts: frozenset[str], ticket: Ticket) -> Picture:
        request = ticket.request
        if request.adapter is not None:
            raise InvalidOptions(f"{self._info.model} takes no adapters here; choose none.")
        if not 0 <= request.seed <= MAX_SEED:
            raise InvalidOptions(f"The seed must be from 0 to {MAX_SEED}, not {request.seed}.")
        steps = self._info.steps if request.steps is None else request.steps
        guidance = self._info.guidance if request.guidance is None else request.guidance
        size = self._info.size if request.size is None else request.size
        if not 1 <= steps <= 150 or not 0 <= guidance <= 20:
            raise InvalidOptions("Steps must be from 1 to 150 and guidance from 0 to 20.")
        started = time.monotonic()

        def on_step(_: DiffusionPipeline, step: int, __: object, kwargs: dict[str, Any]) -> dict[str, Any]:
            if self._queue.is_cancelled(ticket.number):
                raise Cancelled
            ticket.tell(Painting(step + 1, steps))
            return kwargs

        wanted: dict[str, Any] = {
            "prompt": request.prompt.text,
            "negative_prompt": request.prompt.negative_text or None,
            "num_inference_steps": steps,
            "guidance_scale": guidance,
            "width": size[0],
            "height": size[1],
            "generator": torch.Generator("cpu").manual_seed(request.seed),
            "callback_on_step_end": on_step,
        }
        if self._queue.is_cancelled(ticket.number):
            raise Cancelled
        try:
            output = within_memory(lambda: pipeline(**{name: wanted[name] for name in wanted if name in accepts}))
        except ValueError as error:  # diffusers' own check of size and the like
            raise InvalidOptions(f"The model cannot paint this: {error}") from error
        recipe = Recipe(
            prompt=request.prompt,
            seed=request.seed,
            steps=steps,
            guidance=guidance,
            size=size,
            model=self._info.model,
            revision=self._info.revision,
            adapter=None,
            heard=request.heard,
        )
        return Picture(output.images[0], recipe, time.monotonic() - started)


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
