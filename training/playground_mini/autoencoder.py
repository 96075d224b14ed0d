"""Trains the AutoencoderKL (f = 8, four latent channels) on compositions of exactly the sprites that will be painted.

Two commands, because the latents must stand still before anything else can learn them:

  joint    encoder and decoder together on 64-pixel crops; ends by measuring the latents' mean and deviation
  decoder  the decoder alone on whole pictures, from latents with noise and from latents that the painter left,
           so that it learns to draw the sprites cleanly even where the painter is a little off

Knows pictures only, no captions. The first three latent channels are tied to the 8 x 8-pooled colours at first: without
that the training rests at 14 dB for a long time.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn import functional

from .art import SpriteSheet
from .backgrounds import PLACES, WEATHERS, as_tensor_array
from .compositions import Composition, compose
from .optimisers import Optimisers, RunningAverage

CHANNELS = (24, 48, 96, 128)
SIGMA_DATA = 0.5
CROP = 64


def random_picture(sprites: SpriteSheet, chance: random.Random) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    count = chance.choices((0, 1, 2, 3), (1, 8, 6, 3))[0]
    place = chance.choice(PLACES)
    weather = chance.choices(WEATHERS, (8, 2, 2, 1))[0]
    icons = tuple(chance.sample(sorted(sprites.large), count))
    return as_tensor_array(compose(Composition(place, weather, icons), sprites, chance))


def gallery(sprites: SpriteSheet, size: int, seed: int) -> Tensor:
    """Random pictures as bytes: channels last, uint8, to be turned into -1...1 when used."""
    chance = random.Random(seed)
    pictures = [((random_picture(sprites, chance) + 1) * 127.5).round().astype(np.uint8) for _ in range(size)]
    return torch.from_numpy(np.stack(pictures))


def as_input(pictures: Tensor) -> Tensor:
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


def new_autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=CHANNELS,
        layers_per_block=1,
        norm_num_groups=8,
        latent_channels=4,
        sample_size=128,
        use_quant_conv=False,
        use_post_quant_conv=False,
        force_upcast=False,
    )


def edges(picture: Tensor) -> tuple[Tensor, Tensor]:
    return picture[..., 1:] - picture[..., :-1], picture[..., 1:, :] - picture[..., :-1, :]


def drawing_loss(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Absolute and squared error, and the error of the edges, which the eye sees first."""
    (across, down), (across_wanted, down_wanted) = edges(drawn), edges(wanted)
    edge_error = (across - across_wanted).abs().mean() + (down - down_wanted).abs().mean()
    pooled = functional.mse_loss(functional.avg_pool2d(drawn, 8), functional.avg_pool2d(wanted, 8))
    return (drawn - wanted).abs().mean() + functional.mse_loss(drawn, wanted) + 0.5 * edge_error + pooled


def peak_signal(drawn: Tensor, wanted: Tensor) -> float:
    """PSNR in decibels over all pictures together."""
    return 10 * math.log10(4 / functional.mse_loss(drawn.clamp(-1, 1), wanted).item())


@torch.no_grad()
def validate(model: AutoencoderKL, pictures: Tensor) -> float:
    drawn = [model.decode(model.encode(as_input(part)).latent_dist.mode()).sample for part in torch.split(pictures, 8)]
    return peak_signal(torch.cat(drawn), as_input(pictures))


def random_crops(pictures: Tensor) -> Tensor:
    offsets = torch.randint(0, pictures.shape[-1] - CROP + 1, (len(pictures), 2)).tolist()
    return torch.stack([one[:, y : y + CROP, x : x + CROP] for one, (y, x) in zip(pictures, offsets, strict=True)])


class Report:
    """Prints and saves now and then."""

    def __init__(self, average: AutoencoderKL, sprites: SpriteSheet, arguments: argparse.Namespace) -> None:
        self.average, self.arguments, self.held_out = average, arguments, gallery(sprites, 32, seed=2)
        self.start = time.monotonic()

    @property
    def progress(self) -> float:
        """From 0 to 1 over the minutes that were granted."""
        budget: float = self.arguments.minutes * 60
        return (time.monotonic() - self.start) / budget

    def after(self, step: int, loss: float) -> None:
        if step % self.arguments.report == 0:
            signal = validate(self.average, self.held_out)
            seconds = time.monotonic() - self.start
            print(f"{seconds:.0f} s  step {step}  loss {loss:.4f}  {signal:.2f} dB", flush=True)
            self.average.save_pretrained(self.arguments.out)


