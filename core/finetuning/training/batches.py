"""What the trainer is fed: which images when, with which noise.

All randomness of step n is a function of (seed, attempt, n) and of nothing else. So a run that was stopped goes on
exactly as if it had not been, and a run that was rolled back (the next attempt) does not meet the same noise again.
"""

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import psutil
import torch
from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from torch import Tensor

from core.errors import UnusableData
from core.finetuning.data.buckets import epoch_order
from core.finetuning.data.cache import KeptInMemory
from core.finetuning.data.encoding import CachedImage, read_caption, read_encoded
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.latents import RawLatents
from core.finetuning.model.network import Caption, TextConditioning, bind
from core.finetuning.model.objective import TrainedObjective

_PRIME = 1_000_003
SHARE_OF_MEMORY = 0.25
"""Of the main memory that is available, what encoded images and captions may take: 1,000 of 1024 px take 0.6 GB."""
_Wanted = tuple["TrainingPosition", frozenset[int]]


@dataclass(frozen=True)
class Batch:
    """One forward pass: latents [B, 4, h, w], noise of the same shape, B noise levels, and conditioning, on the CPU."""

    indices: tuple[int, ...]
    """Which training images they are."""
    names: tuple[str, ...]
    """And their files'."""
    latents: RawLatents
    noise: Tensor
    levels: Tensor
    conditioning: TextConditioning

    def pinned(self) -> "Batch":
        """The same in memory that a CUDA GPU reads by itself, while the CPU goes on."""
        text = self.conditioning
        return replace(
            self,
            latents=RawLatents(self.latents.pin_memory()),
            noise=self.noise.pin_memory(),
            levels=self.levels.pin_memory(),
            conditioning=TextConditioning(*(part.pin_memory() for part in (text.text, text.pooled, text.time_ids))),
        )


@dataclass(frozen=True)
class TrainingPosition:
    """A step of an attempt; attempts count the guard's roll-backs."""

    step: int
    attempt: int = 0

    def seed(self, base: int) -> int:
        """A seed for this position's randomness."""
        return ((base * _PRIME + self.attempt) * _PRIME + self.step) % 2**63


class Learnt(Protocol):
    """A batch, as far as every trainer knows it."""

    @property
    def indices(self) -> tuple[int, ...]:
        """Which of the source's pictures they are."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """And what people call them."""
        ...

    @property
    def latents(self) -> Tensor:
        """[B, 4, h, w]"""
        ...


class Source(Protocol):
    """Where a trainer has its batches from."""

    def __len__(self) -> int:
        """How many pictures there are."""
        ...

    def name_of(self, index: int) -> str:
        """What people call a picture."""
        ...

    def at(self, position: TrainingPosition, set_aside: frozenset[int] = frozenset()) -> Sequence[Learnt]:
        """The batches of one optimiser step, without the pictures that are set aside."""
        ...


def batch_losses(
    batch: Batch, unet: UNet2DConditionModel, objective: TrainedObjective, accelerator: Accelerator
) -> Tensor:
    """The loss of each picture of one forward pass on the accelerator's device; [B] fp32 with gradients."""
    device = accelerator.device
    network = bind(unet, batch.conditioning.to(device, unet.dtype), unet.dtype)
    with accelerator.autocast():
        return objective.loss(
            network,
            RawLatents(batch.latents.to(device, non_blocking=True)),
            batch.levels.to(device, non_blocking=True),
            batch.noise.to(device, non_blocking=True),
        )


