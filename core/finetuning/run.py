"""A whole fine-tuning: from a folder of images to an adapter and its report."""

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from core.errors import CannotResume, InvalidHyperparameters, OutOfTrainingMemory
from core.finetuning.data.prepare import PreparedData, prepare
from core.finetuning.data.sources import list_examples
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.adapter_file import adapter_metadata, save_adapter, save_kohya, set_adapter
from core.finetuning.model.network import Base, load_base
from core.finetuning.model.objective import Objective, objective_for
from core.finetuning.progress import Progress
from core.finetuning.report import RunSummary, write_report
from core.finetuning.training.batches import TrainingPosition
from core.finetuning.training.checkpoints import KeptCheckpoint, RunState, name_of, position_of
from core.finetuning.training.journal import StepEntry
from core.finetuning.training.session import RunFiles, Session
from core.finetuning.training.trainer import Ending

STILL_AS_GOOD = 1.02
"""The last adapter is taken if its held-out loss is at most this many times the best one's."""

WORK = "training"
REPORT_NAME = "report.html"
RATE_NAME = "learning_rate.json"


@dataclass(frozen=True)
class FinetuneOptions:
    """One call of `imagine-sound finetune`. `hyperparameters.learning_rate` is replaced where `find_rate` is set."""

    images: Path
    out: Path
    base: str
    hyperparameters: Hyperparameters
    base_revision: str | None = None
    cache: Path | None = None
    prompts: tuple[str, ...] = ()
    find_rate: bool = False
    rate_steps: int = 100
    """Steps of the range test that finds it."""
    resume: bool = False
    restart: bool = False
    kohya: bool = False
    cpu: bool = False
    hub_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class FinetuneResult:
    """What a run left behind. `adapter` is None if nothing learnt was worth keeping (yet)."""

    ending: Ending
    state: RunState
    adapter: Path | None
    kohya: Path | None
    report: Path


def finetune(
    options: FinetuneOptions, progress: Progress, should_stop: Callable[[], bool] = lambda: False
) -> FinetuneResult:
    """Prepare, train, save and report. Raises FinetuningError; `should_stop` is asked before each step."""
    try:
        return _finetune(options, progress, should_stop)
    except torch.OutOfMemoryError as error:
        raise OutOfTrainingMemory(
            "The GPU's memory is too small for these settings: use --gradient-checkpointing, a smaller --batch-size "
            "with more --accumulation, or --optimizer adamw8bit."
        ) from error


@dataclass(frozen=True)
class _Prepared:
    """What a run starts from: the loaded base, its objective, and the data in its terms."""

    base: Base
    objective: Objective
    data: PreparedData


def _finetune(options: FinetuneOptions, progress: Progress, should_stop: Callable[[], bool]) -> FinetuneResult:
    _check_place(options)
    accelerator = _accelerator(options)
    prepared = _prepare(options, accelerator.device, progress)
    progress.say("measuring the base model")
    with closing(
        Session(prepared.base, prepared.data, prepared.objective, options.hyperparameters, accelerator)
    ) as session:
        hyperparameters = replace(options.hyperparameters, learning_rate=_rate(options, session, progress))
        files = RunFiles.in_folder(options.out / WORK, hyperparameters, prepared.data.key)
        if not options.resume:
            files.clear()
        with progress.task("Training", hyperparameters.steps) as advance:
            trainer = session.trainer(
                hyperparameters, files, on_step=lambda entry: advance(entry.step, _remark(entry)), on_event=progress.say
            )
            if options.resume:
                trainer.resume()
            ending = trainer.run(should_stop)
    return _finish(options, prepared, hyperparameters, files, trainer.state, ending)


def _finish(
    options: FinetuneOptions,
    prepared: _Prepared,
    hyperparameters: Hyperparameters,
    files: RunFiles,
    state: RunState,
    ending: Ending,
) -> FinetuneResult:
    """Save the adapter, if anything learnt is worth it, and write the report."""
    kept = choose(state, ending)
    adapter = None if kept is None else _save(prepared, hyperparameters, files, kept, options.out)
    kohya = save_kohya(adapter, hyperparameters) if options.kohya and adapter is not None else None
    summary = RunSummary(
        hyperparameters=hyperparameters,
        base_name=prepared.base.name,
        base_sha256=prepared.base.fingerprint,
        objective=prepared.objective.name,
        levels=prepared.objective.validation_levels,
        data=prepared.data.summary,
        prompts=prepared.data.sample_prompts,
        samples=files.samples,
        entries=files.journal.entries(),
        state=state,
        ending=ending,
        kept=kept,
    )
    report = options.out / REPORT_NAME
    write_report(report, summary)
    return FinetuneResult(ending, state, adapter, kohya, report)


