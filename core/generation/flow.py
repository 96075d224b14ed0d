"""Flow models behind the batcher: prompts encoded once, rows predicted together, latents decoded.

A StepModel over the pipelines of Z-Image and FLUX.2 klein; what these do each in its own way is told in
`flow_families.py`. Everything here runs in the painting thread. It knows nothing of queues.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial

import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch import Tensor

from core.errors import InvalidOptions
from core.generation.checkpoint import BestValues
from core.generation.conditioning import shortened
from core.generation.decoding import Decoder
from core.generation.encodings import Encodings
from core.generation.euler import FlowMember, advance
from core.generation.flow_families import MOST_TOKENS, FlowFamily
from core.generation.limits import check, recipe_for
from core.generation.loading import free_memory, within_memory
from core.generation.placing import TextEncoders
from core.generation.plan_check import corrected, peak_on_gpu
from core.generation.preview import Previewer
from core.generation.protocol import (
    GenerationRequest,
    GeneratorInfo,
    Inspected,
    InspectionRequest,
    Note,
    Painting,
    Picture,
)
from core.generation.residence import Residence
from core.generation.sampler import Row, starting_noise
from core.prompting.prompt import Prompt
from core.recipe import Recipe

CACHED_PROMPTS = 32
"""A prompt's conditioning takes up to 8 MB."""


@dataclass(frozen=True)
class FlowPicture:
    """One picture under way; `recipe` has the prompt as it is painted. `negative` is `positive` where nothing is
    guided."""

    recipe: Recipe
    member: FlowMember
    positive: Tensor
    negative: Tensor
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class FlowOptions:
    """How the model paints where a request does not say, and what of it lies where.

    `preview_every`: steps between previews, 0 for none.
    """

    values: BestValues
    residence: Residence
    preview_every: int


