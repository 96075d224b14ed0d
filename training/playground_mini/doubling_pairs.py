"""Pairs for the decoder that emits 256 pixels: latents as the finished painter leaves them, and the pictures meant.

Takes the exported pipeline as it is (its encoder, text encoders and UNet stay what they are). Half of the pairs are
clean latents of random compositions; for the others the latents of a captioned composition are noised and painted
again by the pipeline's UNet in a few solver steps with guidance, so that the decoder sees what it will be given.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from core.prompting.styles import Style

from .art import SpriteSheet
from .backgrounds import PLACES, WEATHERS
from .captions import CaptionSource
from .compositions import Composition, compose
from .drawing import as_pictures
from .painter import SIGMA_DATA
from .text_encoders import tokenise

GUIDANCE = 1.5


def picture_bytes(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1).copy())


def random_composition(sprites: SpriteSheet, chance: random.Random) -> Composition:
    count = chance.choices((0, 1, 2, 3), (1, 9, 5, 3))[0]
    weather = chance.choices(WEATHERS, (8, 2, 2, 1))[0]
    style = chance.choice(list(Style)) if chance.random() < 0.4 else Style.NONE
    return Composition(chance.choice(PLACES), weather, tuple(chance.sample(sorted(sprites.large), count)), style)


class Painter:
    """The pipeline's UNet and text encoders, for a few steps from a given noise level down to none."""

    def __init__(self, pipeline: StableDiffusionXLPipeline) -> None:
        self.pipeline = pipeline

    def encode(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        tokens = tokenise(self.pipeline.tokenizer, texts)
        first = self.pipeline.text_encoder(tokens, output_hidden_states=True)
        second = self.pipeline.text_encoder_2(tokens, output_hidden_states=True)
        return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1), second[0]

    def denoise(self, noisy: Tensor, sigma: Tensor, states: Tensor, pooled: Tensor, told: bool) -> Tensor:
        wide = sigma.view(-1, 1, 1, 1)
        variance = wide**2 + SIGMA_DATA**2
        if not told:
            states, pooled = torch.zeros_like(states), torch.zeros_like(pooled)
        sizes = torch.tensor([256.0, 256, 0, 0, 256, 256]).repeat(len(noisy), 1)
        output = self.pipeline.unet(
            noisy / variance.sqrt(),
            0.25 * sigma.log(),
            encoder_hidden_states=states,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": sizes},
        ).sample.float()
        return SIGMA_DATA**2 / variance * noisy + SIGMA_DATA * wide / variance.sqrt() * output

    def repaint(self, clean: Tensor, texts: list[str], first: Tensor, steps: int) -> Tensor:
        """From sigma `first` (one for each picture) to nothing, second-order multistep in log sigma."""
        states, pooled = self.encode(texts)
        x = clean + first.view(-1, 1, 1, 1) * torch.randn_like(clean)
        last = 0.05
        previous: Tensor | None = None
        for step in range(steps):
            sigma = first * (last / first) ** (step / steps)
            following = first * (last / first) ** ((step + 1) / steps)
            told = self.denoise(x, sigma, states, pooled, told=True)
            untold = self.denoise(x, sigma, states, pooled, told=False)
            denoised = untold + GUIDANCE * (told - untold)
            if step == steps - 1:
                return denoised
            blend = denoised if previous is None else 1.5 * denoised - 0.5 * previous
            ratio = (following / sigma).view(-1, 1, 1, 1)
            x = ratio * x + (1 - ratio) * blend
            previous = denoised
        return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="the exported pipeline")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clean", type=int, default=1600)
    parser.add_argument("--painted", type=int, default=2400)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--seed", type=int, default=51)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)

    sprites = SpriteSheet.load(arguments.sprites)
    pipeline = StableDiffusionXLPipeline.from_pretrained(arguments.model, torch_dtype=torch.float32)
    vae, painter = pipeline.vae, Painter(pipeline)
    mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1)
    deviation = torch.tensor(vae.config.latents_std).view(1, -1, 1, 1)
    source, chance = CaptionSource(arguments.seed), random.Random(arguments.seed)
    pictures: list[Tensor] = []
    latents: list[Tensor] = []
    captions: list[str] = []
    start = time.monotonic()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for _ in range(0, arguments.clean, 32):
            shown = torch.stack(
                [picture_bytes(compose(random_composition(sprites, chance), sprites, chance)) for _ in range(32)]
            )
            pictures.append(shown)
            latents.append(vae.encode(as_pictures(shown, vae.config.sample_size)).latent_dist.mode().half())
            captions += [""] * 32
        print(f"{arguments.clean} clean, {time.monotonic() - start:.0f} s", flush=True)
        for first in range(0, arguments.painted, 32):
            told = [source.draw() for _ in range(32)]
            shown = torch.stack([picture_bytes(compose(one.composition, sprites, chance)) for one in told])
            encoded = vae.encode(as_pictures(shown, vae.config.sample_size)).latent_dist.mode().float()
            clean = (encoded - mean) * SIGMA_DATA / deviation
            sigmas = torch.empty(32).uniform_(math.log(0.4), math.log(1.6)).exp()
            painted = painter.repaint(clean, [one.text for one in told], sigmas, arguments.steps)
            pictures.append(shown)
            latents.append((painted * deviation / SIGMA_DATA + mean).half())
            captions += [one.text for one in told]
            if first % 320 == 0:
                print(f"{first} painted, {time.monotonic() - start:.0f} s", flush=True)
    torch.save({"pictures": torch.cat(pictures), "latents": torch.cat(latents), "captions": captions}, arguments.out)
    print(f"{sum(map(len, pictures))} pairs -> {arguments.out}, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
