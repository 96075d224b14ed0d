"""What a run starts from: the loaded base, the objective that its weights show, and the data in their terms."""

from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator

from core.errors import InvalidHyperparameters
from core.finetuning.data.prepare import PreparedData, prepare, resolution_of
from core.finetuning.data.sources import Listing
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.cards import TILING_CARD
from core.finetuning.model.claim import claim_of
from core.finetuning.model.network import Base, load_base
from core.finetuning.model.objective import Objective
from core.finetuning.options import WORK, FinetuneOptions
from core.finetuning.planning import Outlook, fitted
from core.finetuning.progress import Progress
from core.finetuning.report import RunPage, RunSummary
from core.finetuning.training.evidence import Evidence
from core.finetuning.training.investigation import investigate


@dataclass(frozen=True)
class Prepared:
    """The loaded base, its objective, the data, and the page that tells of them."""

    base: Base
    objective: Objective
    evidence: Evidence
    data: PreparedData
    page: RunPage
    summary: RunSummary
    """What the page tells before the first look."""
    peak: float | None = None
    """GiB that the run takes on a GPU."""

    def outlook(self, steps: int, seconds: float) -> Outlook:
        """What is said of so many steps that take so many seconds."""
        return Outlook(self.data.summary.training, self.data.summary.held_out, steps, seconds, self.peak)


def accelerator_for(hyperparameters: Hyperparameters, *, cpu: bool) -> Accelerator:
    """One device in the wanted precision. Raises InvalidHyperparameters under a multi-process launcher."""
    precision = hyperparameters.precision
    accelerator = Accelerator(cpu=cpu, mixed_precision="no" if precision == "fp32" else precision)
    if accelerator.num_processes > 1:
        raise InvalidHyperparameters("The trainer works on one GPU; start it without a multi-process launcher.")
    return accelerator


def load(options: FinetuneOptions, progress: Progress) -> tuple[Base, FinetuneOptions]:
    """The base, and the options with what fits the card."""
    progress.say(f"loading {options.base}")
    precision = options.hyperparameters.precision
    base = load_base(options.base, options.base_revision, precision, hub_token=options.hub_token)
    if (card := options.card) is not None:
        side = resolution_of(options.hyperparameters, base)
        options = replace(options, hyperparameters=fitted(base, options.hyperparameters, side, card))
        if card < TILING_CARD:
            base.pipeline.vae.enable_tiling()
    base.pipeline.vae.enable_slicing()  # pictures are decoded one by one
    return base, options


def prepare_run(
    options: FinetuneOptions, base: Base, listing: Listing, device: torch.device, progress: Progress, page: RunPage
) -> Prepared:
    """Ask the weights what they were trained for, and encode the data. The page begins when they have answered."""
    hyperparameters = options.hyperparameters
    cache = options.cache or options.out / WORK / "cache"
    claim = claim_of(
        base.claimed_scheduler,
        base.pipeline.vae.config,
        options.objective,
        log_sigma_mean=hyperparameters.sigma_mean,
        log_sigma_std=hyperparameters.sigma_std,
    )
    base.pipeline.to(device)
    progress.say("asking the weights what they were trained for")
    objective, evidence, remark = investigate(base, claim, listing.examples, cache)
    progress.say(f"objective, as the weights show it: {objective.name}" + (f"; {remark}" if remark else ""))
    summary = RunSummary(
        hyperparameters=hyperparameters,
        base_name=base.name,
        base_sha256=base.fingerprint,
        objective=objective.name,
        evidence=evidence,
        levels=objective.validation_levels,
        samples=options.out / WORK / "samples",
        doing="The pictures are being prepared.",
    )
    page.write(summary)
    progress.say(f"watch it: {page.path}")
    base.pipeline.scheduler = objective.sampler()
    base.pipeline.to("cpu")  # each part comes back when it is needed
    data = prepare(listing, base, hyperparameters, cache, options.prompts, progress, device)
    summary = replace(
        summary, data=data.summary, prompts=data.sample_prompts, doing="The base model is being measured."
    )
    return Prepared(base, objective, evidence, data, page, summary)
