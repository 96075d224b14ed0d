"""Playground v2.5's parts behind the batcher: prompts encoded once, rows predicted together, latents decoded.

A StepModel over any StableDiffusionXLPipeline with the EDM scheduler; the stock pipeline is only taken apart, never
called. Everything here runs in the painting thread. It knows nothing of queues.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from core.errors import InvalidOptions
from core.generation.adapters import Adapters
from core.generation.compiling import Progress
from core.generation.conditioning import PromptEncoder, TextConditioning
from core.generation.decoding import Decoder
from core.generation.deepcache import DeepCache, DeepFeatures
from core.generation.defaults import Defaults
from core.generation.guided import file_sha256
from core.generation.inversion import starting_noise_of
from core.generation.limits import Limits, check, recipe_for, sides_of
from core.generation.loading import free_memory, native_size, within_memory
from core.generation.merged import MergedGuidance
from core.generation.miniature import MINIATURE_WORDS
from core.generation.plan_check import corrected, peak_on_gpu
from core.generation.presets import SpeedPreset
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
from core.generation.residence import Residence, Storage, everything
from core.generation.sampler import Member, NoiseSchedule, Row, advance, initial_latent
from core.generation.unet import AcceleratedUNet, Compilation
from core.options import Compiling
from core.prompting.prompt import Prompt
from core.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureInProgress:
    """One picture under way; `recipe` has the prompt as it is painted.

    `strength`: of the adapter that stands for guidance; 0 where there is none of it.
    """

    recipe: Recipe
    member: Member
    positive: TextConditioning
    negative: TextConditioning
    notes: tuple[Note, ...]
    deep: Mapping[bool, DeepFeatures] = field(default_factory=dict)
    """What the last full steps left for shallow ones, by whether the row was conditional."""
    strength: float = 0.0

    def in_two_evaluations(self) -> "PictureInProgress":
        """The same before its first step, without the adapter that stands for guidance."""
        member = replace(self.member, guidance=self.recipe.guidance)
        return replace(self, recipe=replace(self.recipe, guided_by=None), member=member, strength=0.0)


ROOMY = everything(32)
NO_WORDS = Prompt("", "")
NOT_COMPILED = Compilation()


@dataclass(frozen=True)
class ModelIdentity:
    """What goes into the recipe."""

    name: str
    revision: str
    is_miniature: bool


@dataclass(frozen=True)
class PlaygroundOptions:
    """How the model paints where a request does not say.

    `preview_every`: steps between previews, 0 for none. `taesd_directory`: where a decoder for previews may lie.
    `residence`: what of it lies where, and how many pictures are to fit beside it. `compilation`: see there.
    `picture_s`: see GeneratorInfo. `guidance`: the adapter that stands for guidance, where `speed` has one.
    """

    defaults: Defaults
    speed: SpeedPreset
    adapters_dir: Path
    preview_every: int
    taesd_directory: Path | None = None
    residence: Residence = ROOMY
    compilation: Compilation = NOT_COMPILED
    picture_s: float | None = None
    guidance: MergedGuidance | None = None


class PlaygroundModel:
    """See StepModel."""

    def __init__(
        self, pipeline: StableDiffusionXLPipeline, identity: ModelIdentity, options: PlaygroundOptions
    ) -> None:
        self._pipeline = pipeline
        self._options = options
        self._residence = options.residence
        self._device = pipeline.unet.device
        config = pipeline.scheduler.config
        self._schedule = NoiseSchedule(config.sigma_min, config.sigma_max, config.sigma_data, config.rho)
        whole = options.residence.unet is Storage.WHOLE  # what is stored otherwise is cast at every use
        compilation = options.compilation if whole else NOT_COMPILED
        is_compiled = compilation.how is not Compiling.OFF
        self._guidance = options.guidance
        self._prompts = PromptEncoder(pipeline, options.defaults.max_prompt_tokens)
        self._adapters = Adapters(
            pipeline, options.adapters_dir, hot_swap=is_compiled, before_text_changes=self._prompts.settle
        )
        self._info = self._describe(identity)
        self._unet = AcceleratedUNet(  # after the adapters, which prepare it for being compiled
            pipeline,
            compilation=compilation,
            fp8=options.speed.fp8 and whole,
            deep_cache=options.speed.has_deep_cache,
        )
        self._cache = DeepCache(options.speed.full_every if self._unet.has_deep_cache else 1)
        self._limits = self._find_limits()
        self._decoder = Decoder(pipeline)
        every = options.preview_every
        self._previewer = Previewer(pipeline.vae, options.taesd_directory) if every else None
        if self._device.type == "cuda":
            self._residence = corrected(self, self._residence, peak_on_gpu)

    def info(self) -> GeneratorInfo:
        """What paints."""
        return self._info

    def compile_next(self) -> bool:
        """Compile what went uncompiled the most; see StepModel."""
        return within_memory(self._unet.compile_next)

    def compiled(self) -> Progress:
        """How much of it is compiled by now."""
        return self._unet.compiled()

    def begin_encoding(self, request: GenerationRequest) -> Sequence[Future[Any]]:
        """See StepModel. What an adapter does to the text encoders is done between steps, which need theirs."""
        if not self._adapters.leave_text_alone(request.adapter):
            return ()
        recipe, _ = self._asked(request)
        return self._prompts.begin(recipe.prompt, recipe.adapter)

    def prepare(self, request: GenerationRequest) -> PictureInProgress:
        """Check `request` and encode its prompt. Raises InvalidOptions, OutOfMemory."""
        return within_memory(lambda: self._begin(request))

    def _begin(self, request: GenerationRequest) -> PictureInProgress:
        recipe, was_cut = self._asked(request)
        strength = self._strength(recipe)
        if strength and self._guidance is not None:
            recipe = replace(recipe, guided_by=self._guidance.adapter.short_name)
        width, height = recipe.size
        scale = self._pipeline.vae_scale_factor
        shape = (self._pipeline.unet.config.in_channels, height // scale, width // scale)
        member = Member(
            latent=initial_latent(self._schedule, shape, recipe.seed, recipe.near, request.pattern).to(self._device),
            sigmas=self._schedule.sigmas(recipe.steps),
            guidance=1.0 if strength else recipe.guidance,  # the adapter's one evaluation is guided already
            guided_between=self._options.speed.guided_between,
        )
        self._adapters.use(recipe.adapter)
        positive, unconditional = self._prompts.encode(recipe.prompt, recipe.adapter)
        notes = (Note("prompt_cut", {"end": recipe.prompt.text[-40:]}),) if was_cut else ()
        return PictureInProgress(recipe, member, positive, unconditional, notes, strength=strength)

    def _strength(self, recipe: Recipe) -> float:
        """Of the adapter that stands for guidance; 0 where `recipe` takes two evaluations, or none."""
        if self._guidance is None or not self._options.speed.has_adapter:
            return 0.0
        own = None if recipe.adapter is None else file_sha256(self._adapters.path_of(recipe.adapter))
        return self._guidance.adapter.strength(recipe, own)

    def _asked(self, request: GenerationRequest) -> tuple[Recipe, bool]:
        """How `request` is painted, and whether its prompt was cut. Raises InvalidOptions."""
        recipe = recipe_for(request, self._info)
        check(recipe, self._limits)
        text, was_cut = self._prompts.shorten(recipe.prompt.text)
        negative, _ = self._prompts.shorten(recipe.prompt.negative_text)
        return replace(recipe, prompt=Prompt(text, negative)), was_cut

    def group_of(self, state: PictureInProgress) -> object:
        """One size, one adapter, one strength of that which stands for guidance, and one kind of step share a batch."""
        return (state.recipe.size, state.recipe.adapter, state.strength, self._cache.is_full(state.member.index))

    def takes_newcomers(self, states: Sequence[PictureInProgress]) -> bool:
        """Whether a full step is before some of them, as before a newcomer: so all are shallow together."""
        return not states or any(self._cache.is_full(state.member.index) for state in states)

    def size_of(self, state: PictureInProgress) -> tuple[int, int]:
        """Width and height in pixels."""
        return state.recipe.size

    def step_limit(self, size: tuple[int, int]) -> int:
        """As the plan has it."""
        return self._residence.step_limit(size)

    def decode_limit(self, size: tuple[int, int]) -> int:
        """As the plan has it."""
        return self._residence.decode_limit(size)

    @torch.inference_mode()
    def step(self, states: Sequence[PictureInProgress]) -> list[PictureInProgress]:
        """Everyone one step further. Raises OutOfMemory."""
        self._adapters.use(states[0].recipe.adapter)
        self._use_guidance(states[0].strength)
        return within_memory(lambda: self._step(states))

    def _use_guidance(self, strength: float) -> None:
        if (guidance := self._guidance) is not None:
            within_memory(lambda: guidance.merged.use(strength))

    def _step(self, states: Sequence[PictureInProgress]) -> list[PictureInProgress]:
        members, size = [state.member for state in states], states[0].recipe.size
        levels = [math.log(member.sigmas[member.index]) for member in members]
        is_full = self._cache.is_full(members[0].index)
        kept: list[dict[bool, DeepFeatures]] = [{} if is_full else dict(state.deep) for state in states]

        def predict(inputs: Tensor, noise: Tensor, rows: Sequence[Row]) -> Tensor:
            texts = [states[row.member].positive if row.conditional else states[row.member].negative for row in rows]
            # where some are guided and some are not: for what is compiled for one number of rows, these are few numbers
            most_rows = 2 * len(states) if len(rows) > len(states) else len(states)
            deep = [kept[row.member][row.conditional].at(levels[row.member]) for row in rows if not is_full]
            layers = self._adapters.layers
            predicted = self._unet.predict(inputs, noise, texts, size=size, rows=most_rows, deep=deep, layers=layers)
            if predicted.deep is not None:
                for row, features in zip(rows, predicted.deep, strict=True):
                    before = states[row.member].deep.get(row.conditional, DeepFeatures())
                    kept[row.member][row.conditional] = before.then(features, levels[row.member])
            return predicted.output

        advanced = advance(members, predict, self._schedule, self._cache.every if is_full else 1)
        return [
            replace(state, member=member, deep=self._needed(deep, member))
            for state, member, deep in zip(states, advanced, kept, strict=True)
        ]

    def _needed(self, deep: Mapping[bool, DeepFeatures], member: Member) -> Mapping[bool, DeepFeatures]:
        """What the coming steps of `member` need of `deep`: nothing once it is finished, of two the newer one at a
        full step, which takes the most memory."""
        if member.finished:
            return {}
        if self._cache.is_full(member.index):
            return {conditional: features.newest() for conditional, features in deep.items()}
        return deep

    def progress(self, state: PictureInProgress) -> Painting:
        """How far it is; a preview every few steps, never at the end, where the picture itself comes."""
        member = state.member
        due = self._previewer is not None and not member.finished and member.index % self._options.preview_every == 0
        preview = None
        if due and self._previewer is not None and member.previous is not None:
            preview = self._previewer.jpeg(member.previous, member.index / member.steps)
        return Painting(member.index, member.steps, preview)

    def is_finished(self, state: PictureInProgress) -> bool:
        """Whether the latent is clean."""
        return state.member.finished

    def decode(self, states: Sequence[PictureInProgress], *, tiled: bool) -> list[Image.Image]:
        """The finished pictures. Raises OutOfMemory."""
        return self._decoder.decode([state.member.latent for state in states], tiled=tiled)

    @torch.inference_mode()
    def inspect(self, request: InspectionRequest) -> Inspected:
        """The noise that a picture started from; see StepModel."""
        size = request.size or self._info.size
        least, most = self._limits.sides or size
        if any(side % self._limits.side_unit or not least <= side <= most for side in size):
            raise InvalidOptions(f"No picture of {size[0]}x{size[1]} was painted by {self._info.model}.")
        prompt = request.prompt or NO_WORDS
        words = Prompt(self._prompts.shorten(prompt.text)[0], "")
        self._adapters.use(None)
        self._use_guidance(0.0)
        wanted, unwanted = self._prompts.encode(words, None)
        text = unwanted if request.prompt is None else wanted

        def evaluate(inputs: Tensor, noise: float) -> Tensor:
            level = torch.tensor([noise], device=self._device)
            layers = self._adapters.layers
            return self._unet.predict(inputs[None], level, [text], size=size, rows=1, layers=layers).output[0].float()

        clean = self._decoder.encode(request.image, size)
        found = within_memory(lambda: starting_noise_of(clean, evaluate, self._schedule, request.passes))
        return Inspected(found.cpu().numpy())

    def park(self) -> bool:
        """Keep the text encoders in main memory."""
        parked = self._prompts.park()
        free_memory()
        return parked

    def picture(self, state: PictureInProgress, image: Image.Image, seconds: float) -> Picture:
        """The picture with its recipe, enlarged to the size that the model wants to be shown at."""
        show_size = self._options.defaults.show_size
        if show_size is not None and state.recipe.size == self._info.size:
            image = image.resize(show_size, Image.Resampling.LANCZOS)
        return Picture(image, state.recipe, seconds, self._info.is_miniature, state.notes)

    def close(self) -> None:
        """Free the device."""
        self._prompts.close()
        del self._pipeline, self._guidance, self._unet, self._decoder, self._previewer, self._adapters, self._prompts
        free_memory()

    def _describe(self, identity: ModelIdentity) -> GeneratorInfo:
        defaults, speed = self._options.defaults, self._options.speed
        return GeneratorInfo(
            model=identity.name,
            revision=identity.revision,
            steps=defaults.steps,
            guidance=defaults.guidance,
            size=native_size(self._pipeline, defaults),
            is_miniature=identity.is_miniature,
            adapters=self._adapters.names(),
            count_tokens=self._prompts.count_tokens,
            most_tokens=self._prompts.most_tokens,
            speed=speed.name,
            picture_s=self._options.picture_s,
            side_unit=self._sides(native_size(self._pipeline, defaults))[1],
            words=MINIATURE_WORDS if identity.is_miniature else None,
            batch=self._residence.max_batch,
        )

    def _sides(self, native: tuple[int, int]) -> tuple[tuple[int, int], int]:
        blocks = len(self._pipeline.unet.config.block_out_channels)
        return sides_of(max(native), self._pipeline.vae_scale_factor, blocks)

    def _find_limits(self) -> Limits:
        sides, unit = self._sides(self._info.size)
        refusal = "Adapters do not work with SPEED=fast, whose FP8 layers take none; choose balanced."
        return Limits(
            sides=sides,
            side_unit=unit,
            no_adapters=refusal if self._unet.has_fp8 else "",
        )
