"""Settings from the card and the number of pictures, and what a run will take: memory from shapes, time from a guess.

The guess: a step is twice a forward pass (a frozen base needs no gradients of its weights), reckoned by torch's own
counter, at half the speed of a large product of matrices on the same device. A run's first steps tell better.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch.utils.flop_counter import FlopCounterMode

from core.errors import OutOfTrainingMemory
from core.finetuning.data.prepare import choose_images, resolution_of
from core.finetuning.data.sources import list_examples
from core.finetuning.hyperparameters import TARGET_MODULES, Hyperparameters
from core.finetuning.model.cards import settings_for
from core.finetuning.model.device import device_for, gpu, whole_gib
from core.finetuning.model.memory import Architecture, MemorySettings, Need, Weights, need
from core.finetuning.model.network import DTYPES, Base, load_base
from core.finetuning.model.quantised import best_quantising
from core.finetuning.options import FinetuneOptions
from core.finetuning.progress import Progress
from core.finetuning.training.journal import StepEntry

EACH_PICTURE = 40
"""How often each is learnt from, if nobody says otherwise."""
FEWEST_STEPS, MOST_STEPS = 300, 4000
SAMPLE = 2048
"""Side of the matrices that a device's speed is measured with."""
TIMED_STEPS = 3
EFFICIENCY = 0.5
"""Of a network's speed over such a product's."""


