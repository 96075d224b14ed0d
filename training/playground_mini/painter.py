"""Trains the UNet to paint by the text encoders' plan, with the EDM objective.

The objective is Playground v2.5's: sigma_data 0.5, preconditioned input, loss on the network's own output F (which
weights all noise levels alike). Noise levels are log-normal with a log-uniform share. A part of the captions is
replaced by nothing (zeros, or the encoding of an empty or negative prompt), so that guidance works with and without a
negative prompt. The text encoders are frozen; their states are computed once.

While training begins, some heads of every cross-attention are told which plan token belongs to which place of the
picture: a convolutional network knows its own place only from the borders' padding, and is slow to find that out alone.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTokenizer

from .optimisers import Optimisers, RunningAverage
from .text_encoders import CELLS, PROMPT_TOKENS, Encoders, load_encoders

SIGMA_DATA = 0.5
SIZES = (128, 128, 128, 256, 512, 1024)
"""Sizes told to the UNet as micro-conditions; they must not matter."""


def new_unet(text_width: int, pooled_width: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=(2, 4),
        transformer_layers_per_block=(1, 1),
        use_linear_projection=True,
        cross_attention_dim=text_width,
        addition_embed_type="text_time",
        addition_time_embed_dim=16,
        projection_class_embeddings_input_dim=6 * 16 + pooled_width,
        norm_num_groups=16,
    )


class PlaceTeacher:
    """Cross-entropy of the first half of each cross-attention's heads: place (y, x) should look at its cell's token."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self.losses: list[Tensor] = []
        self.active = True
        for name, module in unet.named_modules():
            if name.endswith("attn2"):
                module.register_forward_pre_hook(self._watch, with_kwargs=True)

    def _watch(self, module: nn.Module, arguments: tuple[Tensor, ...], named: dict[str, Tensor]) -> None:
        if not self.active:
            return
        assert isinstance(module, Attention)
        places, states = arguments[0], named["encoder_hidden_states"]
        heads = max(1, module.heads // 2)
        query = module.to_q(places).unflatten(2, (module.heads, -1))[:, :, :heads].float()
        key = module.to_k(states).unflatten(2, (module.heads, -1))[:, :, :heads].float()
        scores = torch.einsum("bqhd,bkhd->bhqk", query, key) * module.scale
        edge = round(places.shape[1] ** 0.5)
        row = torch.arange(edge) * CELLS // edge
        cell = PROMPT_TOKENS + (row[:, None] * CELLS + row[None, :]).flatten()
        wanted = cell.expand(scores.shape[0], heads, -1)
        self.losses.append(functional.cross_entropy(scores.flatten(0, 2), wanted.flatten()))

    def collect(self) -> Tensor:
        total = torch.stack(self.losses).mean()
        self.losses.clear()
        return total


def draw_sigmas(count: int, mean: float = -0.4, deviation: float = 1.3, uniform_share: float = 0.12) -> Tensor:
    """Stratified log-normal noise levels, a share of them log-uniform over the sampler's whole range."""
    quantiles = (torch.arange(count) + torch.rand(count)) / count
    normal = torch.erfinv(2 * quantiles.clamp(1e-4, 1 - 1e-4) - 1) * 2**0.5
    sigmas = (mean + deviation * normal).exp()
    uniform = torch.empty(count).uniform_(-5.5, 4.38).exp()
    return torch.where(torch.rand(count) < uniform_share, uniform, sigmas).clamp(0.002, 80)


def edm_loss(
    unet: UNet2DConditionModel, clean: Tensor, states: Tensor, pooled: Tensor, sizes: Tensor, sigmas: Tensor
) -> Tensor:
    """Mean squared error of F: the network's output before it is scaled and joined with the noisy picture."""
    sigma = sigmas.view(-1, 1, 1, 1)
    noisy = clean + sigma * torch.randn_like(clean)
    variance = sigma**2 + SIGMA_DATA**2
    wanted = (clean - SIGMA_DATA**2 / variance * noisy) * variance.sqrt() / (SIGMA_DATA * sigma)
    conditions = {"text_embeds": pooled, "time_ids": sizes}
    with torch.autocast("cpu", torch.bfloat16):
        scaled = (noisy / variance.sqrt()).contiguous(memory_format=torch.channels_last)
        output = unet(scaled, 0.25 * sigmas.log(), encoder_hidden_states=states, added_cond_kwargs=conditions).sample
    return functional.mse_loss(output.float(), wanted)


@torch.no_grad()
def encode_all(encoders: Encoders, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """States and pooled embeddings of all texts, in bfloat16 to save memory."""
    states, pooled = [], []
    for part in torch.split(tokens, 128):
        with torch.autocast("cpu", torch.bfloat16):
            state, pool = encoders(part)
        states.append(state.bfloat16())
        pooled.append(pool.bfloat16())
    return torch.cat(states), torch.cat(pooled)


def random_sizes(count: int) -> Tensor:
    edges = torch.tensor(SIZES)[torch.randint(len(SIZES), (count,))].float()
    nothing = torch.zeros(count)
    return torch.stack([edges, edges, nothing, nothing, edges, edges], dim=1)


def train(
    unet: UNet2DConditionModel, encoders: Encoders, data: dict[str, Tensor], arguments: argparse.Namespace
) -> None:
    latents = data["latents"]
    states, pooled = encode_all(encoders, data["tokens"])
    empty_states, empty_pooled = encode_all(encoders, data["unconditional_tokens"])
    print(f"{len(latents)} captions encoded", flush=True)
    unet.set_attn_processor(AttnProcessor())
    unet.train()
    averaged = RunningAverage(unet, arguments.keep)
    teacher = PlaceTeacher(unet)
    optimisers = Optimisers(unet, arguments.rate, plain=("embedding", "conv_in", "conv_out"))
    start, step, mean_loss, mean_taught, saved = time.monotonic(), 0, 1.0, 5.0, 0.0
    while (progress := (time.monotonic() - start) / (arguments.minutes * 60)) < 1:
        step += 1
        chosen = torch.randint(len(latents), (arguments.batch,))
        seen, pool = states[chosen].float(), pooled[chosen].float()
        lot = torch.rand(arguments.batch)
        seen[lot < 0.05], pool[lot < 0.05] = 0, 0
        negative = (lot > 0.05) & (lot < 0.11)
        replaced = torch.randint(len(empty_states), (int(negative.sum()),))
        seen[negative], pool[negative] = empty_states[replaced].float(), empty_pooled[replaced].float()
        teacher.active = step <= arguments.taught_steps
        loss = edm_loss(
            unet, latents[chosen].float(), seen, pool, random_sizes(arguments.batch), draw_sigmas(arguments.batch)
        )
        total = loss
        if teacher.active:
            taught = teacher.collect()
            total = loss + 0.1 * (1 - step / arguments.taught_steps) * taught
            mean_taught += 0.05 * (taught.item() - mean_taught)
        optimisers.step(total, progress)
        averaged.update()
        mean_loss += 0.02 * (loss.item() - mean_loss)
        seconds = time.monotonic() - start
        if step % arguments.report == 0:
            rate = step * arguments.batch / seconds
            print(
                f"{seconds:.0f} s  step {step}  {rate:.0f}/s  loss {mean_loss:.4f}  place {mean_taught:.3f}", flush=True
            )
        if seconds - saved > 120:
            averaged.average.save_pretrained(arguments.out)
            saved = seconds
    averaged.average.save_pretrained(arguments.out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set of varied pictures")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--encoders", type=Path, required=True, help="encoders.pt, or an exported pipeline")
    parser.add_argument("--start", type=Path, help="UNet to go on with")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=42)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--keep", type=float, default=0.998, help="decay of the running average of the weights")
    parser.add_argument("--taught-steps", type=int, default=1200, help="steps with the place teacher")
    parser.add_argument("--report", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)

    data: dict[str, Tensor] = torch.load(arguments.data)
    encoders = load_encoders(arguments.encoders, CLIPTokenizer.from_pretrained(arguments.tokenizer))
    if arguments.start:
        unet = UNet2DConditionModel.from_pretrained(arguments.start, torch_dtype=torch.float32)
    else:
        unet = new_unet(encoders.plan.in_features, encoders.topics.in_features)
    train(unet, encoders, data, arguments)


if __name__ == "__main__":
    main()
