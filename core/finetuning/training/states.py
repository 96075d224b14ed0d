"""What a network meets on the way to guided pictures, kept on disk with what the base answers there.

Each picture's file holds a few of its steps: what the network saw, the time that it was told, and the base's answers
without and with the prompt, in fp16 (0.4 MB a step at 1024 px). They lie on guided trajectories, painted by the base
with guidance, or by the adapter that is to replace it. Knows nothing of how is learnt from them.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor

from core.finetuning.data.cache import is_whole, read_entry, write_entry
from core.finetuning.model.network import Caption, TextConditioning, bind, set_strength
from core.finetuning.model.painting import EncodedPrompts, prompt_arguments
from core.finetuning.progress import Advance
from core.generation.guided import strength_of

KEPT = 8
"""Steps of each picture that are kept, one from each of so many equal parts of the way."""
GUIDANCES = (2.0, 3.0, 3.0, 3.0, 4.0, 5.0)
"""Three half of the time."""
STEPS = (20, 25, 30, 40, 50)
TENSORS = ("seen", "condition", "unconditional", "conditional")
"""What is kept of each state."""


@dataclass(frozen=True)
class Trajectory:
    """A picture on whose way states are taken."""

    number: int
    prompt: int
    """Which of the prompts."""
    seed: int
    guidance: float
    steps: int
    kept: tuple[int, ...]
    """Which steps, ascending."""


@dataclass(frozen=True)
class States:
    """Some of them, all of one guidance: `seen`, `unconditional` and `conditional` [n, 4, h, w], `condition` [n]."""

    prompts: tuple[int, ...]
    guidance: float
    seen: Tensor
    condition: Tensor
    unconditional: Tensor
    conditional: Tensor


@dataclass(frozen=True)
class GuidedPrompts:
    """Prompts as the network reads them, each with what it is guided away from; `side` in pixels."""

    wanted: tuple[Caption, ...]
    unwanted: tuple[Caption, ...]
    side: int

    def conditioning(self, prompts: Sequence[int], *, unwanted: bool = False) -> TextConditioning:
        """Of these prompts, for pictures that nothing is cut off from."""
        side, captions = float(self.side), self.unwanted if unwanted else self.wanted
        sizes = [(side, side, 0.0, 0.0, side, side)] * len(prompts)
        return TextConditioning.of([captions[prompt] for prompt in prompts], sizes)


def planned(negatives: Sequence[str], pictures: Sequence[int], seed: int, together: int) -> list[list[Trajectory]]:
    """Pictures of so many prompts, those side by side that are painted together: of one negative prompt, guidance and
    number of steps. `negatives`: of every prompt; `pictures`: which prompts are painted, each once."""
    draw = random.Random(seed)
    batches: list[list[Trajectory]] = []
    number = 0
    for _, group in groupby(sorted(pictures, key=lambda prompt: negatives[prompt]), key=lambda one: negatives[one]):
        prompts = list(group)
        for start in range(0, len(prompts), together):
            guidance, steps = draw.choice(GUIDANCES), draw.choice(STEPS)
            batch = []
            for prompt in prompts[start : start + together]:
                kept = tuple(draw.randrange(n * steps // KEPT, (n + 1) * steps // KEPT) for n in range(KEPT))
                batch.append(Trajectory(number, prompt, draw.randrange(1 << 31), guidance, steps, kept))
                number += 1
            batches.append(batch)
    return batches


@dataclass(frozen=True)
class StatePainting:
    """How many pictures are painted side by side, and whether by the base with guidance, or by its adapter in one
    evaluation a step."""

    at_once: int
    by_adapter: bool = False


class StateFolder:
    """The files of some pictures' states."""

    def __init__(self, folder: Path, batches: Sequence[Sequence[Trajectory]]) -> None:
        self._folder, self._batches, self._is_filled = folder, batches, False
        self.trajectories = tuple(trajectory for batch in batches for trajectory in batch)

    def __len__(self) -> int:
        """How many states there are."""
        return KEPT * len(self.trajectories)

    def fill(
        self, pipeline: StableDiffusionXLPipeline, prompts: GuidedPrompts, painting: StatePainting, advance: Advance
    ) -> None:
        """Paint what is not there yet."""
        if self._is_filled:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        done = 0
        for batch in self._batches:
            for start in range(0, len(batch), painting.at_once):
                part = batch[start : start + painting.at_once]
                if not all(self._is_there(trajectory) for trajectory in part):
                    for trajectory, states in zip(
                        part, _paint(pipeline, prompts, part, painting.by_adapter), strict=True
                    ):
                        write_entry(states, self._path(trajectory))
                done += len(part)
                advance(done)
        self._is_filled = True

    def read(self, number: int, kept: Sequence[int] = range(KEPT)) -> States:
        """The states of a picture, or some of them, from much to little noise."""
        trajectory = self.trajectories[number]
        entry = read_entry(self._path(trajectory))
        parts = {name: entry[name][list(kept)].float() for name in TENSORS}
        return States((trajectory.prompt,) * len(kept), trajectory.guidance, **parts)

    def _is_there(self, trajectory: Trajectory) -> bool:
        path = self._path(trajectory)
        return path.is_file() and is_whole(path)

    def _path(self, trajectory: Trajectory) -> Path:
        return self._folder / f"{trajectory.number:05d}.safetensors"


