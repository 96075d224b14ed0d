"""Playground v2.5's parts behind the batcher: prompts encoded once, rows predicted together, latents decoded.

A StepModel over any StableDiffusionXLPipeline with the EDM scheduler; the stock pipeline is only taken apart, never
called. Everything here runs in the batcher's thread. It knows nothing of queues.
"""

import copy
import logging
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTokenizer

from core.errors import InvalidOptions, OutOfMemory
from core.generation import GenerationRequest, GeneratorInfo, Note, Painting, Picture
from core.generation.adapters import Adapters
from core.generation.limits import Limits, check, recipe_for
from core.generation.loading import Defaults
from core.generation.memory import free_memory, within_memory
from core.generation.preview import Previewer, denormalise
from core.generation.sampler import Member, NoiseSchedule, Row, advance, initial_latent
from core.generation.speed import ALWAYS, SpeedPreset
from core.prompting import Prompt, TokenCounter
from core.recipe import Recipe

log = logging.getLogger(__name__)

CACHED_PROMPTS = 256
FASTEST_ATTENTION = [
    SDPBackend.CUDNN_ATTENTION,
    SDPBackend.FLASH_ATTENTION,
    SDPBackend.EFFICIENT_ATTENTION,
    SDPBackend.MATH,  # for GPUs that have none of the others
]


@dataclass(frozen=True)
class Conditioning:
    """An encoded prompt: `embeds` (tokens, features) and `pooled` (features,), on the model's device."""

    embeds: Tensor
    pooled: Tensor


@dataclass(frozen=True)
class PictureInProgress:
    """One picture under way; `recipe` has the prompt as it was painted."""

    recipe: Recipe
    member: Member
    positive: Conditioning
    negative: Conditioning
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class ModelIdentity:
    """What goes into the recipe."""

    name: str
    revision: str
    is_miniature: bool


