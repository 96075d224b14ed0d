"""Puts a trainer together from a base model and prepared data, and finds a learning rate for it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from core.finetuning.data.prepare import PreparedData, resolution_of
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import Base, adapter_parameters, add_adapter
from core.finetuning.model.objective import Objective
from core.finetuning.model.painting import EncodedPrompts, SamplingSettings, pipeline_without_encoders, usual_guidance
from core.finetuning.training.batches import BatchSource, TrainingPosition, batch_loss
from core.finetuning.training.checkpoints import Checkpoints
from core.finetuning.training.guard import ValidationResult, white_noise_share
from core.finetuning.training.journal import Journal, StepEntry
from core.finetuning.training.learning_rate import RangeTest, find_rate
from core.finetuning.training.readings import Validator, generic_probe, held_out_probes
from core.finetuning.training.trainer import Trainer, TrainingSetup

RANGE_TEST_BATCHES = 4


@dataclass(frozen=True)
class RunFiles:
    """Where a run is kept on disk; `samples` holds a folder of pictures for each validation."""

    checkpoints: Checkpoints
    journal: Journal
    samples: Path

    @classmethod
    def in_folder(cls, folder: Path, hyperparameters: Hyperparameters, data_key: str) -> "RunFiles":
        """`data_key` names the images and captions; a checkpoint of other data is refused."""
        return cls(
            Checkpoints(folder / "checkpoints", hyperparameters, data_key),
            Journal(folder / "journal.jsonl"),
            folder / "samples",
        )

    def clear(self) -> None:
        """A new run begins."""
        self.checkpoints.clear()
        self.journal.clear()


class Session:
    """A base model with a fresh adapter, its data and its validator. Close after use."""

    def __init__(
        self,
        base: Base,
        data: PreparedData,
        objective: Objective,
        hyperparameters: Hyperparameters,
        accelerator: Accelerator,
    ) -> None:
        """`objective` must be the one that belongs to the base. Paints the generic pictures, seconds to minutes."""
        self._base, self._data, self._objective, self._accelerator = base, data, objective, accelerator
        side = resolution_of(hyperparameters, base)
        self._grid = side // base.latent_scale
        settings = SamplingSettings(
            steps=hyperparameters.sample_steps,
            guidance=usual_guidance(base.pipeline.scheduler.config),
            height=side,
            width=side,
            batch_size=hyperparameters.batch_size,
        )
        unet = base.pipeline.unet.to(accelerator.device)
        base.pipeline.vae.to(accelerator.device)
        if hyperparameters.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        add_adapter(unet, hyperparameters)
        pipeline = pipeline_without_encoders(base)
        self._validator = Validator(
            pipeline,
            objective,
            held_out_probes(data),
            [generic_probe(pipeline, objective, EncodedPrompts(data.generic, data.no_caption), settings)],
            EncodedPrompts(data.samples, data.no_caption),
            settings,
        )
        self._sources: list[BatchSource] = []

    def close(self) -> None:
        """End the reading threads."""
        for source in self._sources:
            source.close()

    def trainer(
        self,
        hyperparameters: Hyperparameters,
        files: RunFiles,
        *,
        trained: Objective | None = None,
        on_step: Callable[[StepEntry], None] = lambda entry: None,
        on_event: Callable[[str], None] = lambda text: None,
    ) -> Trainer:
        """`hyperparameters` may have another learning rate than the session's.

        `trained`: another objective to train, as an experiment; the guard measures the model's own in any case.
        """
        objective = trained or self._objective
        return Trainer(
            TrainingSetup(
                accelerator=self._accelerator,
                unet=self._base.pipeline.unet,
                objective=objective,
                source=self._source(hyperparameters, objective),
                validate=lambda label: self._validate(files.samples / label),
                white_noise=white_noise_share(self._grid, self._grid),
                hyperparameters=hyperparameters,
                checkpoints=files.checkpoints,
                journal=files.journal,
                on_step=on_step,
                on_event=on_event,
            )
        )

    def find_rate(self, hyperparameters: Hyperparameters, steps: int, on_progress: Callable[[int], None]) -> RangeTest:
        """A learning-rate range test on a few fixed batches; the adapter is as before afterwards."""
        unet = self._base.pipeline.unet
        source = self._source(hyperparameters, self._objective)
        batches = [source.at(TrainingPosition(number))[0] for number in range(RANGE_TEST_BATCHES)]
        losses = [partial(batch_loss, batch, unet, self._objective, self._accelerator) for batch in batches]
        return find_rate(adapter_parameters(unet), losses, hyperparameters, steps, on_progress)

    def _source(self, hyperparameters: Hyperparameters, objective: Objective) -> BatchSource:
        data = self._data
        source = BatchSource(data.training, data.captions, data.no_caption, objective, hyperparameters)
        self._sources.append(source)
        return source

    def _validate(self, directory: Path) -> ValidationResult:
        result, painted = self._validator.validate()
        directory.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(painted.images):
            image.save(directory / f"{number}.png")
        return result
