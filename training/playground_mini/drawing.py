"""What a good drawing is: errors of colours and edges on several scales, a critic of patches, and measures.

Pictures are (batch, 3, edge, edge) in -1...1. Knows no autoencoder.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def halved(pictures: Tensor) -> Tensor:
    """Bytes of 256 pixels -> -1...1 of 128 pixels, as the f = 8 encoder reads them."""
    return functional.avg_pool2d(pictures.float() / 127.5 - 1, 2)


def as_pictures(stored: Tensor, edge: int = 256) -> Tensor:
    """Bytes of 256 pixels -> -1...1 of 256 or 128 pixels, channels last."""
    pictures = stored.float() / 127.5 - 1 if edge == 256 else halved(stored)
    return pictures.contiguous(memory_format=torch.channels_last)


def edges(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbours, to the right and down."""
    return picture[..., 1:] - picture[..., :-1], picture[..., 1:, :] - picture[..., :-1, :]


def drawing_loss(drawn: Tensor, wanted: Tensor, power: float) -> Tensor:
    """Errors of colours and edges at 256, 128 and 64 pixels; colours to a power that may be below one."""
    error = drawn - wanted
    loss = ((error.pow(2).sum(1) + 1e-3).pow(power / 2)).mean()
    for weight in (1.0, 0.7, 0.4):
        across, down = edges(error)
        loss = loss + weight * (across.abs().mean() + down.abs().mean())
        error = functional.avg_pool2d(error, 2)
    return loss + error.pow(2).mean()


class Critic(nn.Module):
    """Tells true patches of about 20 pixels from drawn ones."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.utils.parametrizations.spectral_norm
        self.layers = nn.Sequential(
            norm(nn.Conv2d(3, 32, 4, 2, 1)), nn.LeakyReLU(0.2),
            norm(nn.Conv2d(32, 64, 4, 2, 1)), nn.LeakyReLU(0.2),
            norm(nn.Conv2d(64, 64, 3, 1, 1)), nn.LeakyReLU(0.2),
            norm(nn.Conv2d(64, 1, 3, 1, 1)),
        )  # fmt: skip

    def forward(self, picture: Tensor) -> Tensor:
        result: Tensor = self.layers(picture)
        return result


class Court:
    """The critic with its optimiser: learns at every step, and pulls at the drawings once it knows something."""

    def __init__(self, share: float, first_steps: int) -> None:
        """`share`: its gradient in proportion to that of the errors. `first_steps`: how long it only learns."""
        self.share, self.first_steps, self.steps = share, first_steps, 0
        self.critic = Critic().to(memory_format=torch.channels_last)
        self.optimiser = torch.optim.Adam(self.critic.parameters(), lr=4e-4, betas=(0.5, 0.95))

    def judge(self, drawn: Tensor, wanted: Tensor, loss: Tensor) -> Tensor:
        """Learns to tell the two apart; returns a loss that pulls as the errors do and as the critic likes."""
        self.steps += 1
        self.critic.requires_grad_(True)
        with torch.autocast("cpu", torch.bfloat16):
            true, false = self.critic(wanted).float(), self.critic(drawn.detach()).float()
        verdict = functional.relu(1 - true).mean() + functional.relu(1 + false).mean()
        self.optimiser.zero_grad()
        torch.autograd.backward(verdict)
        self.optimiser.step()
        self.critic.requires_grad_(False)
        if self.steps <= self.first_steps:
            return loss
        with torch.autocast("cpu", torch.bfloat16):
            disliked = -self.critic(drawn).float().mean()
        (true_slope,) = torch.autograd.grad(loss, drawn)
        (liking_slope,) = torch.autograd.grad(disliked, drawn)
        scale = self.share * true_slope.norm() / (liking_slope.norm() + 1e-12)
        return (drawn * (true_slope + scale * liking_slope)).sum()


def signal(drawn: Tensor, wanted: Tensor) -> float:
    """Peak signal-to-noise ratio in dB."""
    return 10 * math.log10(4 / functional.mse_loss(drawn.clamp(-1, 1), wanted).item())


def sharpness(drawn: Tensor, wanted: Tensor) -> float:
    """The drawn pictures' edges in proportion to the true ones' (energy of the gradients)."""
    mine, true = (sum(edge.pow(2).mean() for edge in edges(one.clamp(-1, 1))) for one in (drawn, wanted))
    return float(mine / true)
