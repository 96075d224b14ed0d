"""What Z-Image and FLUX.2 klein do each in its own way: prompts, noise levels, guidance, latents.

An adapter a family, over the parts of its pipeline in diffusers, which is never called. Each has to paint as that
pipeline does (tests/generation/test_flow.py). They know nothing of requests and batches.
"""

import copy
import threading
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, ZImagePipeline
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from diffusers.pipelines.z_image.pipeline_z_image import calculate_shift, get_default_z_image_sigmas
from torch import Tensor

from core.prompting.prompt import TokenCounter

MOST_TOKENS = 512
"""How many tokens of a prompt these pipelines read, with what the chat template adds."""


class FlowFamily(Protocol):
    """How a family of models is run. Latents are float32 and normalised: shape (channels, height, width).

    `step_bytes`: what a row of a step takes for each pixel of a picture beside the weights, in two-byte floats
    (tests/generation/test_flow_memory.py). `own_size`: what its pipeline paints when not told, in pixels.
    `reads_negative`: whether it is guided away from a negative prompt, or from an empty one only.
    """

    step_bytes: int
    own_size: tuple[int, int]
    reads_negative: bool
    count_tokens: TokenCounter

    def __init__(self, pipeline: DiffusionPipeline) -> None: ...

    def encode(self, text: str, device: torch.device) -> Tensor:
        """The conditioning by `text`, shape (tokens, features), with the text encoder on `device`."""
        ...

    def is_guided(self, guidance: float) -> bool:
        """Whether a step with this guidance needs an evaluation without the prompt, too."""
        ...

    def guide(self, positive: Tensor, negative: Tensor, guidance: float) -> Tensor:
        """The guided velocity."""
        ...

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """The shape of the latent of a picture of `size`, width and height in pixels."""
        ...

    def sigmas(self, steps: int, size: tuple[int, int]) -> tuple[float, ...]:
        """`steps` falling noise levels, then 0."""
        ...

    def velocity(self, latents: Tensor, sigma: Tensor, texts: Sequence[Tensor]) -> Tensor:
        """The network's velocities for rows with a noise level and a conditioning each; see euler.py."""
        ...

    def raw(self, latents: Tensor) -> Tensor:
        """Latents, shape (n, channels, height, width), as the autoencoder decodes them."""
        ...


class ZImage:
    """Z-Image: time runs from noise to picture, the velocity is negated, and guidance counts from 0."""

    step_bytes = 490
    own_size = (1024, 1024)
    reads_negative = True

    def __init__(self, pipeline: ZImagePipeline) -> None:
        self._pipeline = pipeline
        self._scheduler = copy.deepcopy(pipeline.scheduler)
        self.count_tokens = chat_token_counter(pipeline.tokenizer, enable_thinking=True)

    def encode(self, text: str, device: torch.device) -> Tensor:
        """As many tokens as the prompt has; the network pads what is shorter than others, and masks it."""
        [embeds], _ = self._pipeline.encode_prompt(text, device=device, do_classifier_free_guidance=False)
        made: Tensor = embeds
        return made

    def is_guided(self, guidance: float) -> bool:
        """From 0 on."""
        return guidance > 0

    def guide(self, positive: Tensor, negative: Tensor, guidance: float) -> Tensor:
        """Away from the negative, starting at the positive."""
        return positive + guidance * (positive - negative)

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """An even number of cells a side, which the network takes two by two."""
        cell = 2 * self._pipeline.vae_scale_factor
        return int(self._pipeline.transformer.in_channels), 2 * (size[1] // cell), 2 * (size[0] // cell)

    def sigmas(self, steps: int, size: tuple[int, int]) -> tuple[float, ...]:
        """Shifted by the scheduler, by size if it is configured to."""
        config = self._scheduler.config
        _, height, width = self.latent_shape(size)
        shift = calculate_shift(
            (height // 2) * (width // 2),
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 4096),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.15),
        )
        return _levels(self._scheduler, steps, get_default_z_image_sigmas(steps), shift)

    def velocity(self, latents: Tensor, sigma: Tensor, texts: Sequence[Tensor]) -> Tensor:
        """In lists, since conditionings differ in length."""
        transformer = self._pipeline.transformer
        images = list(latents.to(transformer.dtype).unsqueeze(2).unbind(0))
        time = (1000 - sigma * 1000) / 1000  # in this order, as the pipeline has it: what is rounded is multiplied
        made = transformer(images, time, list(texts), return_dict=False)[0]
        return -torch.stack([one.float() for one in made]).squeeze(2)

    def raw(self, latents: Tensor) -> Tensor:
        """By the two numbers of the autoencoder's configuration."""
        config = self._pipeline.vae.config
        return latents / float(config.scaling_factor) + float(config.shift_factor)