def usual_steps(pictures: int, effective_batch: int) -> int:
    """How many steps learn from so many pictures."""
    return min(max(EACH_PICTURE * pictures // effective_batch, FEWEST_STEPS), MOST_STEPS)


def fitted(base: Base, hyperparameters: Hyperparameters, side: int, card: float) -> Hyperparameters:
    """With the batch, the checkpointing, the optimiser and the storage that fit a card of so many GB.

    Raises OutOfTrainingMemory if nothing does.
    """
    quantised = best_quantising()
    wanted = replace(
        _memory_settings(hyperparameters, side), optimizer="adamw8bit" if quantised == "nf4" else "adamw"
    )  # both are bitsandbytes'
    found = settings_for(card, _architecture(base), _weights(base, hyperparameters), wanted, quantised)
    if found is None:
        raise OutOfTrainingMemory(
            f"Nothing fits {card:.1f} GB of memory with pictures of {side} pixels; take a smaller --resolution, or "
            "free what other programs hold."
        )
    return replace(
        hyperparameters,
        batch_size=found.batch_size,
        accumulation=found.accumulation,
        gradient_checkpointing=found.gradient_checkpointing,
        optimizer=found.optimizer,
        base_weights=found.base_weights,
    )


def peak_of(base: Base, hyperparameters: Hyperparameters) -> float:
    """GiB that a run with these settings takes on a GPU. The base must be whole, with its text encoders."""
    return _need(base, hyperparameters).peak


def seconds_a_step(base: Base, hyperparameters: Hyperparameters, side: int, device: torch.device) -> float:
    """A guess; takes a second or two."""
    passes = 3 if hyperparameters.gradient_checkpointing else 2
    work = passes * hyperparameters.effective_batch * _forward_operations(base, side)
    return work / (EFFICIENCY * _operations_a_second(device, DTYPES[hyperparameters.precision]))


@dataclass(frozen=True)
class Outlook:
    """What is said of a run when its first steps are timed, or of its plan."""

    training: int
    held_out: int
    steps: int
    seconds: float
    peak: float | None = None
    """GiB that it takes on a GPU."""

    def __str__(self) -> str:
        kept = f"{self.held_out} held out" if self.held_out else "none held out"
        time = f"{self.seconds / 60:.0f} min" if self.seconds >= 90 else f"{self.seconds:.0f} s"
        memory = "" if self.peak is None else f", {self.peak:.1f} GiB"
        if self.peak is not None and (card := gpu()) is not None:
            memory = f", {self.peak:.1f} of {whole_gib(card):.0f} GiB"
        return f"{self.training} pictures to learn from, {kept}, {self.steps} steps, {time}{memory}"


class FirstSteps:
    """Says once, when three steps are timed, how long the rest will take."""

    def __init__(self, outlook: Callable[[int, float], Outlook], say: Callable[[str], None]) -> None:
        """`outlook` is given the number of steps and the seconds that are left."""
        self._outlook, self._say, self._seconds = outlook, say, list[float]()

    def took(self, entry: StepEntry, steps: int) -> None:
        """One step of so many was taken."""
        self._seconds.append(entry.seconds)
        if len(self._seconds) == TIMED_STEPS:  # the first ones also warm up
            self._say(str(self._outlook(steps, min(self._seconds) * (steps - entry.step))))


def plan(options: FinetuneOptions, progress: Progress) -> list[str]:
    """What a run would do, in lines; trains nothing. Raises FinetuningError as a run would."""
    listing = list_examples(options.images, options.caption)
    hyperparameters = options.hyperparameters
    progress.say(f"loading {options.base}")
    base = load_base(options.base, options.base_revision, hyperparameters.precision, hub_token=options.hub_token)
    side = resolution_of(hyperparameters, base)
    if options.card is not None:
        hyperparameters = fitted(base, hyperparameters, side, options.card)
    chosen = choose_images(listing, side, hyperparameters, progress)
    training, held_out = len(chosen.split.training), len(chosen.split.held_out)
    steps = usual_steps(training, hyperparameters.effective_batch) if options.choose_steps else hyperparameters.steps
    device = device_for(cpu=options.cpu)
    seconds = steps * seconds_a_step(base, hyperparameters, side, device)
    found = _need(base, hyperparameters)
    stages = ", ".join(f"{stage} {gib:.1f}" for stage, gib in asdict(found).items())
    return [
        *(f"left out {item.path.name}: {item.reason}" for item in chosen.rejected),
        str(Outlook(training, held_out, steps, seconds, None if device.type == "cpu" else found.peak)),
        f"{hyperparameters.batch_size} pictures at once, {hyperparameters.accumulation} times a step, {side} pixels, "
        f"checkpointing {'yes' if hyperparameters.gradient_checkpointing else 'no'}, "
        f"base {hyperparameters.base_weights} in {hyperparameters.precision}, {hyperparameters.optimizer}",
        f"{hyperparameters.targets}, rank {hyperparameters.rank}, "
        f"learning rate {'found first' if options.find_rate else f'{hyperparameters.learning_rate:g}'}",
        f"on a GPU, GiB: {stages}",
    ]


def _need(base: Base, hyperparameters: Hyperparameters) -> Need:
    side = resolution_of(hyperparameters, base)
    return need(_architecture(base), _weights(base, hyperparameters), _memory_settings(hyperparameters, side))


def _memory_settings(hyperparameters: Hyperparameters, side: int) -> MemorySettings:
    return MemorySettings(
        targets=hyperparameters.targets,
        rank=hyperparameters.rank,
        side=side,
        batch_size=hyperparameters.batch_size,
        accumulation=hyperparameters.accumulation,
        gradient_checkpointing=hyperparameters.gradient_checkpointing,
        base_weights=hyperparameters.base_weights,
        optimizer=hyperparameters.optimizer,
        precision=hyperparameters.precision,
    )


def _architecture(base: Base) -> Architecture:
    return Architecture.from_config(base.pipeline.unet.config, base.latent_scale)


def _weights(base: Base, hyperparameters: Hyperparameters) -> Weights:
    pipeline, targets = base.pipeline, TARGET_MODULES[hyperparameters.targets]
    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    layers = {name: part for name, part in pipeline.unet.named_modules() if isinstance(part, kinds)}
    linear = sum(layer.weight.numel() for layer in layers.values() if isinstance(layer, torch.nn.Linear))
    adapted = [layer.weight for name, layer in layers.items() if name.endswith(targets)]
    return Weights(
        linear=linear,
        other=_count(pipeline.unet) - linear,
        adapter=sum(hyperparameters.rank * (weight[0].numel() + len(weight)) for weight in adapted),
        text_encoders=_count(pipeline.text_encoder) + _count(pipeline.text_encoder_2),
        vae=_count(pipeline.vae),
    )


def _count(part: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in part.parameters())


def _forward_operations(base: Base, side: int) -> float:
    """Floating-point operations of the network's forward pass for one picture."""
    unet = base.pipeline.unet
    with torch.device("meta"):
        empty = type(unet).from_config(unet.config)
        cells = side // base.latent_scale
        pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
        texts = torch.empty(1, 77, unet.config.cross_attention_dim)
        added = {"text_embeds": torch.empty(1, pooled), "time_ids": torch.empty(1, 6)}
        counter = FlopCounterMode(display=False)
        with torch.no_grad(), counter:
            empty(torch.empty(1, 4, cells, cells), torch.empty(1), texts, added_cond_kwargs=added)
    return float(counter.get_total_flops())


def _operations_a_second(device: torch.device, dtype: torch.dtype) -> float:
    """What a product of two matrices reaches, the best of three."""
    matrix = torch.randn(SAMPLE, SAMPLE, device=device).to(dtype)
    best = float("inf")
    for _ in range(3):
        started = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # reading it waits for a GPU
        best = min(best, time.perf_counter() - started)
    return 2 * SAMPLE**3 / best
