"""Guidance distilled into an adapter: what is learnt from which states, and when that is ruin.

The target is what guidance makes of the base's two answers, F* = F_u + w·(F_c − F_u) (Ho and Salimans, arXiv
2207.12598), at the same input, time and prompt (adapter guidance distillation: Jensen and Sadat, arXiv 2503.07274).
Guidance enters as the adapter's strength, (w − 1)/2: at 1 there is only the base. Squared errors are in the space of
the network's output, each divided by what the base's would be in one evaluation, (w − 1)² times the mean of
|F_c − F_u|² at its level: so levels where guidance does little count as much, and little guidance as strong one.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from diffusers import UNet2DConditionModel
from torch import Tensor

from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import TextConditioning, bind, set_strength
from core.finetuning.training.batches import TrainingPosition
from core.finetuning.training.guard import (
    BANDS,
    Draw,
    Losses,
    Reading,
    Yardstick,
    bands,
    log_ratios,
    lower_bound,
)
from core.finetuning.training.states import KEPT, GuidedPrompts, StateFolder, States, joined
from core.generation.guided import strength_of

STANDS_FOR = 0.5
"""Of the base's error in one evaluation: with more than this left an adapter does not stand for guidance."""
LEVELS = 8
"""How many equal parts the states are put into by their noise, to reckon what guidance does there."""


@dataclass(frozen=True)
class Levels:
    """What guidance does at little and much noise: the mean of |F_c − F_u|² in parts of the range of times."""

    ends: tuple[float, ...]
    """The times that the parts but the last end with, ascending."""
    effects: tuple[float, ...]

    @classmethod
    def of(cls, states: Sequence[States]) -> "Levels":
        """As many states in each part."""
        times = torch.cat([part.condition for part in states])
        effects = torch.cat([effect_of(part) for part in states])
        ends = torch.quantile(times, torch.arange(1, LEVELS) / LEVELS)
        place = torch.bucketize(times, ends)
        means = [float(effects[place == part].mean()) for part in range(LEVELS)]
        return cls(tuple(ends.tolist()), tuple(means))

    def at(self, times: Tensor) -> Tensor:
        """The mean effect at each of these times, [n] as well."""
        return torch.tensor(self.effects)[torch.bucketize(times, torch.tensor(self.ends))]


def effect_of(states: States) -> Tensor:
    """|F_c − F_u|² of each state, [n]."""
    return (states.conditional - states.unconditional).square().mean(dim=(1, 2, 3))


def target_of(states: States) -> Tensor:
    """What is to be answered, [n, 4, h, w]."""
    return states.unconditional + states.guidance * (states.conditional - states.unconditional)


@dataclass(frozen=True)
class StateBatch:
    """One forward pass, on the CPU: `latents` as the network sees them and `target`, [B, 4, h, w]; `condition` and
    `without`, the base's usual error in one evaluation, [B]."""

    indices: tuple[int, ...]
    """Of which pictures the states are."""
    names: tuple[str, ...]
    latents: Tensor
    condition: Tensor
    target: Tensor
    without: Tensor
    guidance: float
    conditioning: TextConditioning


def guided_losses(batch: StateBatch, unet: UNet2DConditionModel, accelerator: Accelerator) -> Tensor:
    """The error of each state, in units of the base's own at its level and guidance; [B] fp32 with gradients."""
    device = accelerator.device
    set_strength(unet, strength_of(batch.guidance))
    network = bind(unet, batch.conditioning.to(device, unet.dtype), unet.dtype)
    with accelerator.autocast():
        answer = network(batch.latents.to(device), batch.condition.to(device))
    with torch.autocast(device.type, enabled=False):
        return (answer.float() - batch.target.to(device)).square().mean(dim=(1, 2, 3)) / batch.without.to(device)


