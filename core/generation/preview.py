"""Small previews of pictures under way: a linear map from normalised latents to colours, fitted to the model's VAE.

A latent's four channels are close to a linear code of its cell's colour, so a 4 -> 3 map fitted by least squares on
random colour patches shows the picture well enough, at no cost. With TAESDXL's weights at hand a tiny decoder is used
instead. Knows nothing of requests.
"""

import io
import logging
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from PIL import Image, ImageFilter
from torch import Tensor

from core.provenance.xmp import MADE_BY_A_MODEL

log = logging.getLogger(__name__)

PREVIEW_SIDE = 256
"""Pixels of a preview's longer side."""
SOFTNESS = 0.5
"""The standard deviation of a preview's blur at the first step, in pixels of the latent."""

Normalised = Callable[[AutoencoderKL, Tensor], Tensor]


class Previewer:
    """Latents to JPEG. `latent` everywhere: normalised, float32, shape (4, h, w).

    Of other autoencoders than SDXL's it takes what `normalised` makes of their raw latents, of any number of channels.
    """

    def __init__(
        self, vae: AutoencoderKL, taesd_directory: Path | None = None, *, normalised: Normalised | None = None
    ) -> None:
        self._vae = vae
        self._taesd: AutoencoderTiny | None = None
        if taesd_directory is not None and taesd_directory.is_dir():
            try:
                tiny = AutoencoderTiny.from_pretrained(taesd_directory, local_files_only=True, use_safetensors=True)
                self._taesd = tiny.to(vae.device)
            except (OSError, ValueError):
                log.warning("cannot load %s; previews stay simple", taesd_directory, exc_info=True)
        self._map = fit_colours(vae, normalised or normalise)

    def jpeg(self, latent: Tensor, share_done: float) -> bytes:
        """`latent` as a JPEG of a few kilobytes, enlarged smoothly and out of focus, less so the more of it is done: a
        picture comes out of mist, not out of blocks."""
        colours = self._decode(latent) if self._taesd is not None else self.colours(latent)
        pixels = ((colours.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).cpu().numpy()
        image = Image.fromarray(pixels)
        scale = PREVIEW_SIDE / max(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        buffer = io.BytesIO()
        mist = SOFTNESS * (1 - share_done) * PREVIEW_SIDE / max(latent.shape[1:])
        soft = image.resize(size, Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(mist))
        soft.save(buffer, "JPEG", quality=70, xmp=MADE_BY_A_MODEL.encode())
        return buffer.getvalue()

    def colours(self, latent: Tensor) -> Tensor:
        """The linear map: shape (3, h, w), about -1..1."""
        weights = self._map.to(latent.device)
        flat = latent.flatten(1)
        return (weights[:-1].T @ flat + weights[-1][:, None]).view(3, *latent.shape[1:])

    @torch.no_grad()
    def _decode(self, latent: Tensor) -> Tensor:
        assert self._taesd is not None
        # TAESDXL takes SDXL's scaled latents: the raw ones times 0.13025
        scaled = denormalise(self._vae, latent[None]) * 0.13025
        decoded: Tensor = self._taesd.decode(scaled.to(self._taesd.dtype), return_dict=False)[0][0].float()
        return decoded


@torch.no_grad()
def fit_colours(
    vae: AutoencoderKL, normalised: Normalised, *, pictures: int = 8, cells: int = 8, seed: int = 0
) -> Tensor:
    """The least-squares map from normalised latents to colours: shape (channels + 1, 3), the last row the offset.

    Fitted on random two-by-two colour fields, encoded by `vae`; `cells` latent cells a side.
    """
    generator = torch.Generator("cpu").manual_seed(seed)
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    fields = torch.rand((pictures, 3, 2, 2), generator=generator) * 2 - 1
    images = torch.nn.functional.interpolate(fields, size=cells * factor, mode="nearest")
    raw = vae.encode(images.to(vae.device, vae.dtype)).latent_dist.mean.float().cpu()
    latents = normalised(vae, raw)
    colours = torch.nn.functional.avg_pool2d(images, factor)
    inputs = latents.permute(0, 2, 3, 1).flatten(0, 2)
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    solved = torch.linalg.lstsq(inputs, colours.permute(0, 2, 3, 1).flatten(0, 2), driver="gelsd")
    return torch.as_tensor(solved.solution)


def normalise(vae: AutoencoderKL, raw: Tensor) -> Tensor:
    """The VAE's raw latents, shape (n, c, h, w), as the UNet knows them: (z - mean) * scaling_factor / std."""
    mean, std = _statistics(vae, raw)
    scaling = float(vae.config.scaling_factor)
    return (raw - mean) * scaling / std


def denormalise(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """The inverse of `normalise`, as StableDiffusionXLPipeline does before decoding."""
    mean, std = _statistics(vae, latents)
    scaling = float(vae.config.scaling_factor)
    return latents * std / scaling + mean


def _statistics(vae: AutoencoderKL, like: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
    if mean is None or std is None:
        return torch.zeros(1, 1, 1, 1).to(like), torch.ones(1, 1, 1, 1).to(like)
    return torch.tensor(mean).view(1, -1, 1, 1).to(like), torch.tensor(std).view(1, -1, 1, 1).to(like)
