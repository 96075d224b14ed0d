"""What the trainer is fed: which images when, with which noise.

All randomness of step n is a function of (seed, attempt, n) and of nothing else. So a run that was stopped goes on
exactly as if it had not been, and a run that was rolled back (the next attempt) does not meet the same noise again.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from torch import Tensor

from core.finetuning.data.encoding import CachedImage, read_caption, read_encoded
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import Caption, TextConditioning, bind
from core.finetuning.model.objective import Objective, RawLatents

_PRIME = 1_000_003


@dataclass(frozen=True)
class Batch:
    """One forward pass: latents [B, 4, h, w], noise of the same shape, B noise levels, and conditioning, on the CPU."""

    latents: RawLatents
    noise: Tensor
    levels: Tensor
    conditioning: TextConditioning


@dataclass(frozen=True)
class TrainingPosition:
    """A step of an attempt; attempts count the guard's roll-backs."""

    step: int
    attempt: int = 0

    def seed(self, base: int) -> int:
        """A seed for this position's randomness."""
        return ((base * _PRIME + self.attempt) * _PRIME + self.step) % 2**63


def batch_loss(batch: Batch, unet: UNet2DConditionModel, objective: Objective, accelerator: Accelerator) -> Tensor:
    """The mean loss of one forward pass on the accelerator's device; a scalar in fp32 with gradients."""
    device = accelerator.device
    network = bind(unet, batch.conditioning.to(device, unet.dtype), unet.dtype)
    with accelerator.autocast():
        losses = objective.loss(
            network, RawLatents(batch.latents.to(device)), batch.levels.to(device), batch.noise.to(device)
        )
    return torch.mean(losses)


def epoch_order(groups: Sequence[Sequence[int]], batch_size: int, seed: int) -> list[tuple[int, ...]]:
    """Batches of one epoch: each index once, only one group's in a batch; short ones are filled up from the group."""
    draw = random.Random(seed)
    batches: list[tuple[int, ...]] = []
    for group in groups:
        order = list(group)
        draw.shuffle(order)
        while len(order) % batch_size:
            order += order[: batch_size - len(order) % batch_size]
        batches += [tuple(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]
    draw.shuffle(batches)
    return batches


class BatchSource:
    """The batches of any step, read ahead by one step in a thread of its own. Close after use."""

    def __init__(
        self,
        images: Sequence[CachedImage],
        captions: dict[str, Path],
        no_caption: Caption,
        objective: Objective,
        hyperparameters: Hyperparameters,
    ) -> None:
        """`captions`: the cached entry of every image's caption."""
        self._images, self._captions, self._no_caption = images, captions, no_caption
        self._objective, self._hyperparameters = objective, hyperparameters
        by_bucket: dict[object, list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            by_bucket[image.fitting.bucket].append(index)
        self._groups = list(by_bucket.values())
        self.batches_per_epoch = len(epoch_order(self._groups, hyperparameters.batch_size, 0))
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._ahead: tuple[TrainingPosition, Future[list[Batch]]] | None = None

    def at(self, position: TrainingPosition) -> list[Batch]:
        """The `accumulation` batches of one optimiser step."""
        ahead, self._ahead = self._ahead, None
        found = ahead[1].result() if ahead is not None and ahead[0] == position else self._read(position)
        following = TrainingPosition(position.step + 1, position.attempt)
        self._ahead = (following, self._reader.submit(self._read, following))
        return found

    def close(self) -> None:
        """End the reading thread."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _read(self, position: TrainingPosition) -> list[Batch]:
        images, parts = self._hyperparameters.effective_batch, self._hyperparameters.accumulation
        generator = torch.Generator().manual_seed(position.seed(self._hyperparameters.seed))
        levels = self._objective.draw_levels(images, generator).view(parts, -1)
        first = position.step * parts
        return [
            self._batch(self._indices(first + number, position.attempt), levels[number], generator)
            for number in range(parts)
        ]

    def _indices(self, number: int, attempt: int) -> tuple[int, ...]:
        epoch, place = divmod(number, self.batches_per_epoch)
        seed = TrainingPosition(epoch, attempt).seed(self._hyperparameters.seed)
        return epoch_order(self._groups, self._hyperparameters.batch_size, seed)[place]

    def _batch(self, indices: Sequence[int], levels: Tensor, generator: torch.Generator) -> Batch:
        images = [self._images[index] for index in indices]
        encoded = torch.cat([read_encoded(image.latents).sample(generator) for image in images])
        dropped = torch.rand(len(images), generator=generator) < self._hyperparameters.caption_dropout
        captions = [
            self._no_caption if drop else read_caption(self._captions[image.image.example.caption])
            for image, drop in zip(images, dropped.tolist(), strict=True)
        ]
        return Batch(
            RawLatents(encoded),
            torch.randn(encoded.shape, generator=generator),
            levels,
            TextConditioning.of(captions, [image.fitting.time_ids for image in images]),
        )
