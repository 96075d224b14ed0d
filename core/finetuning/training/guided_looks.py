"""How an adapter that stands for guidance is looked at while it learns: its errors on held-out states, its pictures.

What the base does in one evaluation is the standard; with the adapter it must be nearer to guidance, at every noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diffusers import StableDiffusionXLPipeline

from core.finetuning.model.network import set_strength
from core.finetuning.model.painting import EncodedPrompts, SamplingSettings
from core.finetuning.training.guard import Draw, Reading, Yardstick
from core.finetuning.training.guidance import guided_errors, most_guidance, unguided_errors
from core.finetuning.training.readings import Look, paint_samples
from core.finetuning.training.spectrum import statistics_of, white_noise_share
from core.finetuning.training.states import GuidedPrompts, States
from core.generation.guided import strength_of


@dataclass(frozen=True)
class GuidedLooks:
    """`halves`: the held-out pictures' states, of which the second half is asked where the first is suspicious.

    `deviation`: that of clean latents in the model's space, about. The samples' guidance is that of `settings`.
    """

    pipeline: StableDiffusionXLPipeline
    prompts: GuidedPrompts
    halves: tuple[Sequence[States], Sequence[States]]
    samples: EncodedPrompts
    settings: SamplingSettings
    deviation: float

    @property
    def one_evaluation(self) -> SamplingSettings:
        """The samples' settings with the adapter in guidance's place."""
        return replace(self.settings, guidance=1.0)

    def look(self) -> Look:
        """The errors on the first half, and the samples, with the adapter as it is."""
        losses = self.losses(0)
        set_strength(self.pipeline.unet, strength_of(self.settings.guidance))
        painted = paint_samples(self.pipeline, self.samples, self.one_evaluation)
        return Look(Reading(losses, statistics_of(painted.latents)), painted)

    def losses(self, half: int) -> Draw:
        """The errors on one half; there are no others that are measured."""
        errors = guided_errors(self.pipeline.unet, self.prompts, self.halves[half])
        return Draw(errors, errors)

    def most_guidance(self) -> float:
        """The strongest guidance that the adapter, as it is, stands for."""
        pictures = [*self.halves[0], *self.halves[1]]
        errors = guided_errors(self.pipeline.unet, self.prompts, pictures)
        return most_guidance(errors, unguided_errors(pictures), [states.guidance for states in pictures])

    def yardstick(self) -> tuple[Yardstick, Look]:
        """The base's errors in one evaluation, and its samples in two."""
        set_strength(self.pipeline.unet, 0.0)
        painted = paint_samples(self.pipeline, self.samples, self.settings)
        statistics = statistics_of(painted.latents)
        first, second = (Draw(errors, errors) for errors in map(unguided_errors, self.halves))
        white = white_noise_share(*painted.latents.shape[2:])
        yardstick = Yardstick((first, second), (first, second), statistics, white, self.deviation)
        return yardstick, Look(Reading(first, statistics), painted)
