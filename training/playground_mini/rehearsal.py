"""Pairs for the decoder's last lessons: latents as the painter leaves them, and the pictures that they should become.

New captions are composed and encoded; the latents are noised a little (sigma 0.2 to 1.2) and denoised in one step by
the UNet, with guidance. So the decoder sees the painter's own small faults beside the picture that was meant.
"""

from __future__ import annotations

import argparse
import math
import random
from pathlib import Path

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTokenizer

from .art import SpriteSheet
from .autoencoder import normalised_latents
from .captions import CaptionSource
from .compositions import compose
from .dataset import picture_bytes
from .painter import SIGMA_DATA, random_sizes
from .text_encoders import load_encoders, tokenise


def denoise(unet: UNet2DConditionModel, noisy: Tensor, sigmas: Tensor, states: Tensor, pooled: Tensor) -> Tensor:
    """The UNet's one-step estimate of the clean latents."""
    sigma = sigmas.view(-1, 1, 1, 1)
    variance = sigma**2 + SIGMA_DATA**2
    conditions = {"text_embeds": pooled, "time_ids": random_sizes(len(noisy))}
    output: Tensor = unet(
        noisy / variance.sqrt(), 0.25 * sigmas.log(), encoder_hidden_states=states, added_cond_kwargs=conditions
    ).sample
    return SIGMA_DATA**2 / variance * noisy + SIGMA_DATA * sigma / variance.sqrt() * output.float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--encoders", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=21)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)

    sprites = SpriteSheet.load(arguments.sprites)
    autoencoder = AutoencoderKL.from_pretrained(arguments.autoencoder).eval()
    tokenizer = CLIPTokenizer.from_pretrained(arguments.tokenizer)
    encoders = load_encoders(arguments.encoders, tokenizer)
    unet = UNet2DConditionModel.from_pretrained(arguments.unet).eval()
    mean = torch.tensor(autoencoder.config.latents_mean).view(1, -1, 1, 1)
    deviation = torch.tensor(autoencoder.config.latents_std).view(1, -1, 1, 1)
    source, chance = CaptionSource(arguments.seed), random.Random(arguments.seed)

    pictures: list[Tensor] = []
    latents: list[Tensor] = []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for _ in range(0, arguments.pairs, 32):
            captions = [source.draw() for _ in range(32)]
            shown = torch.stack([picture_bytes(compose(one.composition, sprites, chance)) for one in captions])
            clean = normalised_latents(autoencoder, shown).float()
            states, pooled = encoders(tokenise(tokenizer, [one.text for one in captions]))
            sigmas = torch.empty(32).uniform_(math.log(0.2), math.log(1.2)).exp()
            noisy = clean + sigmas.view(-1, 1, 1, 1) * torch.randn_like(clean)
            told = denoise(unet, noisy, sigmas, states, pooled)
            untold = denoise(unet, noisy, sigmas, torch.zeros_like(states), torch.zeros_like(pooled))
            painted = untold + torch.empty(32, 1, 1, 1).uniform_(1, 2.5) * (told - untold)
            pictures.append(shown)
            latents.append((painted * deviation / SIGMA_DATA + mean).half())
    torch.save({"pictures": torch.cat(pictures), "latents": torch.cat(latents)}, arguments.out)
    print(f"{sum(map(len, pictures))} pairs -> {arguments.out}")


if __name__ == "__main__":
    main()
