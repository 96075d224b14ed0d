"""Makes of the f = 8 autoencoder one with f = 16 that has the same latents: 256 pixels instead of 128, sharper.

  decoder  starts from the first decoder with one more upsampling block, and is trained on whole pictures, from clean
           latents and from latents that the painter left (`doubling_pairs.py`). Absolute errors of colours and edges on
           several scales first; then errors to a power below one, which make it choose one edge instead of the mean of
           all possible ones; at last a small critic of patches, if wanted.
  encoder  learns to give for 256 pixels the latents that the first encoder gives for the halved picture.

UNet and text encoders see no difference: latents stay what they were.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from .drawing import Court, as_pictures, drawing_loss, halved, sharpness, signal
from .group_norm import quicken
from .optimisers import Optimisers, RunningAverage

FIRST_CHANNELS = 16
"""Of the new outermost block; eight under eight norm groups are an instance norm, and lose the colours."""
COARSE_PARTS = ("conv_in", "mid_block", "up_blocks.0", "up_blocks.1")
"""What stands still while the critic helps: it is about edges, and so it is quicker."""
NEW_PARTS = ("up_blocks.3.upsamplers", "up_blocks.4", "conv_norm_out", "conv_out")


def doubled(first: AutoencoderKL) -> AutoencoderKL:
    """An autoencoder with one more halving and doubling; what both have in common is copied."""
    config = {name: value for name, value in first.config.items() if not name.startswith("_")}
    count = len(config["block_out_channels"]) + 1
    config |= {
        "block_out_channels": (FIRST_CHANNELS, *config["block_out_channels"]),
        "down_block_types": ("DownEncoderBlock2D",) * count,
        "up_block_types": ("UpDecoderBlock2D",) * count,
        "sample_size": 2 * config["sample_size"],
    }
    result = AutoencoderKL(**config)
    fresh = result.state_dict()
    for name, value in first.state_dict().items():
        if name.startswith("encoder.down_blocks."):
            parts = name.split(".")
            name = ".".join([*parts[:2], str(int(parts[2]) + 1), *parts[3:]])
        if name in fresh and fresh[name].shape == value.shape:
            fresh[name] = value
    result.load_state_dict(fresh)
    return result


@torch.no_grad()
def validate(model: AutoencoderKL, held_out: dict[str, Tensor], preview: Path | None = None) -> str:
    """Signal and sharpness on held-out pairs, clean and painted; a preview shows the true pictures above."""
    drawn = torch.cat([model.decode(part.float()).sample for part in held_out["latents"].split(8)])
    wanted = as_pictures(held_out["pictures"], drawn.shape[-1])
    half = len(drawn) // 2
    if preview:
        chosen = [0, 1, 2, 3, 4, half, half + 1, half + 2, half + 3, half + 4, half + 5, half + 6]
        rows = torch.cat([torch.cat([one[n] for n in chosen], 2) for one in (wanted, drawn.clamp(-1, 1))], 1)
        Image.fromarray(((rows + 1) * 127.5).byte().permute(1, 2, 0).contiguous().numpy()).save(preview)
    return "  ".join(
        f"{name} {signal(drawn[part], wanted[part]):.2f} dB sharp {sharpness(drawn[part], wanted[part]):.2f}"
        for name, part in (("clean", slice(0, half)), ("painted", slice(half, None)))
    )


class Pairs:
    """Latents and pictures in random order, each once before any comes again; latents with some noise."""

    def __init__(self, path: Path, deviation: Tensor, noise: float) -> None:
        """`noise`: the most that clean latents get, in deviations; painted ones get a quarter, they have their own."""
        stored: dict[str, Tensor] = torch.load(path)
        self.pictures, self.latents = stored["pictures"], stored["latents"]
        self.most = torch.tensor([noise / 4 if text else noise for text in stored["captions"]])
        self.deviation = deviation
        self._queue = torch.empty(0, dtype=torch.long)

    def draw(self, count: int, edge: int) -> tuple[Tensor, Tensor]:
        """Latents and the pictures that they should become."""
        if len(self._queue) < count:
            self._queue = torch.cat([self._queue, torch.randperm(len(self.pictures))])
        chosen, self._queue = self._queue[:count], self._queue[count:]
        noise = (self.most[chosen] * torch.rand(count)).view(-1, 1, 1, 1) * self.deviation
        latents = self.latents[chosen].float()
        return latents + noise * torch.randn_like(latents), as_pictures(self.pictures[chosen], edge)


def let_learn(decoder: nn.Module, wanted: tuple[str, ...] | None = None, still: tuple[str, ...] = ()) -> None:
    """Only parts with the `wanted` beginnings learn (None for all), and none of the `still` ones."""
    for name, parameter in decoder.named_parameters():
        parameter.requires_grad_((wanted is None or name.startswith(wanted)) and not name.startswith(still))


def train_decoder(model: AutoencoderKL, arguments: argparse.Namespace) -> AutoencoderKL:
    """The running average of the model; written to `--out` with every report."""
    held_out: dict[str, Tensor] = torch.load(arguments.held_out)
    deviation = torch.tensor(model.config.latents_std).view(1, -1, 1, 1)
    pairs = Pairs(arguments.pairs, deviation, arguments.noise)
    decoder = model.decoder.train()  # its kernels stay contiguous, as Muon needs them
    if arguments.critic:
        let_learn(decoder, still=COARSE_PARTS)
    optimisers = Optimisers(decoder, arguments.rate, plain=("conv_in", "conv_out"))
    averaged = RunningAverage(model, keep=0.98 if arguments.critic else 0.99)
    court = Court(arguments.critic, arguments.critic_steps) if arguments.critic else None
    start, step, mean_loss = time.monotonic(), 0, 0.0
    while (progress := (time.monotonic() - start) / (arguments.minutes * 60)) < 1:
        step += 1
        if arguments.fresh_steps and step in (1, arguments.fresh_steps + 1):
            let_learn(decoder, wanted=NEW_PARTS if step == 1 else None)
        given, wanted = pairs.draw(arguments.batch, model.config.sample_size)
        with torch.autocast("cpu", torch.bfloat16):
            drawn = model.decode(given.contiguous(memory_format=torch.channels_last)).sample.float()
        loss = drawing_loss(drawn, wanted, power=1 + (arguments.power - 1) * min(1.0, 2 * progress))
        mean_loss += 0.05 * (loss.item() - mean_loss)
        optimisers.step(court.judge(drawn, wanted, loss) if court else loss, arguments.cool * progress)
        averaged.update()
        if step % arguments.report == 0 or step == 20:
            averaged.average.save_pretrained(arguments.out)
            text = validate(averaged.average, held_out, arguments.out / "preview.png")
            print(f"{time.monotonic() - start:.0f} s  step {step}  loss {mean_loss:.4f}  {text}", flush=True)
    return averaged.average


def lessons(pictures: Tensor, count: int) -> Tensor:
    """Pictures for the encoder, -1...1: mostly whole; some enlarged, mirrored in other colours, or plain fields."""
    whole = as_pictures(pictures[torch.randint(len(pictures), (count,))])
    for number in range(count // 2, count):
        kind = random.randrange(3)
        if kind == 0:
            y, x = torch.randint(0, 129, (2,)).tolist()
            part = whole[number : number + 1, :, y : y + 128, x : x + 128]
            whole[number] = functional.interpolate(part, size=256, mode="bilinear")[0]
        elif kind == 1:
            whole[number] = (whole[number].flip(-1)[torch.randperm(3)] * random.choice((-1, 0.6, 1))).clamp(-1, 1)
        else:
            fields = torch.rand(1, 3, *torch.randint(1, 7, (2,)).tolist()) * 2 - 1
            mode = random.choice(("nearest", "bilinear"))
            whole[number] = functional.interpolate(fields, size=(256, 256), mode=mode)[0]
    return whole


def train_encoder(model: AutoencoderKL, first: AutoencoderKL, arguments: argparse.Namespace) -> AutoencoderKL:
    """The whole encoder, by the first one's latents."""
    random.seed(arguments.seed)
    pictures: Tensor = torch.load(arguments.pairs)["pictures"]
    model.encoder.train()
    optimisers = Optimisers(model.encoder, arguments.rate, plain=("conv_in", "conv_out"))
    averaged = RunningAverage(model, keep=0.98)
    start, step, mean_loss = time.monotonic(), 0, 1.0
    variance = torch.tensor(first.config.latents_std).view(1, -1, 1, 1).square()
    while (progress := (time.monotonic() - start) / (arguments.minutes * 60)) < 1:
        step += 1
        shown = lessons(pictures, arguments.batch)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                wanted = first.encode(functional.avg_pool2d(shown, 2)).latent_dist
            told = model.encode(shown.contiguous(memory_format=torch.channels_last)).latent_dist
        loss = ((told.mean.float() - wanted.mean.float()).square() / variance).mean()
        mean_loss += 0.05 * (loss.item() - mean_loss)
        loss = loss + 1e-3 * (told.logvar.float() - wanted.logvar.float()).square().mean()
        optimisers.step(loss, progress)
        averaged.update()
        if step % arguments.report == 0 or step == 20:
            print(f"{time.monotonic() - start:.0f} s  step {step}  unexplained {mean_loss:.4f}", flush=True)
    return averaged.average.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("phase", choices=("decoder", "encoder"))
    parser.add_argument("--first", type=Path, required=True, help="the f = 8 autoencoder")
    parser.add_argument("--start", type=Path, help="f = 16 autoencoder to go on with")
    parser.add_argument("--same-edge", action="store_true", help="train the first decoder itself, at 128 pixels")
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--held-out", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--cool", type=float, default=1.0, help="how far down the cosine the rate goes")
    parser.add_argument("--noise", type=float, default=0.2, help="most noise on clean latents, in deviations")
    parser.add_argument("--power", type=float, default=1.0, help="power of the colours' errors from half-time on")
    parser.add_argument("--fresh-steps", type=int, default=0, help="steps in which only the new block learns")
    parser.add_argument(
        "--critic", type=float, default=0.0, help="how hard the critic pulls, in proportion to the errors"
    )
    parser.add_argument("--critic-steps", type=int, default=60, help="steps in which only the critic learns from it")
    parser.add_argument("--report", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)

    first = AutoencoderKL.from_pretrained(arguments.first, torch_dtype=torch.float32).eval()
    if arguments.same_edge:
        model = first
    elif arguments.start:
        model = AutoencoderKL.from_pretrained(arguments.start, torch_dtype=torch.float32)
    else:
        model = doubled(first)
    quicken(model)
    model = train_decoder(model, arguments) if arguments.phase == "decoder" else train_encoder(model, first, arguments)
    model.eval().save_pretrained(arguments.out)
    if arguments.held_out:
        held_out: dict[str, Tensor] = torch.load(arguments.held_out)
        print("final", validate(model, held_out, arguments.out / "preview.png"))
        if arguments.same_edge:
            return
        with torch.no_grad():
            half = len(held_out["pictures"]) // 2
            whole = held_out["pictures"][:half]
            mine = model.encode(as_pictures(whole)).latent_dist.mode()
            theirs = first.encode(halved(whole)).latent_dist.mode()
        deviation = torch.tensor(first.config.latents_std).view(1, -1, 1, 1)
        print(f"encoder: unexplained {((mine - theirs) / deviation).square().mean().item():.4f}")


if __name__ == "__main__":
    main()
