"""What the network is asked to predict: one objective for EDM models (Playground v2.5), one for SDXL-base models.

Playground's network trained with SDXL's objective on SDXL's latents ends as a painter of noise, at any learning
rate, while its training loss looks well. So the two cannot be mixed up here: whoever calls knows only the VAE's raw
latents, each objective brings them into its own network's space by itself, `objective_for` reads the kind from the
scheduler's configuration, and neither class can be built from the other's scheduler. That configuration is a claim,
which `training/evidence.py` tests. All arithmetic is fp32 and outside autocast; only the network may run in half.

Knows nothing of LoRA, captions or optimisers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol, Self

import torch
from diffusers import DDPMScheduler, EDMDPMSolverMultistepScheduler, EulerDiscreteScheduler, SchedulerMixin
from torch import Tensor

from core.errors import ObjectiveMismatch, UnusableBase
from core.finetuning.model.candidates import Candidate, LatentSpace, discrete, edm
from core.finetuning.model.latents import Network, RawLatents

Config = Mapping[str, object]

BETA_SCHEDULE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
    "rescale_betas_zero_snr",
)
"""What decides a discrete scheduler's noise levels and target."""


class Question(NamedTuple):
    """What the network is given, and what it should answer; [B, 4, h, w] fp32, and [B]."""

    seen: Tensor
    condition: Tensor
    target: Tensor


