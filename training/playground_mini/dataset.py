"""Makes the training set: captions as tokens, and the pictures that they describe as normalised latents.

With `--plans` each caption's picture is the one without jitter and with one and the same background: what the text
encoders learn. Without, pictures vary: what the UNet learns. `topics` says which icons, place and weather are shown.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor
from transformers import CLIPTokenizer

from .art import SpriteSheet
from .autoencoder import normalised_latents
from .backgrounds import PLACES, WEATHERS
from .captions import Caption, CaptionSource, unconditional_texts
from .compositions import compose
from .text_encoders import tokenise, train_tokenizer


def picture_bytes(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image, dtype=np.uint8).transpose(2, 0, 1).copy())


def topics_of(captions: list[Caption], icons: list[str]) -> Tensor:
    """Which icons, place and weather each caption shows, as zeros and ones."""
    names = [*icons, *PLACES, *WEATHERS]
    column = {name: number for number, name in enumerate(names)}
    topics = torch.zeros(len(captions), len(names), dtype=torch.uint8)
    for row, caption in enumerate(captions):
        shown = caption.composition
        for name in (*shown.icons, shown.place, shown.weather):
            topics[row, column[name]] = 1
    return topics


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--autoencoder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the data set (.pt)")
    parser.add_argument("--captions", type=int, default=20000)
    parser.add_argument("--vocabulary", type=int, default=2000)
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder; trained if it is not there yet")
    parser.add_argument("--plans", action="store_true", help="the mean picture of each caption: no jitter")
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)

    sprites = SpriteSheet.load(arguments.sprites)
    model = AutoencoderKL.from_pretrained(arguments.autoencoder).eval().to(memory_format=torch.channels_last)
    source = CaptionSource(arguments.seed)
    captions = [source.draw() for _ in range(arguments.captions)]
    nothing = unconditional_texts()
    if arguments.tokenizer.exists():
        tokenizer = CLIPTokenizer.from_pretrained(arguments.tokenizer)
    else:
        texts = [caption.text for caption in captions] + nothing * 20
        tokenizer = train_tokenizer(texts, arguments.tokenizer, arguments.vocabulary)

    latents: list[Tensor] = []
    start = time.monotonic()
    for first in range(0, len(captions), 32):
        part = [caption.composition for caption in captions[first : first + 32]]
        if arguments.plans:
            pictures = [compose(one, sprites, random.Random(0), jitter=0) for one in part]
        else:
            pictures = [
                compose(one, sprites, random.Random(f"{arguments.seed} {first} {n}")) for n, one in enumerate(part)
            ]
        with torch.autocast("cpu", torch.bfloat16):
            latents.append(normalised_latents(model, torch.stack([picture_bytes(one) for one in pictures])).half())
        if first % 3200 == 0:
            print(f"{first} captions, {time.monotonic() - start:.0f} s", flush=True)
    torch.save(
        {
            "tokens": tokenise(tokenizer, [caption.text for caption in captions]),
            "unconditional_tokens": tokenise(tokenizer, nothing),
            "latents": torch.cat(latents),
            "topics": topics_of(captions, sorted(sprites.large)),
        },
        arguments.out,
    )
    print(f"{len(captions)} captions, {len(tokenizer)} tokens -> {arguments.out}")


if __name__ == "__main__":
    main()
