"""Step 2: a network of the Compact kind learns to double pictures, and is written as safetensors in half precision.

It learns two kinds of pairs, since the product shows two kinds of pictures: those that were made half as large by area
(pictures shown as they were painted), and those that were made a quarter as large and then doubled by Lanczos (the
bundled painter's square pictures, which are shown like that).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from .pairs import random_pairs

SCALE = 2
FEATURES = 24
LAYERS = 8
"""Between the first and the last. A pixel's neighbourhood reaches LAYERS + 2 pixels far, which is what tiles allow."""
MOST_BYTES = 100_000
NO_LESS = 1e-5


class Compact(nn.Module):
    """SRVGGNetCompact of Real-ESRGAN, under the names that spandrel knows: what is learnt is added to the pixels."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, FEATURES, 3, padding=1), nn.PReLU(FEATURES)]
        for _ in range(LAYERS):
            layers += [nn.Conv2d(FEATURES, FEATURES, 3, padding=1), nn.PReLU(FEATURES)]
        last = nn.Conv2d(FEATURES, 3 * SCALE**2, 3, padding=1)
        self.body = nn.Sequential(*layers, last)
        for layer in self.body:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, a=0.25)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        nn.init.zeros_(last.weight)  # to begin with, every pixel becomes four

    def forward(self, pixels: Tensor) -> Tensor:
        """Twice as large; both (batch, 3, height, width), values 0 to 1."""
        return nn.functional.pixel_shuffle(self.body(pixels), SCALE) + interpolate(pixels, scale_factor=SCALE)


def logarithm_of_errors(made: Tensor, wanted: Tensor) -> Tensor:
    """The mean over pictures of log10 of the mean squared error: a tenth of what PSNR says, turned round.

    By the errors themselves, the easy kind of pairs would hardly count beside the hard one. NO_LESS keeps pieces of one
    colour from counting for most.
    """
    return torch.log10((made - wanted).square().mean((1, 2, 3)) + NO_LESS).mean()


def train(pictures: Tensor, minutes: float, batch: int, patch: int, rate: float, seed: int) -> nn.Module:
    """The running average of a network that has learnt so long; `pictures` are bytes (pictures, 3, side, side)."""
    torch.manual_seed(seed)
    chance = torch.Generator().manual_seed(seed)
    network = Compact().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.998))  # type: ignore[no-untyped-call]
    optimiser = torch.optim.Adam(network.parameters(), lr=rate, betas=(0.9, 0.99))
    began, steps, losses = time.monotonic(), 0, 0.0
    while (passed := (time.monotonic() - began) / (60 * minutes)) < 1:
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (steps + 1) / 100) * (0.5 + 0.5 * float(np.cos(np.pi * passed)))
        small, large = random_pairs(pictures, batch, patch, chance)
        loss = logarithm_of_errors(network(small), large)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        average.update_parameters(network)
        steps, losses = steps + 1, losses + loss.item()
        if steps % 200 == 0:
            print(f"{steps} steps, {time.monotonic() - began:.0f} s, {-10 * losses / 200:.2f} dB", flush=True)
            losses = 0.0
    trained: nn.Module = average.module
    return trained


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True, help="what step 1 has painted (.npy)")
    parser.add_argument("--out", type=Path, required=True, help="the weights (.safetensors)")
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=96, help="side of the large pictures' pieces, in pixels")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    pictures = torch.from_numpy(np.load(arguments.pictures)).permute(0, 3, 1, 2)
    network = train(pictures, arguments.minutes, arguments.batch, arguments.patch, arguments.rate, arguments.seed)
    weights = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, arguments.out)
    size = arguments.out.stat().st_size
    if size > MOST_BYTES:
        raise SystemExit(f"{size} bytes are more than {MOST_BYTES}")
    print(f"{arguments.out}: {size} bytes")


if __name__ == "__main__":
    main()