class TrainedObjective(Protocol):
    """What a trainer needs of an objective. `levels` are [B]: σ for EDM, timesteps for SDXL."""

    def draw_levels(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` random noise levels, stratified, in random order."""
        ...

    def loss(self, network: Network, encoded: RawLatents, levels: Tensor, noise: Tensor) -> Tensor:
        """Mean squared error per image, [B] fp32; `noise` has the latents' shape and a standard deviation of one."""
        ...


class Objective(TrainedObjective, Protocol):
    """What a network was trained to predict, and all that follows from it."""

    @property
    def name(self) -> str:
        """For reports."""
        ...

    @property
    def validation_levels(self) -> tuple[float, ...]:
        """Eight fixed noise levels, from little to much noise."""
        ...

    def raw_from_samples(self, samples: Tensor) -> RawLatents:
        """From latents as the sampler ends with, [B, 4, h, w], which are in the network's own space."""
        ...

    def question(self, encoded: RawLatents, levels: Tensor, noise: Tensor) -> Question:
        """What the loss asks of the network."""
        ...

    def candidate(self) -> Candidate:
        """The same as one of the candidates that evidence weighs."""
        ...

    def sampler(self) -> SchedulerMixin:
        """The scheduler that paints with this objective, whatever the model's directory holds."""
        ...


def is_edm(scheduler_config: Config) -> bool:
    """Whether a scheduler configuration is of the EDM family."""
    return "EDM" in str(scheduler_config.get("_class_name", ""))


@dataclass(frozen=True)
class EdmObjective:
    """EDM preconditioning (Karras et al., arXiv 2206.00364, table 1), with the loss on the network's raw output F.

    Mean squared error on F equals the paper's λ(σ)-weighted error on the denoised image.
    """

    sigma_min: float
    sigma_max: float
    sigma_data: float
    sign: float
    """+1 for "epsilon", −1 for "v_prediction" in diffusers' EDM schedulers: the sign of c_out."""
    latents_mean: tuple[float, ...]
    latents_std: tuple[float, ...]
    log_sigma_mean: float
    log_sigma_std: float

    @classmethod
    def from_configs(cls, scheduler: Config, vae: Config, *, log_sigma_mean: float, log_sigma_std: float) -> Self:
        """Raises ObjectiveMismatch if the scheduler is not EDM or the VAE does not say how to normalise."""
        if not is_edm(scheduler):
            raise ObjectiveMismatch(
                f"The model's scheduler is {scheduler.get('_class_name')}, not an EDM one; "
                "the EDM objective would train it into noise."
            )
        mean, std = vae.get("latents_mean"), vae.get("latents_std")
        if not (isinstance(mean, list | tuple) and isinstance(std, list | tuple)):
            raise ObjectiveMismatch(
                "The model has an EDM scheduler, but its VAE configuration lacks latents_mean and latents_std; "
                "take the complete model, for example playgroundai/playground-v2.5-1024px-aesthetic."
            )
        kind = str(scheduler.get("prediction_type", "epsilon"))
        if kind not in ("epsilon", "v_prediction"):
            raise UnusableBase(f"The model predicts {kind!r}, which this trainer does not know.")
        return cls(
            sigma_min=_number(scheduler, "sigma_min"),
            sigma_max=_number(scheduler, "sigma_max"),
            sigma_data=_number(scheduler, "sigma_data"),
            sign=1.0 if kind == "epsilon" else -1.0,
            latents_mean=tuple(float(value) for value in mean),
            latents_std=tuple(float(value) for value in std),
            log_sigma_mean=log_sigma_mean,
            log_sigma_std=log_sigma_std,
        )

    @property
    def name(self) -> str:
        """For reports."""
        return f"EDM, ln σ ~ N({self.log_sigma_mean}, {self.log_sigma_std}²)"

    @property
    def validation_levels(self) -> tuple[float, ...]:
        """Eight σ, from fine detail to layout."""
        return (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0)

    def raw_from_samples(self, samples: Tensor) -> RawLatents:
        """The reverse of the normalisation that the loss begins with."""
        mean, std = self._statistics(samples)
        return RawLatents(samples.float() * std / self.sigma_data + mean)

    def draw_levels(self, count: int, generator: torch.Generator) -> Tensor:
        """Log-normal σ, clamped to the schedule."""
        normal: Tensor = torch.special.ndtri(_stratified(count, generator))
        sigma = torch.exp(self.log_sigma_mean + self.log_sigma_std * normal)
        return torch.clamp(sigma, self.sigma_min, self.sigma_max)

    def question(self, encoded: RawLatents, levels: Tensor, noise: Tensor) -> Question:
        """F* = (x₀ − c_skip·x) / c_out, with x₀ = (z − mean) · σ_data / std.

        Written as F* = (σ/σ_data · x₀ − σ_data · n) / √(σ² + σ_data²), which is the same without cancellation.
        """
        with torch.autocast(noise.device.type, enabled=False):
            mean, std = self._statistics(encoded)
            clean = (encoded.float() - mean) * self.sigma_data / std
            sigma = levels.float().view(-1, 1, 1, 1)
            scale = torch.sqrt(sigma**2 + self.sigma_data**2)
            network_input = (clean + sigma * noise) / scale
            target = self.sign * (sigma / self.sigma_data * clean - self.sigma_data * noise) / scale
        return Question(network_input, levels.float().log() / 4, target)

    def loss(self, network: Network, encoded: RawLatents, levels: Tensor, noise: Tensor) -> Tensor:
        """Mean of (F − F*)² per image."""
        return _error(network, self.question(encoded, levels, noise))

    def candidate(self) -> Candidate:
        """The same as one of the candidates that evidence weighs."""
        space = LatentSpace(self.latents_mean, tuple(self.sigma_data / value for value in self.latents_std))
        return edm(f"EDM, {self._prediction}, sigma_data {self.sigma_data:g}", space, self.sigma_data, self.sign)

    def sampler(self) -> SchedulerMixin:
        """Playground v2.5's own: DPM-Solver++ in EDM's formulation."""
        sigmas = {name: getattr(self, name) for name in ("sigma_min", "sigma_max", "sigma_data")}
        return _made(EDMDPMSolverMultistepScheduler, {**sigmas, "prediction_type": self._prediction})

    @property
    def _prediction(self) -> str:
        return "epsilon" if self.sign > 0 else "v_prediction"

    def _statistics(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the VAE's latents per channel, [1, 4, 1, 1] fp32."""
        mean = like.new_tensor(self.latents_mean, dtype=torch.float32).view(1, -1, 1, 1)
        std = like.new_tensor(self.latents_std, dtype=torch.float32).view(1, -1, 1, 1)
        return mean, std


@dataclass(frozen=True)
class DiscreteObjective:
    """SDXL-base's own objective: noise (epsilon) or velocity at integer timesteps of a fixed beta schedule."""

    scheduler: DDPMScheduler
    scaling_factor: float
    channels: int = 4

    @classmethod
    def from_configs(cls, scheduler: Config, vae: Config) -> Self:
        """Raises ObjectiveMismatch if the scheduler is EDM's, and UnusableBase if it has no beta schedule."""
        if is_edm(scheduler):
            raise ObjectiveMismatch(
                f"The model's scheduler is {scheduler.get('_class_name')}; "
                "SDXL's noise objective would train it into noise."
            )
        if "beta_schedule" not in scheduler or scheduler.get("prediction_type") not in ("epsilon", "v_prediction"):
            raise UnusableBase(
                f"The model's scheduler {scheduler.get('_class_name')} is of a kind that this trainer does not know; "
                "it trains EDM models (Playground v2.5) and SDXL-base models (epsilon or v_prediction)."
            )
        # Not from_config: that puts DDPM's own defaults where the other scheduler's had been used.
        taken = {name: scheduler[name] for name in BETA_SCHEDULE if scheduler.get(name) is not None}
        channels = vae.get("latent_channels", cls.channels)
        return cls(DDPMScheduler(**taken), _number(vae, "scaling_factor"), int(channels))  # type: ignore[call-overload]

    @property
    def name(self) -> str:
        """For reports."""
        return f"SDXL, {self.scheduler.config.prediction_type}"

    @property
    def validation_levels(self) -> tuple[float, ...]:
        """Eight timesteps, spread over the schedule."""
        last = self.scheduler.config.num_train_timesteps - 1
        return tuple(float(round(last * share)) for share in (0.02, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95))

    def raw_from_samples(self, samples: Tensor) -> RawLatents:
        """The reverse of the scaling that the loss begins with."""
        return RawLatents(samples.float() / self.scaling_factor)

    def draw_levels(self, count: int, generator: torch.Generator) -> Tensor:
        """Uniform timesteps."""
        steps = self.scheduler.config.num_train_timesteps
        return torch.clamp(torch.floor(_stratified(count, generator) * steps), 0, steps - 1)

    def question(self, encoded: RawLatents, levels: Tensor, noise: Tensor) -> Question:
        """The noise or the velocity is asked for; the clean latents are z · scaling_factor."""
        with torch.autocast(noise.device.type, enabled=False):
            timesteps = levels.long()
            clean = encoded.float() * self.scaling_factor
            noisy = self.scheduler.add_noise(clean, noise, timesteps)
            target = self.scheduler.get_velocity(clean, noise, timesteps) if self._is_velocity else noise
        return Question(noisy, timesteps, target)

    def loss(self, network: Network, encoded: RawLatents, levels: Tensor, noise: Tensor) -> Tensor:
        """Mean squared error per image on the noise or the velocity."""
        return _error(network, self.question(encoded, levels, noise))

    def candidate(self) -> Candidate:
        """The same as one of the candidates that evidence weighs."""
        space = LatentSpace((0.0,) * self.channels, (self.scaling_factor,) * self.channels)
        return discrete(self.name, space, self.scheduler.alphas_cumprod.tolist(), velocity=self._is_velocity)

    def sampler(self) -> SchedulerMixin:
        """SDXL base's own: Euler, with the same betas."""
        betas = {name: self.scheduler.config[name] for name in BETA_SCHEDULE}
        return _made(EulerDiscreteScheduler, {**betas, "timestep_spacing": "leading", "steps_offset": 1})

    @property
    def _is_velocity(self) -> bool:
        return bool(self.scheduler.config.prediction_type == "v_prediction")


def objective_for(scheduler: Config, vae: Config, *, log_sigma_mean: float, log_sigma_std: float) -> Objective:
    """The one objective that belongs to the model with these configurations."""
    if is_edm(scheduler):
        return EdmObjective.from_configs(scheduler, vae, log_sigma_mean=log_sigma_mean, log_sigma_std=log_sigma_std)
    return DiscreteObjective.from_configs(scheduler, vae)


def _made(kind: type[SchedulerMixin], config: Config) -> SchedulerMixin:  # as if loaded from a directory, with its name
    return kind.from_config({"_class_name": kind.__name__, **config})


def _stratified(count: int, generator: torch.Generator) -> Tensor:
    """One uniform number from each of `count` equal slices of (0, 1), shuffled; [count]."""
    jitter = torch.rand(count, generator=generator).clamp(1e-4, 1 - 1e-4)
    return ((torch.arange(count) + jitter) / count)[torch.randperm(count, generator=generator)]


def _error(network: Network, question: Question) -> Tensor:
    output = network(question.seen, question.condition)
    with torch.autocast(question.target.device.type, enabled=False):
        return torch.mean((output.float() - question.target).square(), dim=(1, 2, 3))


def _number(config: Config, name: str) -> float:
    value = config.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise UnusableBase(f"The model's configuration lacks a number for {name}.")
    return float(value)
