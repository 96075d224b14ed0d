"""Puts a trainer together from a base model and prepared data, and finds a learning rate for it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator
from torch import Tensor

from core.finetuning.data.prepare import PreparedData, resolution_of
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.network import Base, adapter_parameters, add_adapter
from core.finetuning.model.objective import Objective, TrainedObjective
from core.finetuning.model.painting import EncodedPrompts, SamplingSettings, pipeline_without_encoders, usual_guidance
from core.finetuning.training.batches import Batch, BatchSource, TrainingPosition, batch_losses
from core.finetuning.training.checkpoints import Checkpoints
from core.finetuning.training.disk import write_folder
from core.finetuning.training.journal import Journal, StepEntry, ValidationEntry
from core.finetuning.training.learning_rate import RangeTest, find_rate
from core.finetuning.training.readings import Look, Probes, Validator, generic_probes, held_out_probes
from core.finetuning.training.trainer import Measuring, Trainer, TrainingSetup
from core.finetuning.training.witness import Witness

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
            Checkpoints(folder, hyperparameters, data_key),
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
        settings = sampling_settings(base, hyperparameters)
        unet = base.pipeline.unet.to(accelerator.device)
        base.pipeline.vae.to(accelerator.device)
        if hyperparameters.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        self._witness = Witness(unet, objective, data.generic[0])
        add_adapter(unet, hyperparameters)
        self._witness.check_new_adapter()
        pipeline = pipeline_without_encoders(base)
        self._validator = Validator(
            pipeline,
            objective,
            Probes(
                held_out_probes(data),
                generic_probes(pipeline, objective, EncodedPrompts(data.generic, data.no_caption), settings),
            ),
            EncodedPrompts(data.samples, data.no_caption),
            settings,
        )
        self._sources: list[BatchSource] = []

    def check_base(self) -> None:
        """The base must be what it was, whatever was trained. Raises BaseChanged."""
        self._witness.check_base()

    def close(self) -> None:
        """End the reading threads."""
        for source in self._sources:
            source.close()

    def trainer(
        self,
        hyperparameters: Hyperparameters,
        files: RunFiles,
        *,
        trained: TrainedObjective | None = None,
        on_step: Callable[[StepEntry], None] = lambda entry: None,
        on_event: Callable[[str], None] = lambda text: None,
        on_look: Callable[[ValidationEntry], None] = lambda entry: None,
    ) -> Trainer:
        """`hyperparameters` may have another learning rate than the session's.

        `trained`: another objective to train, as an experiment; the guard measures the model's own in any case.
        """
        objective, unet = trained or self._objective, self._base.pipeline.unet
        return Trainer(
            TrainingSetup(
                accelerator=self._accelerator,
                unet=unet,
                losses=lambda batch: batch_losses(batch, unet, objective, self._accelerator),
                source=self._source(hyperparameters, objective),
                measuring=Measuring(
                    self._validator.yardstick,
                    self._validator.look,
                    lambda: self._validator.losses(1),
                    lambda label, look: keep_pictures(files.samples / label, look),
                ),
                hyperparameters=hyperparameters,
                checkpoints=files.checkpoints,
                journal=files.journal,
                on_step=on_step,
                on_event=on_event,
                on_look=on_look,
            )
        )

    def find_rate(self, hyperparameters: Hyperparameters, steps: int, on_progress: Callable[[int], None]) -> RangeTest:
        """A learning-rate range test on a few fixed batches; the adapter is as before afterwards."""
        unet = self._base.pipeline.unet
        source = self._source(hyperparameters, self._objective)
        batches = [source.at(TrainingPosition(number))[0] for number in range(RANGE_TEST_BATCHES)]

        def loss_of(batch: Batch) -> Callable[[], Tensor]:
            return lambda: batch_losses(batch, unet, self._objective, self._accelerator).mean()

        losses = [loss_of(batch) for batch in batches]
        return find_rate(adapter_parameters(unet), losses, hyperparameters, steps, on_progress)

    def _source(self, hyperparameters: Hyperparameters, objective: TrainedObjective) -> BatchSource:
        data = self._data
        source = BatchSource(
            data.training, data.captions, data.no_caption, objective, hyperparameters, self._accelerator.device
        )
        self._sources.append(source)
        return source


def sampling_settings(base: Base, hyperparameters: Hyperparameters) -> SamplingSettings:
    """How the guard's pictures are painted."""
    side = resolution_of(hyperparameters, base)
    return SamplingSettings(
        steps=hyperparameters.sample_steps,
        guidance=usual_guidance(base.pipeline.scheduler.config),
        height=side,
        width=side,
        batch_size=hyperparameters.batch_size,
    )


def keep_pictures(directory: Path, look: Look) -> None:
    """Write a look's pictures as PNG, all or none. Raises OSError."""
    files = {}
    for number, image in enumerate(look.painted.images):
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        files[f"{number}.png"] = buffer.getvalue()
    write_folder(directory, files)
