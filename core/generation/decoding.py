"""Clean latents to pictures, whole or tile by tile. Knows nothing of requests."""

from collections.abc import Sequence

import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from core.generation.loading import within_memory
from core.generation.preview import denormalise
from core.generation.residence import TILE_SIDE


class Decoder:
    """The autoencoder of `pipeline`. Call from the painting thread only.

    `tile`: pixels of a tile's side. Neighbours share a quarter of it, across which the one fades into the other; since
    each tile is normalised by itself, its tone can differ a little from its neighbour's, so that seams may show.
    """

    def __init__(self, pipeline: StableDiffusionXLPipeline, tile: int = TILE_SIDE) -> None:
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

    def _decode(self, latents: Tensor) -> list[Image.Image]:
        raw = denormalise(self._vae, latents).to(self._vae.dtype)
        decoded = self._vae.decode(raw, return_dict=False)[0].float()
        return list(self._processor.postprocess(decoded, output_type="pil"))