def joined(states: Sequence[States]) -> States:
    """Together; all must have one guidance."""
    return States(
        tuple(prompt for part in states for prompt in part.prompts),
        states[0].guidance,
        *(torch.cat([getattr(part, name) for part in states]) for name in TENSORS),
    )


@torch.no_grad()
def _paint(
    pipeline: StableDiffusionXLPipeline, prompts: GuidedPrompts, batch: Sequence[Trajectory], by_adapter: bool
) -> Iterator[dict[str, Tensor]]:
    """The entries of pictures that are painted together."""
    unet, first, count = pipeline.unet, batch[0], len(batch)
    numbers = [trajectory.prompt for trajectory in batch]
    set_strength(unet, strength_of(first.guidance) if by_adapter else 0.0)
    met: list[tuple[Tensor, Tensor]] = []

    def meet(_: torch.nn.Module, arguments: tuple[Tensor, Tensor]) -> None:
        met.append((arguments[0][-count:].float().cpu(), arguments[1].float().cpu().reshape(-1)[-1]))

    hook = unet.register_forward_pre_hook(meet)
    try:
        encoded = EncodedPrompts(tuple(prompts.wanted[n] for n in numbers), prompts.unwanted[first.prompt])
        pipeline(
            **prompt_arguments(pipeline, encoded, slice(None)),
            num_inference_steps=first.steps,
            guidance_scale=1.0 if by_adapter else first.guidance,
            height=prompts.side,
            width=prompts.side,
            generator=[torch.Generator().manual_seed(trajectory.seed) for trajectory in batch],
            output_type="latent",
        )
    finally:
        hook.remove()
    set_strength(unet, 0.0)
    answers = [bind(unet, prompts.conditioning(numbers, unwanted=unwanted).to(unet.device, unet.dtype), unet.dtype)
               for unwanted in (True, False)]  # fmt: skip
    columns = []
    for part in range(KEPT):
        chosen = [met[trajectory.kept[part]] for trajectory in batch]
        seen = torch.stack([inputs[place] for place, (inputs, _) in enumerate(chosen)]).half().float()  # as it is kept
        condition = torch.stack([time for _, time in chosen])
        labels = [answer(seen.to(unet.device), condition.to(unet.device)).cpu() for answer in answers]
        columns.append((seen.half(), condition, *(label.half() for label in labels)))
    for place in range(count):
        yield {name: torch.stack([column[k][place] for column in columns]) for k, name in enumerate(TENSORS)}