class Klein:
    """FLUX.2 klein: four cells of a latent are one token, and the noise levels depend on size and number of steps."""

    step_bytes = 575
    own_size = (1024, 1024)
    reads_negative = False

    def __init__(self, pipeline: Flux2KleinPipeline) -> None:
        self._pipeline = pipeline
        self._scheduler = copy.deepcopy(pipeline.scheduler)
        self.count_tokens = chat_token_counter(pipeline.tokenizer, enable_thinking=False)
        statistics, epsilon = pipeline.vae.bn, pipeline.vae.config.batch_norm_eps
        self._mean: Tensor = statistics.running_mean.view(1, -1, 1, 1)
        self._deviation: Tensor = torch.sqrt(statistics.running_var.view(1, -1, 1, 1) + epsilon)

    def encode(self, text: str, device: torch.device) -> Tensor:
        """Always MOST_TOKENS tokens: the network was taught with the padding."""
        embeds, _ = self._pipeline.encode_prompt(text, device=device, max_sequence_length=MOST_TOKENS)
        made: Tensor = embeds[0]
        return made

    def is_guided(self, guidance: float) -> bool:
        """Above 1, unless it was distilled to do without."""
        return guidance > 1 and not self._pipeline.config.is_distilled

    def guide(self, positive: Tensor, negative: Tensor, guidance: float) -> Tensor:
        """Away from the negative, starting there."""
        return negative + guidance * (positive - negative)

    def latent_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """One cell a token."""
        cell = 2 * self._pipeline.vae_scale_factor
        return int(self._pipeline.transformer.config.in_channels), size[1] // cell, size[0] // cell

    def sigmas(self, steps: int, size: tuple[int, int]) -> tuple[float, ...]:
        """Shifted by size and steps."""
        _, height, width = self.latent_shape(size)
        stated = None if self._scheduler.config.get("use_flow_sigmas") else np.linspace(1.0, 1 / steps, steps).tolist()
        return _levels(self._scheduler, steps, stated, compute_empirical_mu(height * width, steps))

    def velocity(self, latents: Tensor, sigma: Tensor, texts: Sequence[Tensor]) -> Tensor:
        """As sequences of tokens, each with its place; see euler.py."""
        transformer = self._pipeline.transformer
        rows, channels, height, width = latents.shape
        words = torch.stack(list(texts))
        made: Tensor = transformer(
            hidden_states=latents.flatten(2).transpose(1, 2).to(transformer.dtype),
            timestep=sigma * 1000 / 1000,  # as the pipeline has it
            guidance=None,
            encoder_hidden_states=words,
            txt_ids=_places(1, 1, words.shape[1]).to(latents.device),
            img_ids=_places(height, width, 1).to(latents.device),
            return_dict=False,
        )[0]
        return made.transpose(1, 2).reshape(rows, channels, height, width)

    def raw(self, latents: Tensor) -> Tensor:
        """By the autoencoder's batch statistics; four cells again of each."""
        spread = latents * self._deviation.to(latents) + self._mean.to(latents)
        return torch.nn.functional.pixel_shuffle(spread, 2)


def family_of(pipeline: DiffusionPipeline) -> type[FlowFamily] | None:
    """The family whose pipeline it is, None if it is another's or its scheduler does not go straight to the picture."""
    scheduler = getattr(pipeline, "scheduler", None)
    if not isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        return None
    if scheduler.config.stochastic_sampling or scheduler.config.invert_sigmas:
        return None
    families: dict[Any, type[FlowFamily]] = {ZImagePipeline: ZImage, Flux2KleinPipeline: Klein}
    return families.get(type(pipeline))


def chat_token_counter(tokenizer: Any, *, enable_thinking: bool) -> TokenCounter:
    """Counts the tokens of a prompt in the chat template, on a copy of `tokenizer`: no two threads may use one."""
    own = copy.deepcopy(tokenizer)
    lock = threading.Lock()

    def count(text: str) -> int:
        said = [{"role": "user", "content": text}]
        with lock:
            prompt = own.apply_chat_template(
                said, tokenize=False, add_generation_prompt=True, enable_thinking=enable_thinking
            )
            return len(own(prompt, verbose=False).input_ids)

    return count


def _levels(
    scheduler: FlowMatchEulerDiscreteScheduler, steps: int, stated: list[float] | None, shift: float
) -> tuple[float, ...]:
    scheduler.set_timesteps(steps, sigmas=stated, mu=shift)
    return tuple(scheduler.sigmas.tolist())


def _places(height: int, width: int, length: int) -> Tensor:
    """Where each token lies: time, row, column, place in the text; shape (tokens, 4)."""
    return torch.cartesian_prod(torch.arange(1), torch.arange(height), torch.arange(width), torch.arange(length))