def choose(state: RunState, ending: Ending) -> KeptCheckpoint | None:
    """The last good state if it is still as good as the best, else the best; None if nothing was learnt."""
    if not state.held_out or state.best is None:
        return None
    last_step, last_loss = state.held_out[-1]
    if ending is Ending.FINISHED and last_loss <= STILL_AS_GOOD * state.best_loss:
        return KeptCheckpoint(
            name_of(TrainingPosition(last_step, state.position.attempt)), last_step, "the last step's"
        )
    why = "over-trained later" if ending is Ending.FINISHED else ending.value
    return KeptCheckpoint(state.best, position_of(state.best).step, f"the best on held-out images ({why})")


def _check_place(options: FinetuneOptions) -> None:
    has_run = any((options.out / WORK / "checkpoints").glob("attempt-*"))
    if options.resume and not has_run:
        raise CannotResume(f"There is no run to resume in {options.out}; leave out --resume to start one.")
    if has_run and not (options.resume or options.restart):
        raise CannotResume(
            f"{options.out} holds a run already: --resume goes on with it, --restart deletes it and begins anew."
        )


def _accelerator(options: FinetuneOptions) -> Accelerator:
    precision = options.hyperparameters.precision
    accelerator = Accelerator(cpu=options.cpu, mixed_precision="no" if precision == "fp32" else precision)
    if accelerator.num_processes > 1:
        raise InvalidHyperparameters("The trainer works on one GPU; start it without a multi-process launcher.")
    return accelerator


def _prepare(options: FinetuneOptions, device: torch.device, progress: Progress) -> _Prepared:
    """Load the base and encode the data; the text encoders are let go of."""
    hyperparameters = options.hyperparameters
    listing = list_examples(options.images)
    progress.say(f"loading {options.base}")
    base = load_base(options.base, options.base_revision, hyperparameters.precision, hub_token=options.hub_token)
    objective = objective_for(
        base.pipeline.scheduler.config,
        base.pipeline.vae.config,
        log_sigma_mean=hyperparameters.sigma_mean,
        log_sigma_std=hyperparameters.sigma_std,
    )
    progress.say(f"objective, as the model's scheduler wants it: {objective.name}")
    base.pipeline.to(device)
    data = prepare(
        listing, base, hyperparameters, options.cache or options.out / WORK / "cache", options.prompts, progress
    )
    base.pipeline.text_encoder = base.pipeline.text_encoder_2 = None
    progress.say(f"{data.summary.training} images to learn from, {data.summary.held_out} held out")
    return _Prepared(base, objective, data)


def _save(
    prepared: _Prepared, hyperparameters: Hyperparameters, files: RunFiles, kept: KeptCheckpoint, directory: Path
) -> Path:
    """Write the kept checkpoint's average as an adapter that says what it is."""
    base = prepared.base
    set_adapter(base.pipeline.unet, files.checkpoints.average(kept.checkpoint))
    metadata = adapter_metadata(
        base_name=base.name,
        base_sha256=base.fingerprint,
        objective=prepared.objective.name,
        hyperparameters=hyperparameters,
        data=prepared.data.summary.as_metadata(),
        steps=kept.step,
    )
    return save_adapter(base.pipeline.unet, directory, metadata)


def _rate(options: FinetuneOptions, session: Session, progress: Progress) -> float:
    """The rate that is wanted, or one from a range test; a resumed run keeps the one that was found."""
    if not options.find_rate:
        return options.hyperparameters.learning_rate
    found_before = options.out / WORK / RATE_NAME
    if options.resume and found_before.is_file():
        return float(json.loads(found_before.read_text())["learning_rate"])
    with progress.task("Finding a learning rate", options.rate_steps) as advance:
        found = session.find_rate(options.hyperparameters, options.rate_steps, advance)
    progress.say(
        f"learning rate {found.suggestion:.1e}: the loss blew up at {found.blow_up:.1e}"
        if found.blow_up
        else f"learning rate {found.suggestion:.1e}: the loss stood even {found.rates[-1]:.1e}"
    )
    found_before.parent.mkdir(parents=True, exist_ok=True)
    found_before.write_text(json.dumps({"learning_rate": found.suggestion, "blow_up": found.blow_up}))
    return found.suggestion


def _remark(entry: StepEntry) -> str:
    return f"loss {entry.loss:.4f}  rate {entry.learning_rate:.1e}  {entry.seconds:.2f} s"