class FlowModel:
    """See StepModel."""

    def __init__(
        self,
        pipeline: DiffusionPipeline,
        family: type[FlowFamily],
        name: str,
        revision: str,
        options: FlowOptions,
    ) -> None:
        self._family = family(pipeline)
        self._options = options
        self._residence = options.residence
        self._device: torch.device = pipeline.transformer.device
        self._encoders = TextEncoders.of(pipeline, self._device)
        encode, aside = (partial(self._encode, where) for where in (self._encoders.at_work, self._encoders.at_home))
        self._encodings = Encodings(encode, aside, CACHED_PROMPTS)
        self._decoder = Decoder(pipeline, raw=self._family.raw)
        self._previewer = Previewer(pipeline.vae, normalised=_as_it_is) if options.preview_every else None
        values = options.values
        self._info = GeneratorInfo(
            name,
            revision,
            values.steps,
            values.guidance,
            values.size or self._family.own_size,
            count_tokens=self._family.count_tokens,
            most_tokens=MOST_TOKENS,
            side_unit=2 * pipeline.vae_scale_factor,
            batch=self._residence.max_batch,
        )
        native = max(self._info.size)
        self._limits = replace(
            values.limits,
            sides=(native // 4, 2 * native),
            side_unit=self._info.side_unit,
            no_adapters=f"{name} takes no adapters here; choose none.",
        )
        if self._device.type == "cuda":
            self._residence = corrected(self, self._residence, peak_on_gpu)

    def info(self) -> GeneratorInfo:
        """What paints."""
        return self._info

    def compile_next(self) -> bool:
        """Nothing here is compiled."""
        return False

    def prepare(self, request: GenerationRequest) -> FlowPicture:
        """Check the request and encode its prompt. Raises InvalidOptions, OutOfMemory."""
        return within_memory(lambda: self._prepare(request))

    def begin_encoding(self, request: GenerationRequest) -> Sequence[Future[Tensor]]:
        """See StepModel."""
        if not self._encoders.stay_at_home():
            return ()
        recipe, _ = self._asked(request)
        return [self._encodings.begin(text) for text in self._texts(recipe)]

    def _asked(self, request: GenerationRequest) -> tuple[Recipe, bool]:
        """How `request` is painted, and whether its prompt was cut. Raises InvalidOptions."""
        recipe = recipe_for(replace(request, pattern=None), self._info)
        check(recipe, self._limits)
        text, was_cut = shortened(recipe.prompt.text, self._family.count_tokens, MOST_TOKENS)
        negative, _ = shortened(recipe.prompt.negative_text, self._family.count_tokens, MOST_TOKENS)
        return replace(recipe, prompt=Prompt(text, negative)), was_cut

    def _texts(self, recipe: Recipe) -> tuple[str, str]:
        """The wanted and the unwanted; the same twice where nothing is guided."""
        if not self._family.is_guided(recipe.guidance):
            return recipe.prompt.text, recipe.prompt.text
        return recipe.prompt.text, recipe.prompt.negative_text if self._family.reads_negative else ""

    def _prepare(self, request: GenerationRequest) -> FlowPicture:
        recipe, was_cut = self._asked(request)
        noise = starting_noise(self._family.latent_shape(recipe.size), recipe.seed, recipe.near)
        sigmas = self._family.sigmas(recipe.steps, recipe.size)
        guidance = recipe.guidance if self._family.is_guided(recipe.guidance) else None
        positive, negative = map(self._encodings.get, self._texts(recipe))
        notes = (Note("prompt_cut", {"end": recipe.prompt.text[-40:]}),) if was_cut else ()
        return FlowPicture(recipe, FlowMember(noise.to(self._device), sigmas, guidance), positive, negative, notes)

    @torch.inference_mode()
    def _encode(self, where: Callable[[], AbstractContextManager[torch.device]], text: str) -> Tensor:
        with where() as device:
            return self._family.encode(text, device).to(self._device)

    def group_of(self, state: FlowPicture) -> object:
        """One size shares a batch."""
        return state.recipe.size

    def takes_newcomers(self, states: Sequence[FlowPicture]) -> bool:
        """At every step."""
        return True

    def size_of(self, state: FlowPicture) -> tuple[int, int]:
        """Width and height in pixels."""
        return state.recipe.size

    def step_limit(self, size: tuple[int, int]) -> int:
        """As the plan has it."""
        return self._residence.step_limit(size)

    def decode_limit(self, size: tuple[int, int]) -> int:
        """As the plan has it."""
        return self._residence.decode_limit(size)

    @torch.inference_mode()
    def step(self, states: Sequence[FlowPicture]) -> list[FlowPicture]:
        """Everyone one step further. Raises OutOfMemory."""

        def velocity(latents: Tensor, sigma: Tensor, rows: Sequence[Row]) -> Tensor:
            texts = [states[row.member].positive if row.conditional else states[row.member].negative for row in rows]
            return self._family.velocity(latents, sigma, texts)

        members = [state.member for state in states]
        advanced = within_memory(lambda: advance(members, velocity, self._family.guide))
        return [replace(state, member=member) for state, member in zip(states, advanced, strict=True)]

    def progress(self, state: FlowPicture) -> Painting:
        """How far it is; a preview every few steps, never at the end, where the picture itself comes."""
        member, every = state.member, self._options.preview_every
        preview = None
        if (
            self._previewer is not None
            and member.clean is not None
            and not member.finished
            and not member.index % every
        ):
            preview = self._previewer.jpeg(self._family.raw(member.clean[None])[0], member.index / member.steps)
        return Painting(member.index, member.steps, preview)

    def is_finished(self, state: FlowPicture) -> bool:
        """Whether the latent is clean."""
        return state.member.finished

    def decode(self, states: Sequence[FlowPicture], *, tiled: bool) -> list[Image.Image]:
        """The finished pictures. Raises OutOfMemory."""
        return self._decoder.decode([state.member.latent for state in states], tiled=tiled)

    def inspect(self, request: InspectionRequest) -> Inspected:
        """Not told by these models, whose noise is not marked either."""
        raise InvalidOptions(f"{self._info.model} cannot tell whether it painted a picture.")

    def park(self) -> bool:
        """Keep the text encoder in main memory."""
        parked = self._encoders.park()
        free_memory()
        return parked

    def picture(self, state: FlowPicture, image: Image.Image, seconds: float) -> Picture:
        """The picture with its recipe."""
        return Picture(image, state.recipe, seconds, notes=state.notes)

    def close(self) -> None:
        """Free the device."""
        self._encodings.close()
        del self._encodings, self._family, self._encoders, self._decoder, self._previewer
        free_memory()


def _as_it_is(_: object, raw: Tensor) -> Tensor:
    return raw
