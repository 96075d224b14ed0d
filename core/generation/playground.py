"""Playground v2.5's parts behind the batcher: prompts encoded once, rows predicted together, latents decoded.

A StepModel over any StableDiffusionXLPipeline with the EDM scheduler; the stock pipeline is only taken apart, never
called. Everything here runs in the painting thread. It knows nothing of queues.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from core.errors import InvalidOptions, OutOfMemory
from core.generation.adapters import Adapters
from core.generation.conditioning import PromptEncoder, TextConditioning
from core.generation.decoding import Decoder
from core.generation.deepcache import DeepCache, DeepFeatures
from core.generation.limits import Limits, check, recipe_for
from core.generation.loading import Defaults, free_memory, native_size, within_memory
from core.generation.memory_errors import is_device_lost
from core.generation.miniature import MINIATURE_WORDS
from core.generation.plan_check import corrected, peak_on_gpu
from core.generation.presets import ALWAYS, SpeedPreset
from core.generation.preview import Previewer
from core.generation.protocol import GenerationRequest, GeneratorInfo, Note, Painting, Picture
from core.generation.residence import Residence, Storage, everything
from core.generation.sampler import Member, NoiseSchedule, Row, advance, initial_latent
from core.generation.unet import AcceleratedUNet
from core.prompting.prompt import Prompt
from core.recipe import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PictureInProgress:
    """One picture under way; `recipe` has the prompt as it is painted."""

    recipe: Recipe
    member: Member
    positive: TextConditioning
    negative: TextConditioning
    notes: tuple[Note, ...]
    deep: Mapping[bool, DeepFeatures] = field(default_factory=dict)
    """What the last full steps left for shallow ones, by whether the row was conditional."""


ROOMY = everything(32)


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
    `residence`: what of it lies where, and how many pictures are to fit beside it.
    """

    defaults: Defaults
    speed: SpeedPreset
    adapters_dir: Path
    preview_every: int
    compile_model: bool
    taesd_directory: Path | None = None
    residence: Residence = ROOMY


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
        compiled = options.compile_model and whole
        self._adapters = Adapters(pipeline, options.adapters_dir, hot_swap=compiled)
        self._prompts = PromptEncoder(pipeline, options.defaults.max_prompt_tokens)
        self._info = self._describe(identity)
        self._unet = AcceleratedUNet(  # after the adapters, which prepare it for being compiled
            pipeline,
            compiled_size=self._info.size if compiled else None,
            fp8=options.speed.fp8 and whole,
            deep_cache=options.speed.full_every > 1,
        )
        self._cache = DeepCache(options.speed.full_every if self._unet.has_deep_cache else 1)
        self._limits = self._find_limits()
        self._decoder = Decoder(pipeline)
        every = options.preview_every
        self._previewer = Previewer(pipeline.vae, options.taesd_directory) if every else None
        if self._device.type == "cuda":
            with self._unet.eager():  # compiling is for `warm_up`
                self._residence = corrected(self, self._residence, peak_on_gpu)

    def info(self) -> GeneratorInfo:
        """What paints."""
        return self._info

    def warm_up(self, batch_size: int) -> None:
        """Compile for this batch size, guided and not, full and shallow, before anyone waits for it.

        If compiling fails (no C compiler, say), pictures are painted uncompiled from then on, and the log says so.
        """
        if not self._unet.is_compiled:
            return
        started = time.monotonic()
        log.info("compiling for %d pictures at once; this takes minutes the first time", batch_size)
        try:
            # An adapter makes another network of it, whichever adapter it is; loading the first one changes the bare
            # network too, so that one comes last.
            for adapter in (self._any_adapter(), None):
                state = self.prepare(GenerationRequest(Prompt("a bell", ""), seed=0, steps=2, adapter=adapter))
                for guidance in (3.0, 1.0):
                    member = replace(state.member, guidance=guidance, guided_between=ALWAYS)
                    self.step(self.step([replace(state, member=member)] * batch_size))
        except OutOfMemory:
            raise
        except Exception as error:
            if is_device_lost(error):
                raise
            log.warning("the model cannot be compiled here; pictures are painted uncompiled", exc_info=True)
            self._unet.drop_compiled()
        log.info("ready for %d pictures at once after %.0f s", batch_size, time.monotonic() - started)

    def prepare(self, request: GenerationRequest) -> PictureInProgress:
        """Check `request` and encode its prompt. Raises InvalidOptions, OutOfMemory."""
        return within_memory(lambda: self._begin(request))

    def _begin(self, request: GenerationRequest) -> PictureInProgress:
        recipe = recipe_for(request, self._info)
        check(recipe, self._limits)
        text, was_cut = self._prompts.shorten(recipe.prompt.text)
        negative, _ = self._prompts.shorten(recipe.prompt.negative_text)
        recipe = replace(recipe, prompt=Prompt(text, negative))
        width, height = recipe.size
        scale = self._pipeline.vae_scale_factor
        shape = (self._pipeline.unet.config.in_channels, height // scale, width // scale)
        member = Member(
            latent=initial_latent(self._schedule, shape, recipe.seed, recipe.near).to(self._device),
            sigmas=self._schedule.sigmas(recipe.steps),
            guidance=recipe.guidance,
            guided_between=self._options.speed.guided_between,
        )
        self._adapters.use(recipe.adapter)
        positive, unconditional = self._prompts.encode(recipe.prompt, recipe.adapter)
        notes = (Note("prompt_cut", {"end": text[-40:]}),) if was_cut else ()
        return PictureInProgress(recipe, member, positive, unconditional, notes)

    def group_of(self, state: PictureInProgress) -> object:
        """One size, one adapter and one kind of step share a batch."""
        return (state.recipe.size, state.recipe.adapter, self._cache.is_full(state.member.index))

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
        return within_memory(lambda: self._step(states))

    def _step(self, states: Sequence[PictureInProgress]) -> list[PictureInProgress]:
        members, size = [state.member for state in states], states[0].recipe.size
        levels = [math.log(member.sigmas[member.index]) for member in members]
        is_full = self._cache.is_full(members[0].index)
        kept: list[dict[bool, DeepFeatures]] = [{} if is_full else dict(state.deep) for state in states]

        def predict(inputs: Tensor, noise: Tensor, rows: Sequence[Row]) -> Tensor:
            texts = [states[row.member].positive if row.conditional else states[row.member].negative for row in rows]
            # where some are guided and some are not, rows are padded to a number that is compiled
            rows_wanted = 2 * len(states) if len(rows) > len(states) else len(states)
            deep = [kept[row.member][row.conditional].at(levels[row.member]) for row in rows if not is_full]
            predicted = self._unet.predict(inputs, noise, texts, size=size, rows=rows_wanted, deep=deep)
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
        del self._pipeline, self._unet, self._decoder, self._previewer, self._adapters, self._prompts
        free_memory()

    def _any_adapter(self) -> str | None:
        """The first adapter that can be loaded, None if there is none or none may be used."""
        if self._limits.no_adapters:
            return None
        for name in self._adapters.names():
            try:
                self._adapters.use(name)
            except InvalidOptions:
                continue
            return name
        return None

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
            words=MINIATURE_WORDS if identity.is_miniature else None,
        )

    def _find_limits(self) -> Limits:
        native = max(self._info.size)
        refusal = "Adapters do not work with SPEED=fast, whose FP8 layers take none; choose balanced."
        return Limits(
            sides=(native // 4, 2 * native),
            side_unit=self._pipeline.vae_scale_factor * 2 ** (len(self._pipeline.unet.config.block_out_channels) - 1),
            no_adapters=refusal if self._unet.has_fp8 else "",
        )
