"""Prompts for SDXL's UNet: cut to what the text encoders read, encoded once, remembered.

Call from the painting thread only, but for `count_tokens`. It knows nothing of requests.
"""

import copy
import threading
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor
from transformers import CLIPTokenizer

from core.generation.placing import free_bytes
from core.generation.residence import ENCODING_BYTES
from core.prompting.prompt import Prompt, TokenCounter

CACHED_PROMPTS = 256


@dataclass(frozen=True)
class TextConditioning:
    """An encoded prompt: `embeds` (tokens, features) and `pooled` (features,), on the model's device."""

    embeds: Tensor
    pooled: Tensor


class PromptEncoder:
    """The text encoders of `pipeline`, which read `most_tokens` tokens, start and end included."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, most_tokens: int | None = None) -> None:
        self._pipeline = pipeline
        self._device = pipeline.unet.device
        self._encoders_device: torch.device = pipeline.text_encoder.device
        self.count_tokens = token_counter(pipeline.tokenizer)
        self.most_tokens = most_tokens or int(pipeline.tokenizer.model_max_length)
        self._encode = lru_cache(CACHED_PROMPTS)(self._encode_now)

    def encode(self, prompt: Prompt, adapter: str | None) -> tuple[TextConditioning, TextConditioning]:
        """The conditionings of both prompts; an empty negative prompt is zeros, as Playground was trained.

        `adapter` is the one in use: it may change the text encoders, so it is part of what is remembered.
        """
        return self._encode(prompt, adapter)

    def shorten(self, text: str) -> tuple[str, bool]:
        """`text`, or as much of its beginning as the model reads, up to a word if it can be, and whether it was cut."""
        if self.count_tokens(text) <= self.most_tokens:
            return text, False
        # by bisection: the count grows with the text
        fits = bisect_right(range(len(text)), self.most_tokens, key=lambda end: self.count_tokens(text[:end])) - 1
        beginning = text[: max(1, fits)]
        words = beginning.rsplit(None, 1)[0] if not text[len(beginning)].isspace() and " " in beginning else beginning
        return words.rstrip(" ,;"), True

    def park(self) -> bool:
        """Keep the text encoders in main memory between prompts. False if they are there."""
        if self._encoders_device.type == "cpu":
            return False
        self._encoders_device = torch.device("cpu")
        self._move_to(self._encoders_device)
        return True

    def close(self) -> None:
        """Free what is remembered, and let go of the pipeline."""
        self._encode.cache_clear()
        del self._encode, self._pipeline

    @torch.inference_mode()
    def _encode_now(self, prompt: Prompt, adapter: str | None) -> tuple[TextConditioning, TextConditioning]:
        del adapter
        with self._encoders() as device:
            embeds, no_embeds, pooled, no_pooled = self._pipeline.encode_prompt(
                prompt.text,
                device=device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=True,
                negative_prompt=prompt.negative_text or None,
            )
        return self._conditioning(embeds, pooled), self._conditioning(no_embeds, no_pooled)

    @contextmanager
    def _encoders(self) -> Iterator[torch.device]:
        """Where the text encoders are within: parked ones on the GPU if there is room, else where they are."""
        parked = self._encoders_device != self._device
        if not parked or free_bytes(self._device) < ENCODING_BYTES:
            yield self._encoders_device
            return
        try:
            self._move_to(self._device)
            yield self._device
        finally:
            self._move_to(self._encoders_device)

    def _move_to(self, device: torch.device) -> None:
        for encoder in (self._pipeline.text_encoder, self._pipeline.text_encoder_2):
            encoder.to(device)

    def _conditioning(self, embeds: Tensor, pooled: Tensor) -> TextConditioning:
        return TextConditioning(embeds[0].to(self._device), pooled[0].to(self._device))


def token_counter(tokenizer: CLIPTokenizer) -> TokenCounter:
    """Counts tokens, start and end included, on a copy of `tokenizer`: no two threads may use the same one at once."""
    own = copy.deepcopy(tokenizer)
    lock = threading.Lock()

    def count(text: str) -> int:
        with lock:
            return len(own(text, verbose=False).input_ids)

    return count
