"""Teaches the tiny pipeline's network, in seconds, to paint smooth fields of colour: something that can be unlearnt."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from core.finetuning.model.objective import Objective

GRID = 16


def smooth_latents(count: int, generator: torch.Generator) -> Tensor:
    """[count, 4, 16, 16] in the network's space: a standard deviation of about 0.5, next to no high frequencies."""
    coarse = torch.randn(count, 4, 3, 3, generator=generator)
    fields = torch.nn.functional.interpolate(coarse, size=(GRID, GRID), mode="bicubic", align_corners=True)
    return 0.5 * fields / fields.std()


def pretrain(pipeline: Path, objective: Objective, *, steps: int = 200, batch_size: int = 8) -> float:
    """Train all weights of the network on disk; returns the mean loss of the last 20 steps."""
    generator = torch.Generator().manual_seed(0)
    unet = UNet2DConditionModel.from_pretrained(pipeline / "unet")
    optimizer = torch.optim.AdamW(unet.parameters(), lr=3e-3)
    width, pooled = unet.config.cross_attention_dim, unet.config.projection_class_embeddings_input_dim - 6 * 8
    conditions = {
        "text_embeds": torch.zeros(batch_size, pooled),
        "time_ids": torch.tensor([[32.0, 32.0, 0.0, 0.0, 32.0, 32.0]]).expand(batch_size, -1),
    }
    text = torch.zeros(batch_size, 77, width)

    def network(sample: Tensor, timestep: Tensor) -> Tensor:
        output: Tensor = unet(sample, timestep, text, added_cond_kwargs=conditions, return_dict=False)[0]
        return output

    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * (1 - step / steps)
        latents = objective.raw_from_samples(smooth_latents(batch_size, generator))
        levels = objective.draw_levels(batch_size, generator)
        noise = torch.randn(latents.shape, generator=generator)
        loss = objective.loss(network, latents, levels, noise).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(float(loss.detach()))
    unet.save_pretrained(pipeline / "unet")
    return sum(losses[-20:]) / 20
