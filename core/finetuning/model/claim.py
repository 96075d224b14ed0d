"""What a model's directory, or the person, says that its weights were trained for. A claim, which evidence tests.

Knows nothing of weights.
"""

from dataclasses import dataclass
from typing import Literal

from core.errors import UnusableBase
from core.finetuning.model.candidates import (
    EDM_SIGMA_DATA,
    EDM_SIGMAS,
    SDXL_BETAS,
    TIMESTEPS,
    Candidate,
    known_candidates,
)
from core.finetuning.model.objective import Config, Objective, is_edm, objective_for

ObjectiveName = Literal["edm", "discrete"]

STANDARD: dict[ObjectiveName, Config] = {
    "edm": {
        "_class_name": "EDMDPMSolverMultistepScheduler",
        "sigma_min": EDM_SIGMAS[0],
        "sigma_max": EDM_SIGMAS[1],
        "sigma_data": EDM_SIGMA_DATA,
        "prediction_type": "epsilon",
    },
    "discrete": {
        "_class_name": "EulerDiscreteScheduler",
        "num_train_timesteps": TIMESTEPS,
        "beta_start": SDXL_BETAS[0],
        "beta_end": SDXL_BETAS[1],
        "beta_schedule": "scaled_linear",
        "prediction_type": "epsilon",
    },
}
"""What the scheduler's configuration says in Playground v2.5 and in SDXL base."""


@dataclass(frozen=True)
class Claim:
    """`objective` is None if what is claimed is nothing that this trainer can train."""

    words: str
    """Who says what: "scheduler_config.json says EulerDiscreteScheduler, epsilon"."""
    objective: Objective | None


def claim_of(
    scheduler: Config, vae: Config, wanted: ObjectiveName | None, *, log_sigma_mean: float, log_sigma_std: float
) -> Claim:
    """What the two configurations say, or the person by `wanted`; an empty `scheduler`: the directory says nothing.

    Raises ObjectiveMismatch if the VAE's configuration lacks what an EDM model needs.
    """
    if wanted is None:
        kind, prediction = scheduler.get("_class_name"), scheduler.get("prediction_type")
        said = ", ".join(str(part) for part in (kind, prediction) if part is not None)
        words = f"scheduler_config.json says {said}" if said else "the directory has no scheduler_config.json"
    else:
        words = f"--objective says {wanted}"
        if not scheduler or is_edm(scheduler) != (wanted == "edm"):
            scheduler = STANDARD[wanted]
    try:
        objective = objective_for(scheduler, vae, log_sigma_mean=log_sigma_mean, log_sigma_std=log_sigma_std)
    except UnusableBase:
        return Claim(words, None)
    return Claim(words, objective)


def candidates_beside(claim: Claim, vae: Config) -> tuple[Candidate, ...]:
    """What else the weights could be; not what is claimed."""
    mean, std = (
        tuple(float(value) for value in values) if isinstance(values, list | tuple) else None
        for values in (vae.get("latents_mean"), vae.get("latents_std"))
    )
    factor, channels = vae.get("scaling_factor"), vae.get("latent_channels")
    known = known_candidates(
        float(factor) if isinstance(factor, int | float) else 1.0,
        mean,
        std,
        int(channels) if isinstance(channels, int) else 4,
    )
    if claim.objective is None:
        return known
    claimed = claim.objective.candidate()
    return tuple(candidate for candidate in known if not candidate.same_as(claimed))
