"""Teaches a tiny pipeline, in seconds, to paint smooth fields and drawings: something that can be seen and unlearnt."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from core.finetuning.model.latents import RawLatents
from core.finetuning.model.objective import Objective
from tests.finetuning.drawings import COLOURS, SHAPES, draw

SIDE = 32
Step = Callable[[], Tensor]


def pictures(count: int, generator: torch.Generator) -> Tensor:
    """[count, 3, 32, 32] from −1 to 1: half of them smooth fields of colour, half drawings on white."""
    coarse = torch.randn(count, 3, 4, 4, generator=generator)
    fields = torch.nn.functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic", align_corners=True)
    fields = (0.6 * fields).clamp(-1, 1)
    chosen = torch.randint(0, 1000, (count // 2, 3), generator=generator).tolist()
    for place, (shape, colour, offset) in enumerate(chosen):
        drawn = draw(SHAPES[shape % len(SHAPES)], COLOURS[colour % len(COLOURS)], (SIDE, SIDE), offset % 5 - 2)
        fields[place] = torch.from_numpy(np.asarray(drawn, dtype=np.float32)).permute(2, 0, 1) / 127.5 - 1
    return fields


def pretrain_vae(pipeline: Path, *, steps: int = 200, batch_size: int = 8) -> None:
    """Train the autoencoder on disk and write its latents' statistics into its configuration."""
    generator = torch.Generator().manual_seed(0)
    vae = AutoencoderKL.from_pretrained(pipeline / "vae")

    def loss() -> Tensor:
        wanted = pictures(batch_size, generator)
        latents = vae.encode(wanted).latent_dist.mean
        return torch.mean((vae.decode(latents).sample - wanted).square()) + 1e-3 * torch.mean(latents.square())

    _train(vae.parameters(), loss, steps, 5e-3)
    with torch.no_grad():
        latents = vae.encode(pictures(64, generator)).latent_dist.mean
    vae.register_to_config(latents_mean=latents.mean((0, 2, 3)).tolist(), latents_std=latents.std((0, 2, 3)).tolist())
    vae.save_pretrained(pipeline / "vae")


def pretrain(pipeline: Path, objective: Objective, *, steps: int = 200, batch_size: int = 8) -> float:
    """Train all weights of the network on disk; returns the mean loss of the last 20 steps."""
    generator = torch.Generator().manual_seed(0)
    vae = AutoencoderKL.from_pretrained(pipeline / "vae")
    unet = UNet2DConditionModel.from_pretrained(pipeline / "unet")
    with torch.no_grad():
        known = vae.encode(pictures(256, generator)).latent_dist.mean
    width, pooled = unet.config.cross_attention_dim, unet.config.projection_class_embeddings_input_dim - 6 * 8
    conditions = {
        "text_embeds": torch.zeros(batch_size, pooled),
        "time_ids": torch.tensor([[32.0, 32.0, 0.0, 0.0, 32.0, 32.0]]).expand(batch_size, -1),
    }
    text = torch.zeros(batch_size, 77, width)

    def network(sample: Tensor, timestep: Tensor) -> Tensor:
        output: Tensor = unet(sample, timestep, text, added_cond_kwargs=conditions, return_dict=False)[0]
        return output

    def loss() -> Tensor:
        latents = RawLatents(known[torch.randint(0, len(known), (batch_size,), generator=generator)])
        levels = objective.draw_levels(batch_size, generator)
        noise = torch.randn(latents.shape, generator=generator)
        return objective.loss(network, latents, levels, noise).mean()

    losses = _train(unet.parameters(), loss, steps, 3e-3)
    unet.save_pretrained(pipeline / "unet")
    return sum(losses[-20:]) / 20


def _train(parameters: Iterator[torch.nn.Parameter], loss_of: Step, steps: int, rate: float) -> list[float]:
    optimizer = torch.optim.AdamW(parameters, lr=rate)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * (1 - step / steps)
        loss = loss_of()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
