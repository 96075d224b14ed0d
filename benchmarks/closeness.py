"""Whether a picture *near* another one stays close to it: `python -m benchmarks.closeness`, with the bundled miniature.

For each pair of seeds three pictures are painted: one, one near it, and one of the other seed alone. Distances are
those of the model's own autoencoder: root mean square between latents. Printed: how often the near one is nearer.
"""

import argparse
import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor

from core.generation.factory import make_generator
from core.generation.protocol import Failed, GenerationEvent, GenerationRequest, ImageGenerator, Painted
from core.models import ModelStore
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

PROMPTS = ("a barking dog", "a steam train", "rain running down a window", "a rooster crowing at sunrise", "a violin")


def count_nearer(generator: ImageGenerator, encode: Callable[[Image.Image], Tensor], pairs: int) -> int:
    """In how many of so many pairs the near picture is nearer than the one of a new seed."""
    nearer = 0
    for number in range(pairs):
        request = GenerationRequest(Prompt(PROMPTS[number % len(PROMPTS)], ""), seed=2 * number)
        other = replace(request, seed=2 * number + 1)
        first, near, new = (
            encode(paint(generator, one)) for one in (request, replace(other, near=request.seed), other)
        )
        nearer += _distance(first, near) < _distance(first, new)
    return nearer


def paint(generator: ImageGenerator, request: GenerationRequest) -> Image.Image:
    """One picture. Raises what the generator does."""
    ended = threading.Event()
    last: list[GenerationEvent] = []

    def listen(event: GenerationEvent) -> None:
        if isinstance(event, Painted | Failed):
            last.append(event)
            ended.set()

    generator.submit(request, listen)
    ended.wait()
    if isinstance(last[0], Failed):
        raise last[0].error
    assert isinstance(last[0], Painted)
    return last[0].picture.image


def encoder(settings: CoreSettings) -> Callable[[Image.Image], Tensor]:
    """The encoder of the model that paints without a GPU."""
    model = ModelStore(settings).image_model(on_gpu=False)
    vae = AutoencoderKL.from_pretrained(model.source, subfolder="vae", torch_dtype=torch.float32)

    @torch.inference_mode()
    def encode(image: Image.Image) -> Tensor:
        pixels = torch.from_numpy(np.asarray(image.convert("RGB"), np.float32) / 127.5 - 1)
        latent: Tensor = vae.encode(pixels.permute(2, 0, 1)[None]).latent_dist.mean[0]
        return latent

    return encode


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean().sqrt())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.closeness", description=__doc__)
    parser.add_argument("--pairs", type=int, default=100)
    chosen = parser.parse_args()
    settings = CoreSettings(download_models=False)
    generator = make_generator(settings, ModelStore(settings))
    nearer = count_nearer(generator, encoder(settings), chosen.pairs)
    generator.close()
    print(f"The near picture is nearer than that of a new seed in {nearer} of {chosen.pairs}.")


if __name__ == "__main__":
    main()
