"""Puts a trainer together from a base model and prepared data, and finds a learning rate for it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator

from core.finetuning.batches import Batch, BatchSource, Moment
from core.finetuning.cache import CachedImage, read_caption, read_encoded
from core.finetuning.checkpoints import Checkpoints
from core.finetuning.guard import Reading, white_noise_share
from core.finetuning.journal import Journal, StepEntry
from core.finetuning.measuring import Examiner, Probe, generic_probe
from core.finetuning.network import Base, Conditions, adapter_parameters, add_adapter, bind
from core.finetuning.objective import Objective, RawLatents
from core.finetuning.painting import EncodedPrompts, SamplingSettings, pipeline_without_encoders, usual_guidance
from core.finetuning.preparing import PreparedData, resolution_of
from core.finetuning.range_test import RangeTest, range_test
from core.finetuning.recipe import Recipe
from core.finetuning.trainer import Trainer, make_optimizer

RANGE_TEST_SEEDS = 4


class Session:
    """A base model with a fresh adapter, its data and its examiner. Close after use."""

    def __init__(
        self, base: Base, data: PreparedData, objective: Objective, recipe: Recipe, accelerator: Accelerator
    ) -> None:
        """`objective` must be the one that belongs to the base. Paints the generic pictures, seconds to minutes."""
        self._base, self._objective, self._recipe, self._accelerator = base, objective, recipe, accelerator
        side = resolution_of(recipe, base)
        self._grid = side // base.latent_scale
        settings = SamplingSettings(
            steps=recipe.sample_steps,
            guidance=usual_guidance(base.pipeline.scheduler.config),
            height=side,
            width=side,
            batch_size=recipe.batch_size,
        )
        unet = base.pipeline.unet.to(accelerator.device)
        base.pipeline.vae.to(accelerator.device)
        if recipe.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        add_adapter(unet, recipe)
        pipeline = pipeline_without_encoders(base)
        self._examiner = Examiner(
            pipeline,
            objective,
            held_out_probes(data),
            [generic_probe(pipeline, objective, EncodedPrompts(data.generic, data.no_caption), settings)],
            EncodedPrompts(data.samples, data.no_caption),
            settings,
        )
        self._data = data
        self._sources: list[BatchSource] = []

    def use(self, recipe: Recipe) -> None:
        """Train with another learning rate than the session was made with."""
        self._recipe = recipe

    def close(self) -> None:
        """End the reading threads."""
        for source in self._sources:
            source.close()

    def trainer(
        self,
        checkpoints: Checkpoints,
        journal: Journal,
        samples: Path,
        *,
        trained: Objective | None = None,
        on_step: Callable[[StepEntry], None] = lambda entry: None,
        on_event: Callable[[str], None] = lambda text: None,
    ) -> Trainer:
        """`samples`: where each look's pictures go. `trained`: another objective to train, as an experiment;
        the guard measures the model's own in any case.
        """
        return Trainer(
            accelerator=self._accelerator,
            unet=self._base.pipeline.unet,
            objective=trained or self._objective,
            source=self._source(self._recipe, trained),
            look=lambda label: self._look(samples / label),
            white_noise=white_noise_share(self._grid, self._grid),
            recipe=self._recipe,
            checkpoints=checkpoints,
            journal=journal,
            on_step=on_step,
            on_event=on_event,
        )

    def find_rate(self, on_progress: Callable[[int], None], steps: int) -> RangeTest:
        """A learning-rate range test on a few fixed batches; the adapter is as before afterwards."""
        unet = self._base.pipeline.unet
        parameters = adapter_parameters(unet)
        before = {name: value.detach().clone() for name, value in parameters.items()}
        source = self._source(self._recipe, None)
        batches = [source.at(Moment(number))[0] for number in range(RANGE_TEST_SEEDS)]
        optimizer = make_optimizer(list(parameters.values()), self._recipe)
        references = [float(self._loss(batch).detach()) for batch in batches]

        def step_at(number: int, rate: float) -> float:
            for group in optimizer.param_groups:
                group["lr"] = rate
            which = number % len(batches)
            loss = self._loss(batches[which])
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            torch.nn.utils.clip_grad_norm_(parameters.values(), self._recipe.max_gradient_norm)
            optimizer.step()
            on_progress(number + 1)
            return float(loss.detach()) / references[which]

        found = range_test(step_at, steps=steps)
        with torch.no_grad():
            for name, value in parameters.items():
                value.copy_(before[name])
        return found

    def _source(self, recipe: Recipe, trained: Objective | None) -> BatchSource:
        data = self._data
        source = BatchSource(data.training, data.captions, data.no_caption, trained or self._objective, recipe)
        self._sources.append(source)
        return source

    def _loss(self, batch: Batch) -> torch.Tensor:
        device, unet = self._accelerator.device, self._base.pipeline.unet
        latents = RawLatents(batch.latents.to(device))
        with self._accelerator.autocast():
            network = bind(unet, batch.conditions.to(device, unet.dtype), unet.dtype)
            losses = self._objective.loss(network, latents, batch.levels.to(device), batch.noise.to(device))
            return torch.mean(losses)

    def _look(self, directory: Path) -> Reading:
        reading, painted = self._examiner.look()
        directory.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(painted.images):
            image.save(directory / f"{number}.png")
        return reading


def held_out_probes(data: PreparedData) -> list[Probe]:
    """The held-out images, those of one size together; the VAE's mean, not a draw."""
    by_size: dict[object, list[CachedImage]] = {}
    for image in data.held_out:
        by_size.setdefault(image.fitting.bucket, []).append(image)
    return [_probe(images, data) for images in by_size.values()]


def _probe(images: Sequence[CachedImage], data: PreparedData) -> Probe:
    captions = [read_caption(data.captions[image.image.example.caption]) for image in images]
    return Probe(
        RawLatents(torch.cat([read_encoded(image.latents).mean for image in images])),
        Conditions.of(captions, [image.fitting.time_ids for image in images]),
    )
