"""Ways to train an adapter wrongly, for `benchmarks/guard.py`."""

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def wrong(sickness: str, right: Any) -> Any:
    """The objective that is trained, where it is not the model's own."""
    from core.finetuning.model.candidates import (
        EDM_SIGMA_DATA,
        LINEAR_BETAS,
        LatentSpace,
        cumulative_alphas,
        discrete,
        edm,
        rectified_flow,
    )

    own = right.candidate().space
    plain = LatentSpace((0.0,) * 4, (0.5,) * 4)
    alphas = cumulative_alphas(LINEAR_BETAS, scaled=False)
    kinds = {
        "epsilon": lambda: Teaching(discrete("", plain, alphas, velocity=False), discrete_levels),
        "velocity": lambda: Teaching(discrete("", plain, alphas, velocity=True), discrete_levels),
        "sign": lambda: Teaching(edm("", own, sigma_data=EDM_SIGMA_DATA, sign=-1.0), right.draw_levels),
        "flow": lambda: Teaching(rectified_flow("", plain), flow_levels),
        "time": lambda: Teaching(
            edm("", own, sigma_data=EDM_SIGMA_DATA, sign=1.0), right.draw_levels, lambda level: level
        ),
    }
    return kinds[sickness]() if sickness in kinds else None


def discrete_levels(count: int, generator: Any) -> Any:
    import torch

    return torch.randint(0, 1000, (count,), generator=generator).float()


def flow_levels(count: int, generator: Any) -> Any:
    import torch

    return torch.rand(count, generator=generator).clamp(0.01, 0.99)


@dataclass(frozen=True)
class Teaching:
    """Trains what a candidate asks for, whatever the network is."""

    candidate: Any
    draw: Any
    condition: Any = None

    def draw_levels(self, count: int, generator: Any) -> Any:
        return self.draw(count, generator)

    def loss(self, network: Any, encoded: Any, levels: Any, noise: Any) -> Any:
        import torch

        from core.finetuning.model.candidates import noised

        clean = self.candidate.space.enter(encoded)
        told = self.condition or self.candidate.condition
        pairs = [
            noised(self.candidate, clean[i : i + 1], noise[i : i + 1], float(levels[i])) for i in range(len(clean))
        ]
        seen, target = (torch.cat(side) for side in zip(*pairs, strict=True))
        answer = network(seen, torch.tensor([told(float(level)) for level in levels]))
        return (answer - target).square().mean(dim=(1, 2, 3))


def accelerator(sickness: str) -> Any:
    """With fp16's scaler where that is the sickness: accelerate refuses it on a CPU, though it works there."""
    import torch
    from accelerate import Accelerator

    found = Accelerator(cpu=True)
    if sickness == "fp16":
        found.state._mixed_precision = "fp16"
        found.native_amp = True
        found.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126)
    return found


def write_noise(folder: Path, count: int = 48) -> None:
    """Pictures of nothing, with the captions of snowmen."""
    from PIL import Image

    folder.mkdir(parents=True)
    draw = random.Random(0)
    for number in range(count):
        Image.frombytes("RGB", (256, 256), draw.randbytes(256 * 256 * 3)).save(folder / f"{number:02d}.png")
        (folder / f"{number:02d}.txt").write_text("a snowman with a red scarf")


def spoil(data: Any, folder: Path, seed: int) -> Any:
    """The same data with one training image in ten that is not finite."""
    from dataclasses import replace

    import torch
    from safetensors.torch import load_file, save_file

    folder.mkdir(exist_ok=True)
    chosen = set(random.Random(seed).sample(range(len(data.training)), max(1, len(data.training) // 10)))
    images = []
    for number, image in enumerate(data.training):
        if number in chosen:
            entry = load_file(image.latents)
            bad = folder / image.latents.name
            save_file({name: torch.full_like(value, float("nan")) for name, value in entry.items()}, bad)
            image = replace(image, latents=bad)
        images.append(image)
    return replace(data, training=tuple(images))