class PlaygroundModel:
    """See StepModel. `preview_every` 0 means no previews; `compiled` says that the UNet was compiled."""

    def __init__(
        self,
        pipeline: StableDiffusionXLPipeline,
        identity: ModelIdentity,
        *,
        defaults: Defaults,
        speed: SpeedPreset,
        adapters_dir: Path,
        preview_every: int,
        compile_model: bool,
        taesd_directory: Path | None = None,
    ) -> None:
        self._pipeline = pipeline
        self._identity = identity
        self._defaults = defaults
        self._speed = speed
        self._preview_every = preview_every
        self._device = pipeline.unet.device
        self._on_cuda = self._device.type == "cuda"
        config = pipeline.scheduler.config
        self._schedule = NoiseSchedule(config.sigma_min, config.sigma_max, config.sigma_data, config.rho)
        self._scale = pipeline.vae_scale_factor
        self._adapters = Adapters(pipeline, adapters_dir, hot_swap=compile_model)
        self._previewer = Previewer(pipeline.vae, taesd_directory) if preview_every else None
        self._unet = self._prepare_unet(compile_model)
        self._count_tokens = token_counter(pipeline.tokenizer)
        self._most_tokens = defaults.max_prompt_tokens or int(pipeline.tokenizer.model_max_length)
        self._encode = lru_cache(CACHED_PROMPTS)(self._encode_now)
        self._info = self._describe()
        self._limits = self._find_limits()

    def info(self) -> GeneratorInfo:
        """What paints."""
        return self._info

    def _describe(self) -> GeneratorInfo:
        side = self._pipeline.default_sample_size * self._scale
        return GeneratorInfo(
            model=self._identity.name,
            revision=self._identity.revision,
            steps=max(1, round(self._defaults.steps * self._speed.steps_share)),
            guidance=self._defaults.guidance,
            size=self._defaults.size or (side, side),
            is_miniature=self._identity.is_miniature,
            adapters=self._adapters.names(),
            count_tokens=self._count_tokens,
            most_tokens=self._most_tokens,
            speed=self._speed.name,
        )

    def _find_limits(self) -> Limits:
        native = max(self._info.size)
        refusal = "Adapters do not work with SPEED=fast, whose FP8 layers take none; choose balanced."
        return Limits(
            sides=(native // 4, 2 * native),
            side_unit=self._scale * 2 ** (len(self._pipeline.unet.config.block_out_channels) - 1),
            no_adapters=refusal if self._has_fp8 else "",
        )

    def warm_up(self, batch_size: int) -> None:
        """Compile for this batch size, guided and not, so that it is over before anyone waits for it.

        If compiling fails (no C compiler, say), pictures are painted uncompiled from then on, and the log says so.
        """
        if self._unet is self._pipeline.unet:
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
                    self.step([replace(state, member=member)] * batch_size)
        except OutOfMemory:
            raise
        except Exception:
            log.warning("the model cannot be compiled here; pictures are painted uncompiled", exc_info=True)
            self._unet = self._pipeline.unet
        log.info("ready for %d pictures at once after %.0f s", batch_size, time.monotonic() - started)

    def _any_adapter(self) -> str | None:
        """The first adapter that can be loaded, None if there is none."""
        for name in self._adapters.names():
            try:
                self._adapters.use(name)
            except InvalidOptions:
                continue
            return name
        return None

    def prepare(self, request: GenerationRequest) -> PictureInProgress:
        """Check `request` and encode its prompt. Raises InvalidOptions."""
        recipe = recipe_for(request, self._info)
        check(recipe, self._limits)
        text, was_cut = self._shorten(recipe.prompt.text)
        negative, _ = self._shorten(recipe.prompt.negative_text)
        recipe = replace(recipe, prompt=Prompt(text, negative))
        width, height = recipe.size
        shape = (self._pipeline.unet.config.in_channels, height // self._scale, width // self._scale)
        member = Member(
            latent=initial_latent(self._schedule, shape, recipe.seed).to(self._device),
            sigmas=self._schedule.sigmas(recipe.steps),
            guidance=recipe.guidance,
            guided_between=self._speed.guided_between,
        )
        self._adapters.use(recipe.adapter)
        with torch.inference_mode():
            positive, unconditional = self._encode(text, negative, recipe.adapter)
        notes = (Note("prompt_cut", {"end": text[-40:]}),) if was_cut else ()
        return PictureInProgress(recipe, member, positive, unconditional, notes)

    def group_of(self, state: PictureInProgress) -> object:
        """One size and one adapter share a batch."""
        return (state.recipe.size, state.recipe.adapter)

    @torch.inference_mode()
    def step(self, states: Sequence[PictureInProgress]) -> list[PictureInProgress]:
        """Everyone one step further. Raises OutOfMemory."""
        self._adapters.use(states[0].recipe.adapter)
        # where some are guided and some are not, rows are padded to a number that is compiled
        guided = any(state.member.is_guided for state in states)
        rows_wanted = 2 * len(states) if guided else len(states)

        def predict(inputs: Tensor, noise: Tensor, rows: Sequence[Row]) -> Tensor:
            return self._predict(states, inputs, noise, rows, rows_wanted)

        members = within_memory(lambda: advance([state.member for state in states], predict, self._schedule))
        return [replace(state, member=member) for state, member in zip(states, members, strict=True)]

    def progress(self, state: PictureInProgress) -> Painting:
        """How far it is; a preview every few steps, never at the end, where the picture itself comes."""
        member = state.member
        due = self._previewer is not None and not member.finished and member.index % self._preview_every == 0
        preview = None
        if due and self._previewer is not None and member.previous is not None:
            preview = self._previewer.jpeg(member.previous)
        return Painting(member.index, member.steps, preview)

    def is_finished(self, state: PictureInProgress) -> bool:
        """Whether the latent is clean."""
        return state.member.finished

    @torch.inference_mode()
    def decode(self, states: Sequence[PictureInProgress]) -> list[Image.Image]:
        """The finished pictures. Raises OutOfMemory."""
        vae = self._pipeline.vae
        latents = torch.stack([state.member.latent for state in states])
        latents = denormalise(vae, latents).to(vae.dtype)
        decoded = within_memory(lambda: vae.decode(latents, return_dict=False)[0].float())
        return list(self._pipeline.image_processor.postprocess(decoded, output_type="pil"))

    def picture(self, state: PictureInProgress, image: Image.Image, seconds: float) -> Picture:
        """The picture with its recipe, enlarged to the size that the model wants to be shown at."""
        if self._defaults.show_size is not None and state.recipe.size == self._info.size:
            image = image.resize(self._defaults.show_size, Image.Resampling.LANCZOS)
        return Picture(image, state.recipe, seconds, self._info.is_miniature, state.notes)

    def close(self) -> None:
        """Free the device."""
        self._encode.cache_clear()
        del self._pipeline, self._unet, self._previewer, self._adapters
        free_memory()

    def _prepare_unet(self, compile_model: bool) -> Callable[..., tuple[Tensor]]:
        unet: Callable[..., tuple[Tensor]] = self._pipeline.unet
        self._has_fp8 = False
        if self._on_cuda:
            self._pipeline.unet.to(memory_format=torch.channels_last)
            self._pipeline.vae.to(memory_format=torch.channels_last)
            if self._speed.fp8:
                self._has_fp8 = quantise_linears(self._pipeline.unet)
        if not compile_model:
            return unet
        prepare_compiler()
        compiled: Callable[..., tuple[Tensor]] = torch.compile(
            unet, mode="max-autotune-no-cudagraphs" if self._on_cuda else None, dynamic=False
        )
        return compiled

    def _predict(
        self, states: Sequence[PictureInProgress], inputs: Tensor, noise: Tensor, rows: Sequence[Row], rows_wanted: int
    ) -> Tensor:
        """The UNet's raw output for `rows`, padded with copies of the last row to `rows_wanted`."""
        conditionings = [
            states[row.member].positive if row.conditional else states[row.member].negative for row in rows
        ]
        embeds = torch.stack([conditioning.embeds for conditioning in conditionings])
        pooled = torch.stack([conditioning.pooled for conditioning in conditionings])
        width, height = states[0].recipe.size
        # SDXL's micro-conditioning: original size, crop corner, target size, each (height, width)
        ids = torch.tensor([height, width, 0, 0, height, width], device=inputs.device, dtype=embeds.dtype)
        padding = rows_wanted - len(rows)
        with self._fast_attention():
            # other sizes would each be compiled anew, for minutes, while everybody waits
            unet = self._unet if states[0].recipe.size == self._info.size else self._pipeline.unet
            output = unet(
                _pad(inputs, padding).to(embeds.dtype).contiguous(memory_format=self._memory_format),
                _pad(noise, padding),
                encoder_hidden_states=_pad(embeds, padding),
                added_cond_kwargs={"text_embeds": _pad(pooled, padding), "time_ids": ids.repeat(rows_wanted, 1)},
                return_dict=False,
            )[0]
        return output[: len(rows)]

    @property
    def _memory_format(self) -> torch.memory_format:
        return torch.channels_last if self._on_cuda else torch.contiguous_format

    @contextmanager
    def _fast_attention(self) -> Iterator[None]:
        if not self._on_cuda:
            yield
            return
        with sdpa_kernel(FASTEST_ATTENTION, set_priority=True):
            yield

    def _encode_now(self, text: str, negative: str, adapter: str | None) -> tuple[Conditioning, Conditioning]:
        """Both prompts' conditionings; an empty negative prompt is zeros, as Playground was trained.

        `adapter` is the one in use: it may change the text encoders, so it is part of what the cache is asked for.
        """
        del adapter
        embeds, no_embeds, pooled, no_pooled = self._pipeline.encode_prompt(
            text,
            device=self._device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=True,
            negative_prompt=negative or None,
        )
        return Conditioning(embeds[0], pooled[0]), Conditioning(no_embeds[0], no_pooled[0])

    def _shorten(self, text: str) -> tuple[str, bool]:
        """`text`, or as much of its beginning as the model reads, up to a word if it can be, and whether it was cut."""
        if self._count_tokens(text) <= self._most_tokens:
            return text, False
        # by bisection: the count grows with the text
        fits = bisect_right(range(len(text)), self._most_tokens, key=lambda end: self._count_tokens(text[:end])) - 1
        beginning = text[: max(1, fits)]
        words = beginning.rsplit(None, 1)[0] if not text[len(beginning)].isspace() and " " in beginning else beginning
        return words.rstrip(" ,;"), True


def token_counter(tokenizer: CLIPTokenizer) -> TokenCounter:
    """Counts tokens, start and end included, on a copy of `tokenizer`: no two threads may use the same one at once."""
    own = copy.deepcopy(tokenizer)
    lock = threading.Lock()

    def count(text: str) -> int:
        with lock:
            return len(own(text, verbose=False).input_ids)

    return count


def prepare_compiler() -> None:
    """One compiled network for each batch size, with and without an adapter, is meant: without this, dynamo gives up
    after eight. The inductor options are those that diffusers' documentation recommends for SDXL ("fp16.md")."""
    torch._dynamo.config.recompile_limit = 128
    torch._inductor.config.conv_1x1_as_mm = True
    torch._inductor.config.coordinate_descent_tuning = True
    torch._inductor.config.epilogue_fusion = False
    torch._inductor.config.coordinate_descent_check_all_directions = True


def quantise_linears(unet: torch.nn.Module) -> bool:
    """FP8 for the large linear layers, where torchao is installed and the GPU has FP8; otherwise says so and leaves
    the model as it is. Returns whether it was done."""
    if torch.cuda.get_device_capability() < (8, 9):
        log.warning("this GPU has no FP8; SPEED=fast works without it")
        return False
    try:
        from torchao.quantization import Float8DynamicActivationFloat8WeightConfig, PerRow, quantize_
    except ImportError:
        log.warning("FP8 needs torchao (pip install torchao); SPEED=fast works without it")
        return False

    def is_large(module: torch.nn.Module, name: str) -> bool:
        # keys and values of the prompt have 77 rows only, and time embeddings one: nothing is gained there
        small = "time_" in name or "add_embedding" in name or "attn2.to_k" in name or "attn2.to_v" in name
        return isinstance(module, torch.nn.Linear) and not small and min(module.weight.shape) >= 640

    quantize_(unet, Float8DynamicActivationFloat8WeightConfig(granularity=PerRow()), filter_fn=is_large)
    return True


def _pad(values: Tensor, count: int) -> Tensor:
    """`values` with `count` copies of its last row appended."""
    return values if count <= 0 else torch.cat([values, values[-1:].expand(count, *values.shape[1:])])
