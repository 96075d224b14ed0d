"""What one fine-tuning is asked for, and what its folder keeps of that."""

from dataclasses import dataclass, field
from pathlib import Path

from core.errors import UnusableData
from core.finetuning.data.scenes import HELD_OUT
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.claim import ObjectiveName
from core.finetuning.training.settings import RunSettings, read_settings

WORK = "training"
"""The folder of a run's own files, in the one that its adapter goes to."""


@dataclass(frozen=True)
class FinetuneOptions:
    """One call of `imagine-sound finetune`. `hyperparameters.learning_rate` is replaced where `find_rate` is set."""

    images: Path
    out: Path
    base: str
    hyperparameters: Hyperparameters
    base_revision: str | None = None
    caption: str | None = None
    """Of images that have none of their own."""
    cache: Path | None = None
    prompts: tuple[str, ...] = ()
    card: float | None = None
    """GB of the card that batch, checkpointing, optimiser and storage are to fit; None: as the hyperparameters say."""
    choose_steps: bool = False
    """Whether `hyperparameters.steps` is replaced by what suits the number of pictures."""
    find_rate: bool = False
    rate_steps: int = 100
    """Steps of the range test that finds it."""
    resume: bool = False
    restart: bool = False
    objective: ObjectiveName | None = None
    """What the person says that the weights were trained for, in place of the directory's scheduler."""
    kohya: bool = False
    tensorboard: bool = False
    cpu: bool = False
    hub_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Raises UnusableData if the run would learn from the pictures that it paints."""
        for place in (self.out, self.cache):
            if place is not None and place.resolve().is_relative_to(self.images.resolve()):
                raise UnusableData(f"{place} lies in {self.images}: its pictures would be learnt from; choose another.")

    def settings_with(self, hyperparameters: Hyperparameters) -> RunSettings:
        """What the run's folder keeps of them, and of what was there before a run that is resumed."""
        settings = RunSettings(
            images=str(self.images.resolve()),
            base=str(Path(self.base).resolve()) if Path(self.base).is_dir() else self.base,
            hyperparameters=hyperparameters,
            base_revision=self.base_revision,
            caption=self.caption,
            cache=None if self.cache is None else str(self.cache.resolve()),
            prompts=self.prompts,
            objective=self.objective,
            kohya=self.kohya,
        )
        return settings.after(read_settings(self.out / WORK) if self.resume else None)


@dataclass(frozen=True)
class DistilOptions:
    """One call of `imagine-sound distil`. `card`: see FinetuneOptions. `held_out`: prompts to measure on."""

    out: Path
    base: str
    hyperparameters: Hyperparameters
    held_out: int = HELD_OUT
    base_revision: str | None = None
    objective: ObjectiveName | None = None
    card: float | None = None
    resume: bool = False
    restart: bool = False
    cpu: bool = False
    hub_token: str | None = field(default=None, repr=False)

    @property
    def pictures(self) -> int:
        """How many pictures the states are taken from."""
        return self.hyperparameters.limit or 1

    def settings(self) -> RunSettings:
        """What the run's folder keeps of them: the same as of a fine-tuning, without images."""
        base = str(Path(self.base).resolve()) if Path(self.base).is_dir() else self.base
        made = RunSettings("", base, self.hyperparameters, self.base_revision, objective=self.objective)
        return made.after(read_settings(self.out / WORK) if self.resume else None)