class StateSource:
    """The batches of any step: all randomness of step n is a function of (seed, attempt, n)."""

    def __init__(
        self,
        folders: Callable[[int], Sequence[StateFolder]],
        prompts: GuidedPrompts,
        texts: Sequence[str],
        levels: Levels,
        hyperparameters: Hyperparameters,
    ) -> None:
        """`folders`: of a step, where its states lie. `texts`: the prompts, for complaints."""
        self._folders, self._prompts, self._texts = folders, prompts, texts
        self._levels, self._hyperparameters = levels, hyperparameters
        self._begun: tuple[StateFolder, ...] = ()
        self._by_guidance: dict[float, list[tuple[int, StateFolder, int]]] = {}

    def __len__(self) -> int:
        """How many pictures there are states of."""
        return sum(map(len, self._by_guidance.values()))

    def name_of(self, index: int) -> str:
        """The prompt of a picture."""
        return next(
            self._texts[folder.trajectories[number].prompt]
            for entries in self._by_guidance.values()
            for place, folder, number in entries
            if place == index
        )

    def at(self, position: TrainingPosition, set_aside: frozenset[int] = frozenset()) -> list[StateBatch]:
        """The `accumulation` batches of one optimiser step, each of one guidance and at all levels alike."""
        self._open(position.step)
        generator = torch.Generator().manual_seed(position.seed(self._hyperparameters.seed))
        return [self._batch(generator, set_aside) for _ in range(self._hyperparameters.accumulation)]

    def _open(self, step: int) -> None:
        folders = tuple(self._folders(step))
        if folders == self._begun:
            return
        by_guidance: dict[float, list[tuple[int, StateFolder, int]]] = defaultdict(list)
        places = [(folder, number) for folder in folders for number in range(len(folder.trajectories))]
        for place, (folder, number) in enumerate(places):
            by_guidance[folder.trajectories[number].guidance].append((place, folder, number))
        self._begun, self._by_guidance = folders, dict(by_guidance)

    def _batch(self, generator: torch.Generator, set_aside: frozenset[int]) -> StateBatch:
        def below(count: int) -> int:
            return int(torch.randint(count, (1,), generator=generator))

        everything = [(guidance, one) for guidance, entries in self._by_guidance.items() for one in entries
                      if one[0] not in set_aside]  # fmt: skip
        guidance = everything[below(len(everything))][0]
        candidates = [one for one in self._by_guidance[guidance] if one[0] not in set_aside]
        size = self._hyperparameters.batch_size
        order = torch.randperm(len(candidates), generator=generator).tolist()
        chosen = [candidates[order[n % len(order)]] for n in range(size)]
        first = below(KEPT)
        states = joined(
            [folder.read(number, [(first + n * KEPT // min(size, KEPT)) % KEPT])
             for n, (_, folder, number) in enumerate(chosen)]
        )  # fmt: skip
        return StateBatch(
            tuple(place for place, _, _ in chosen),
            tuple(self._texts[prompt] for prompt in states.prompts),
            states.seen,
            states.condition,
            target_of(states),
            (guidance - 1) ** 2 * self._levels.at(states.condition),
            guidance,
            self._prompts.conditioning(states.prompts),
        )


@torch.no_grad()
def guided_errors(unet: UNet2DConditionModel, prompts: GuidedPrompts, pictures: Sequence[States]) -> Losses:
    """Of each picture the error at its kept steps, from little to much noise, of the network as it is with its adapter;
    leaves the adapter at strength 1."""
    rows = []
    for states in pictures:
        set_strength(unet, strength_of(states.guidance))
        network = bind(unet, prompts.conditioning(states.prompts).to(unet.device, unet.dtype), unet.dtype)
        answer = network(states.seen.to(unet.device), states.condition.to(unet.device)).cpu()
        errors = (answer.float() - target_of(states)).square().mean(dim=(1, 2, 3))
        rows.append(tuple(reversed(errors.tolist())))
    set_strength(unet, 1.0)
    return tuple(rows)


def unguided_errors(pictures: Sequence[States]) -> Losses:
    """The same of the base in one evaluation: (w − 1)²·|F_c − F_u|²."""
    return tuple(tuple(reversed(((states.guidance - 1) ** 2 * effect_of(states)).tolist())) for states in pictures)


def most_guidance(errors: Losses, base: Losses, guidances: Sequence[float]) -> float:
    """The strongest guidance up to which the adapter leaves at most half of the base's error, 1 for none.

    Of each picture: its errors with the adapter, those of the base in one evaluation, and its guidance. The adapter's
    effect is linear in its strength only as far as the network is, so strong guidance is what it stands for worst.
    """
    most = 1.0
    for guidance in sorted(set(guidances)):
        places = [place for place, one in enumerate(guidances) if one == guidance]
        if sum(sum(errors[place]) for place in places) > STANDS_FOR * sum(sum(base[place]) for place in places):
            break
        most = guidance
    return most


def guidance_lost(losses: Draw, yardstick: Yardstick, draw: int) -> dict[str, str]:
    """Where the adapter is farther from guidance than the base alone: by the 99 % bound over pictures."""
    found = {}
    for name, band in zip(BANDS, bands(KEPT), strict=True):
        now, base = ([row[band] for row in side.held_out] for side in (losses, yardstick.base[draw]))
        bound = lower_bound(log_ratios(tuple(now), tuple(base)))
        if bound > 0:
            found[name] = (
                f"at {name} noise the error is at least {math.exp(bound):.2f} times that of the base without guidance"
            )
    return found


def nothing_to_remark(reading: Reading, yardstick: Yardstick) -> str | None:
    """There are no other pictures that could be forgotten: at strength 0 the base is there."""
    return None
