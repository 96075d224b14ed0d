"""Pictures come out of latents whole, or in tiles that differ from that by little."""

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from core.generation.decoding import Decoder
from core.generation.preview import normalise
from core.models import ModelStore
from core.settings import CoreSettings


@pytest.fixture(scope="module")
def miniature() -> StableDiffusionXLPipeline:
    path = ModelStore(CoreSettings()).image_model(on_gpu=False).path
    return StableDiffusionXLPipeline.from_pretrained(path, use_safetensors=True)


def test_tiles_lie_where_they_belong_and_differ_by_their_tone_only(miniature: StableDiffusionXLPipeline) -> None:
    """Fields of colour, 256 pixels a side, in tiles of 128: three across and three down."""
    fields = torch.rand((1, 3, 6, 6), generator=torch.Generator().manual_seed(0)) * 2 - 1
    picture = torch.nn.functional.interpolate(fields, size=256, mode="bicubic").clamp(-1, 1)
    with torch.inference_mode():
        latent = normalise(miniature.vae, miniature.vae.encode(picture).latent_dist.mean)[0]
    decoder = Decoder(miniature, tile=128)
    [whole], [tiles], [again] = (decoder.decode([latent], tiled=tiled) for tiled in (False, True, False))
    assert whole.size == tiles.size == (256, 256)
    values = np.stack([np.asarray(image, np.float32).ravel() for image in (whole, tiles)])
    assert np.asarray(np.corrcoef(values))[0, 1] > 0.98
    assert whole != tiles
    assert whole == again, "the next picture is whole again"


def test_picture_no_larger_than_a_tile_is_the_same_either_way(miniature: StableDiffusionXLPipeline) -> None:
    latent = torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(0))
    decoder = Decoder(miniature)
    assert decoder.decode([latent], tiled=True)[0] == decoder.decode([latent], tiled=False)[0]
