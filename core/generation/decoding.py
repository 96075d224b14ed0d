"""Clean latents to pictures, whole or tile by tile, and back. Knows nothing of requests."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import torch
from diffusers import DiffusionPipeline
from PIL import Image
from torch import Tensor

from core.errors import OutOfMemory
from core.generation.loading import within_memory
from core.generation.preview import denormalise, normalise
from core.generation.residence import TILE_SIDE

Raw = Callable[[Tensor], Tensor]


class Decoder:
    """The autoencoder of `pipeline`. Call from the painting thread only.

    `tile`: pixels of a tile's side. Neighbours share a quarter of it, across which the one fades into the other; since
    each tile is normalised by itself, its tone can differ a little from its neighbour's, so that seams may show.
    """

    def __init__(self, pipeline: DiffusionPipeline, tile: int = TILE_SIDE, *, raw: Raw | None = None) -> None:
        """`raw` makes of normalised latents what the autoencoder decodes; None: as SDXL does."""
        self._raw: Raw = raw or partial(denormalise, pipeline.vae)
        self._processor = pipeline.image_processor
        self._vae = pipeline.vae
        self._vae.to(memory_format=torch.channels_last)  # on a processor it decodes quicker too
        self._vae.tile_sample_min_size = tile
        self._vae.tile_latent_min_size = tile // pipeline.vae_scale_factor

    @torch.inference_mode()
    def decode(self, latents: Sequence[Tensor], *, tiled: bool) -> list[Image.Image]:
        """The pictures of normalised `latents`, each of shape (channels, height, width). Raises OutOfMemory."""
        (self._vae.enable_tiling if tiled else self._vae.disable_tiling)()
        return within_memory(lambda: self._decode(torch.stack(list(latents))))

    @torch.inference_mode()
    def encode(self, image: Image.Image, size: tuple[int, int]) -> Tensor:
        """The normalised latent of `image`, scaled to `size`: float32, shape (channels, height, width); as SDXL does.

        In tiles where the whole is too large for the memory. Raises OutOfMemory.
        """
        scaled = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
        pixels = self._processor.preprocess(scaled).to(self._vae.device, self._vae.dtype)
        for arrange in (self._vae.disable_tiling, self._vae.enable_tiling):
            arrange()
            with suppress(OutOfMemory):
                return within_memory(lambda: self._encode(pixels))
        raise OutOfMemory

    def _encode(self, pixels: Tensor) -> Tensor:
        raw = self._vae.encode(pixels).latent_dist.mode().float()
        return normalise(self._vae, raw)[0]

    def _decode(self, latents: Tensor) -> list[Image.Image]:
        raw = self._raw(latents).to(self._vae.dtype)
        decoded = self._vae.decode(raw, return_dict=False)[0].float()
        return list(self._processor.postprocess(decoded, output_type="pil"))