def train_jointly(model: AutoencoderKL, sprites: SpriteSheet, arguments: argparse.Namespace) -> AutoencoderKL:
    """Encoder and decoder on crops, AdamW."""
    pictures = gallery(sprites, arguments.pictures, seed=1)
    model = model.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=arguments.rate, betas=(0.9, 0.98), weight_decay=0)
    averaged = RunningAverage(model, keep=0.995)
    report = Report(averaged.average, sprites, arguments)
    step = 0
    while (progress := report.progress) < 1:
        step += 1
        for group in optimiser.param_groups:
            group["lr"] = arguments.rate * min(1, step / 50) * min(1, 0.03 + 1.6 * (1 - progress))
        wanted = as_input(random_crops(pictures[torch.randint(len(pictures), (arguments.batch,))]))
        with torch.autocast("cpu", torch.bfloat16):
            distribution = model.encode(wanted).latent_dist
            latents = distribution.mean.float()
            drawn = model.decode(latents + 0.08 * torch.randn_like(latents)).sample.float()
        tie = 3 * max(0.0, 1 - progress / 0.3)
        loss = drawing_loss(drawn, wanted)
        loss = loss + tie * functional.mse_loss(latents[:, :3], 1.5 * functional.avg_pool2d(wanted, 8))
        loss = loss + 1e-3 * latents.pow(2).mean() + 1e-3 * (distribution.logvar.float() + 6).pow(2).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        averaged.update()
        report.after(step, loss.item())
    return report.average


def train_decoder(model: AutoencoderKL, sprites: SpriteSheet, arguments: argparse.Namespace) -> AutoencoderKL:
    """The decoder on whole pictures, from noisy latents, Muon."""
    pictures = gallery(sprites, arguments.pictures, seed=1)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        latents = torch.cat(
            [model.encode(as_input(part)).latent_dist.mode().float() for part in torch.split(pictures, 16)]
        )
    if arguments.rehearsal:
        rehearsal: dict[str, Tensor] = torch.load(arguments.rehearsal)
        pictures = torch.cat([pictures, rehearsal["pictures"]])
        latents = torch.cat([latents, rehearsal["latents"].float()])
    deviation = torch.tensor(model.config.latents_std).view(1, -1, 1, 1)
    optimisers = Optimisers(model.decoder, arguments.rate, plain=("conv_in", "conv_out"))
    averaged = RunningAverage(model, keep=0.995)
    report = Report(averaged.average, sprites, arguments)
    step = 0
    while (progress := report.progress) < 1:
        step += 1
        chosen = torch.randint(len(pictures), (arguments.batch,))
        noise = arguments.noise * torch.rand(arguments.batch, 1, 1, 1) * deviation
        given = latents[chosen] + noise * torch.randn(arguments.batch, 4, 16, 16)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = model.decode(given.contiguous(memory_format=torch.channels_last)).sample.float()
        loss = drawing_loss(drawn, as_input(pictures[chosen]))
        optimisers.step(loss, progress)
        averaged.update()
        report.after(step, loss.item())
    return report.average


@torch.no_grad()
def measure_latents(model: AutoencoderKL, pictures: Tensor) -> None:
    """Writes the latents' statistics into the configuration, in the words that the SDXL pipeline reads."""
    latents = torch.cat([model.encode(as_input(part)).latent_dist.mode() for part in torch.split(pictures, 16)])
    mean = [round(value, 4) for value in latents.mean((0, 2, 3)).tolist()]
    deviation = [round(value, 4) for value in latents.std((0, 2, 3)).tolist()]
    model.register_to_config(latents_mean=mean, latents_std=deviation, scaling_factor=SIGMA_DATA)
    print("latents: mean", mean, "deviation", deviation)


def normalised_latents(model: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Latents as the UNet sees them: per channel mean 0 and deviation sigma_data."""
    mean = torch.tensor(model.config.latents_mean).view(1, -1, 1, 1)
    deviation = torch.tensor(model.config.latents_std).view(1, -1, 1, 1)
    with torch.no_grad():
        latents: Tensor = model.encode(as_input(pictures)).latent_dist.mode()
    return (latents - mean) * SIGMA_DATA / deviation


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", choices=("joint", "decoder"))
    parser.add_argument("--sprites", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="autoencoder to go on with")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=12)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--noise", type=float, default=0.4, help="most noise on latents, in deviations")
    parser.add_argument("--rehearsal", type=Path, help="pairs of rehearsal.py, for the decoder")
    parser.add_argument("--pictures", type=int, default=4000)
    parser.add_argument("--report", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)

    sprites = SpriteSheet.load(arguments.sprites)
    model = AutoencoderKL.from_pretrained(arguments.start) if arguments.start else new_autoencoder()
    if arguments.phase == "joint":
        model = train_jointly(model, sprites, arguments).eval()
        measure_latents(model, gallery(sprites, 512, seed=3))
    else:
        model = train_decoder(model, sprites, arguments).eval()
    model.save_pretrained(arguments.out)
    print(f"final {validate(model, gallery(sprites, 64, seed=4)):.2f} dB")


if __name__ == "__main__":
    main()
