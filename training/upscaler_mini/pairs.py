"""Pairs of a small picture and the large one that it was made from: two ways in which a picture comes to be small.

Knows pixels only: float tensors (pictures, 3, height, width), values 0 to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate


def reduced(large: Tensor) -> Tensor:
    """Half as large, by area, in steps of a 255th as pictures have."""
    return in_steps(avg_pool2d(large, 2))


def reduced_and_shown_larger(large: Tensor) -> Tensor:
    """Half as large as well, but made from a quarter, much as the bundled painter's square pictures are shown."""
    return in_steps(interpolate(reduced(avg_pool2d(large, 2)), scale_factor=2, mode="bicubic", antialias=True))


def in_steps(pixels: Tensor) -> Tensor:
    """What is left of `pixels` in a file."""
    return pixels.clamp(0, 1).mul(255).round().div(255)


def random_pairs(pictures: Tensor, count: int, side: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """So many pieces of `pictures` (bytes), turned and mirrored at random: half of each kind, and what they came from.

    A `side` is a multiple of four.
    """
    pieces = []
    for number in torch.randint(len(pictures), (count,), generator=chance).tolist():
        height, width = pictures.shape[-2:]
        top = int(torch.randint(height - side + 1, (), generator=chance))
        left = int(torch.randint(width - side + 1, (), generator=chance))
        piece = pictures[number, :, top : top + side, left : left + side]
        turns, mirrored = torch.randint(4, (), generator=chance).item(), torch.randint(2, (), generator=chance).item()
        piece = torch.rot90(piece, int(turns), (1, 2))
        pieces.append(piece.flip(2) if mirrored else piece)
    large = torch.stack(pieces).float() / 255
    middle = count // 2
    return torch.cat([reduced(large[:middle]), reduced_and_shown_larger(large[middle:])]), large