class BatchSource:
    """The batches of any step, read ahead by one step in a thread of its own. Close after use."""

    def __init__(
        self,
        images: Sequence[CachedImage],
        captions: dict[str, Path],
        no_caption: Caption,
        objective: TrainedObjective,
        hyperparameters: Hyperparameters,
        device: torch.device,
    ) -> None:
        """`captions`: the cached entry of every image's caption; `device`: where the batches will go."""
        self._is_pinned = device.type == "cuda"
        self._kept = KeptInMemory(int(SHARE_OF_MEMORY * psutil.virtual_memory().available))
        self._epoch_read: tuple[int, list[tuple[int, ...]]] | None = None
        self._images, self._captions, self._no_caption = images, captions, no_caption
        self._objective, self._hyperparameters = objective, hyperparameters
        by_bucket: dict[object, list[int]] = defaultdict(list)
        for index, image in enumerate(images):
            by_bucket[image.fitting.bucket].append(index)
        self._groups = list(by_bucket.values())
        self._pictures = [image.latents for image in images]
        self.batches_per_epoch = len(self._epoch(0))
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches")
        self._ahead: tuple[_Wanted, Future[list[Batch]]] | None = None

    def __len__(self) -> int:
        """How many training images there are, the base's own included."""
        return len(self._images)

    def name_of(self, index: int) -> str:
        """An image's file name."""
        return self._images[index].image.example.path.name

    def at(self, position: TrainingPosition, set_aside: frozenset[int] = frozenset()) -> list[Batch]:
        """The `accumulation` batches of one optimiser step, without the images that are set aside."""
        ahead, self._ahead = self._ahead, None
        wanted = (position, set_aside)
        found = ahead[1].result() if ahead is not None and ahead[0] == wanted else self._read(*wanted)
        following = (TrainingPosition(position.step + 1, position.attempt), set_aside)
        self._ahead = (following, self._reader.submit(self._read, *following))
        return found

    def close(self) -> None:
        """End the reading thread."""
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _read(self, position: TrainingPosition, set_aside: frozenset[int]) -> list[Batch]:
        images, parts = self._hyperparameters.effective_batch, self._hyperparameters.accumulation
        generator = torch.Generator().manual_seed(position.seed(self._hyperparameters.seed))
        levels = self._objective.draw_levels(images, generator).view(parts, -1)
        first = position.step * parts
        batches = [
            self._batch(self._indices(first + number, position.attempt, set_aside), levels[number], generator)
            for number in range(parts)
        ]
        return [batch.pinned() for batch in batches] if self._is_pinned else batches

    def _indices(self, number: int, attempt: int, set_aside: frozenset[int]) -> tuple[int, ...]:
        """Each image that is set aside gives its place to others of the batch, or of the next that has any."""
        epoch, place = divmod(number, self.batches_per_epoch)
        seed = TrainingPosition(epoch, attempt).seed(self._hyperparameters.seed)
        order = self._epoch(seed)
        for batch in (*order[place:], *order[:place]):
            if kept := [index for index in batch if index not in set_aside]:
                return tuple(kept[place % len(kept)] for place in range(len(batch)))
        raise UnusableData("No training image has a finite loss; nothing can be learnt from this folder.")

    def _epoch(self, seed: int) -> list[tuple[int, ...]]:
        known = self._epoch_read
        if known is None or known[0] != seed:
            order = epoch_order(self._groups, self._pictures, self._hyperparameters.batch_size, seed)
            self._epoch_read = known = (seed, order)
        return known[1]

    def _batch(self, indices: Sequence[int], levels: Tensor, generator: torch.Generator) -> Batch:
        images = [self._images[index] for index in indices]
        encoded = torch.cat([read_encoded(image.latents, self._kept.read).sample(generator) for image in images])
        dropped = torch.rand(len(images), generator=generator) < self._hyperparameters.caption_dropout
        captions = [
            self._no_caption if drop else read_caption(self._captions[image.image.example.caption], self._kept.read)
            for image, drop in zip(images, dropped.tolist(), strict=True)
        ]
        return Batch(
            tuple(indices),
            tuple(self.name_of(index) for index in indices),
            RawLatents(encoded),
            torch.randn(encoded.shape, generator=generator),
            levels,
            TextConditioning.of(captions, [image.fitting.time_ids for image in images]),
        )
