"""Prompts for SDXL's UNet: cut to what the text encoders read, encoded once, remembered.

Call from the painting thread only, but for `count_tokens`. It knows nothing of requests.
"""

import copy
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor
from transformers import CLIPTokenizer

from core.generation.encodings import Encodings
from core.generation.placing import TextEncoders
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
        self._encoders = TextEncoders.of(pipeline, self._device)
        self.count_tokens = token_counter(pipeline.tokenizer)
        self.most_tokens = most_tokens or int(pipeline.tokenizer.model_max_length)
        encode, aside = (partial(self._encode, where) for where in (self._encoders.at_work, self._encoders.at_home))
        self._encodings = Encodings(encode, aside, CACHED_PROMPTS)

    def encode(self, prompt: Prompt, adapter: str | None) -> tuple[TextConditioning, TextConditioning]:
        """The conditionings of both prompts; an empty negative prompt is zeros, as Playground was trained.

        `adapter` is the one in use: it may change the text encoders, so it is part of what is remembered.
        """
        return self._encodings.get((prompt, adapter))

    def begin(self, prompt: Prompt, adapter: str | None) -> Sequence[Future[Any]]:
        """Have that encoded in another thread where it is slow and needs none of the GPU; else nothing is begun.

        Until `settle`, no adapter may change the text encoders.
        """
        return [self._encodings.begin((prompt, adapter))] if self._encoders.stay_at_home() else []

    def settle(self) -> None:
        """Wait for all that was begun."""
        self._encodings.settle()

    def shorten(self, text: str) -> tuple[str, bool]:
        """`text`, or as much of its beginning as the model reads, up to a word if it can be, and whether it was cut."""
        return shortened(text, self.count_tokens, self.most_tokens)

    def park(self) -> bool:
        """Keep the text encoders in main memory between prompts. False if they are there."""
        return self._encoders.park()

    def close(self) -> None:
        """Free what is remembered, and let go of the pipeline."""
        self._encodings.close()
        del self._encodings, self._pipeline

    @torch.inference_mode()
    def _encode(
        self, where: Callable[[], AbstractContextManager[torch.device]], asked: tuple[Prompt, str | None]
    ) -> tuple[TextConditioning, TextConditioning]:
        prompt, _ = asked
        with where() as device:
            embeds, no_embeds, pooled, no_pooled = self._pipeline.encode_prompt(
                prompt.text,
                device=device,
                num_images_per_prompt=1,
                do_classifier_free_guidance=True,
                negative_prompt=prompt.negative_text or None,
            )
        return self._conditioning(embeds, pooled), self._conditioning(no_embeds, no_pooled)

    def _conditioning(self, embeds: Tensor, pooled: Tensor) -> TextConditioning:
        return TextConditioning(embeds[0].to(self._device), pooled[0].to(self._device))


def shortened(text: str, count_tokens: TokenCounter, most: int) -> tuple[str, bool]:
    """`text`, or as much of its beginning as is `most` tokens, up to a word if it can be, and whether it was cut."""
    if count_tokens(text) <= most:
        return text, False
    # by bisection: the count grows with the text
    fits = bisect_right(range(len(text)), most, key=lambda end: count_tokens(text[:end])) - 1
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
