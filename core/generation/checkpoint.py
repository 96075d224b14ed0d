"""What a checkpoint paints best with: as its directory states, else as the catalogue knows it, else its pipeline's own.

It looks at a pipeline's class, configurations and arguments, and never calls it.
"""

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from diffusers import DiffusionPipeline

from core import catalogue
from core.catalogue import KnownModel
from core.generation.defaults import Defaults
from core.generation.limits import Limits

log = logging.getLogger(__name__)

TRUE_GUIDANCE = "true_cfg_scale"


class Source(StrEnum):
    """Where values are from."""

    DIRECTORY = "its directory states them"
    CATALOGUE = "the catalogue has them from its author's card"
    PIPELINE = "they are its pipeline's own; its author's card says which are best"


@dataclass(frozen=True)
class BestValues:
    """What to paint with where nobody says. `size`: width and height in pixels, None where the pipeline alone knows.

    `limits`: what may be chosen instead, so far as that is known of the checkpoint.
    """

    steps: int
    guidance: float
    size: tuple[int, int] | None
    source: Source
    limits: Limits

    @property
    def is_guided(self) -> bool:
        """Whether guidance above 1 is of use."""
        return self.limits.guidance[1] > 1


def best_values(pipeline: DiffusionPipeline, name: str, stated: Defaults | None) -> BestValues:
    """The values for `pipeline`, which was loaded from what is called `name`; `stated` by its directory, if any."""
    known = known_model(pipeline, name)
    limits = Limits(
        steps=(1, known.most_steps) if known and known.most_steps else Limits.steps,
        # 0 is what distilled models want
        guidance=(0.0, 20.0) if known is None or known.is_guided else (0.0, 1.0),
    )
    if stated is not None:
        return BestValues(stated.steps, stated.guidance, stated.size or stated_size(pipeline), Source.DIRECTORY, limits)
    if known is not None:
        return BestValues(known.steps, known.guidance, known.size, Source.CATALOGUE, limits)
    steps, guidance = own_defaults(pipeline)
    log.warning(
        "nothing is known here of %s: it is painted with %d steps and guidance %g, which are its pipeline's own; its "
        "author's card says which are best",
        *(name, steps, guidance),
    )
    return BestValues(steps, guidance, stated_size(pipeline), Source.PIPELINE, limits)


def known_model(pipeline: DiffusionPipeline, name: str) -> KnownModel | None:
    """The catalogue's model that is called `name` or has the marks of `pipeline`."""
    scheduler = getattr(getattr(pipeline, "scheduler", None), "config", {})
    config = getattr(pipeline, "config", {})
    return catalogue.named(name) or catalogue.recognised(type(pipeline).__name__, config, scheduler)


def guidance_argument(pipeline: DiffusionPipeline) -> str:
    """The argument by which the pipeline is guided.

    Some have two: one goes to a network that was taught by it, and is ignored where the network was not; the other
    weighs two evaluations, as guidance does elsewhere.
    """
    config = getattr(getattr(pipeline, "transformer", None), "config", {})
    if TRUE_GUIDANCE in arguments(pipeline) and not config.get("guidance_embeds", False):
        return TRUE_GUIDANCE
    return "guidance_scale"


def own_defaults(pipeline: DiffusionPipeline) -> tuple[int, float]:
    """Steps and guidance that the pipeline's authors chose."""
    parameters = arguments(pipeline)
    stated = {
        name: parameters[name].default
        for name in ("num_inference_steps", guidance_argument(pipeline))
        if name in parameters
    }
    steps, guidance = stated.get("num_inference_steps"), stated.get(guidance_argument(pipeline))
    return (
        steps if isinstance(steps, int) else Defaults().steps,
        float(guidance) if isinstance(guidance, int | float) else Defaults().guidance,
    )


def stated_size(pipeline: DiffusionPipeline) -> tuple[int, int] | None:
    """Width and height in pixels that the pipeline paints when not told, None where it states none."""
    parameters = arguments(pipeline)
    own = tuple(parameters[side].default for side in ("width", "height") if side in parameters)
    if len(own) == 2 and all(isinstance(side, int) for side in own):
        return own[0], own[1]
    pixels = getattr(pipeline, "config", {}).get("default_sample_size")  # where it is configured, it is in pixels
    if isinstance(pixels, int):
        return pixels, pixels
    network = getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)
    sample = getattr(pipeline, "default_sample_size", None) or getattr(
        getattr(network, "config", None), "sample_size", None
    )
    scale = getattr(pipeline, "vae_scale_factor", None)
    if isinstance(sample, int) and isinstance(scale, int):
        return sample * scale, sample * scale
    return None


def arguments(pipeline: DiffusionPipeline) -> Mapping[str, inspect.Parameter]:
    """What the pipeline takes when it is called."""
    call: Any = type(pipeline).__call__
    return inspect.signature(call).parameters
