"""A whole fine-tuning: from a folder of images to an adapter and its report."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from core.errors import CannotResume, InvalidRecipe, OutOfTrainingMemory
from core.finetuning.checkpoints import Checkpoints, RunState
from core.finetuning.datasets import list_examples
from core.finetuning.journal import Journal, StepEntry
from core.finetuning.network import Base, load_base
from core.finetuning.objective import Objective, objective_for
from core.finetuning.preparing import PreparedData, prepare
from core.finetuning.progress import Progress
from core.finetuning.recipe import Recipe
from core.finetuning.report import write_report
from core.finetuning.saving import adapter_metadata, save_adapter, save_kohya, set_adapter
from core.finetuning.session import Session
from core.finetuning.trainer import Ending, Trainer

STILL_AS_GOOD = 1.02
"""The last adapter is taken if its held-out loss is at most this many times the best one's."""

WORK = "training"
REPORT_NAME = "report.html"
RATE_NAME = "learning_rate.json"


@dataclass(frozen=True)
class FinetuneOptions:
    """One call of `imagine-sound finetune`. `recipe.learning_rate` is replaced where `find_rate` is set."""

    images: Path
    out: Path
    base: str
    recipe: Recipe
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


@dataclass(frozen=True)
class Outcome:
    """What a run left behind. `adapter` is None if nothing learnt was worth keeping (yet)."""

    ending: Ending
    state: RunState
    adapter: Path | None
    kohya: Path | None
    report: Path


@dataclass(frozen=True)
class Kept:
    """Which checkpoint becomes the adapter, and why."""

    checkpoint: str
    step: int
    reason: str


def finetune(options: FinetuneOptions, progress: Progress, should_stop: Callable[[], bool] = lambda: False) -> Outcome:
    """Prepare, train, save and report. Raises FinetuningError; `should_stop` is asked before each step."""
    try:
        return _finetune(options, progress, should_stop)
    except torch.OutOfMemoryError as error:
        raise OutOfTrainingMemory(
            "The GPU's memory is too small for these settings: use --gradient-checkpointing, a smaller --batch-size "
            "with more --accumulation, or --optimizer adamw8bit."
        ) from error


def _finetune(options: FinetuneOptions, progress: Progress, should_stop: Callable[[], bool]) -> Outcome:
    recipe, work = options.recipe, options.out / WORK
    _check_place(options, work)
    accelerator = Accelerator(cpu=options.cpu, mixed_precision="no" if recipe.precision == "fp32" else recipe.precision)
    if accelerator.num_processes > 1:
        raise InvalidRecipe("The trainer works on one GPU; start it without a multi-process launcher.")
    listing = list_examples(options.images)
    progress.say(f"loading {options.base}")
    base = load_base(options.base, options.base_revision, recipe.precision)
    objective = objective_for(
        base.pipeline.scheduler.config,
        base.pipeline.vae.config,
        log_sigma_mean=recipe.sigma_mean,
        log_sigma_std=recipe.sigma_std,
    )
    progress.say(f"objective, as the model's scheduler wants it: {objective.name}")
    base.pipeline.to(accelerator.device)
    data = prepare(listing, base, recipe, options.cache or work / "cache", options.prompts, progress)
    base.pipeline.text_encoder = base.pipeline.text_encoder_2 = None
    progress.say(f"{data.summary.training} images to learn from, {data.summary.held_out} held out")
    return _train(options, base, data, objective, accelerator, progress, should_stop)


def choose(state: RunState, ending: Ending) -> Kept | None:
    """The last good state if it is still as good as the best, else the best; None if nothing was learnt."""
    if not state.held_out or state.best is None:
        return None
    last_step, last_loss = state.held_out[-1]
    if ending is Ending.FINISHED and last_loss <= STILL_AS_GOOD * state.best_loss:
        return Kept(f"attempt-{state.moment.attempt}-step-{last_step:06d}", last_step, "the last step's")
    best_step = int(state.best.rsplit("-", 1)[1])
    why = "over-trained later" if ending is Ending.FINISHED else ending.value
    return Kept(state.best, best_step, f"the best on held-out images ({why})")


def _check_place(options: FinetuneOptions, work: Path) -> None:
    has_run = any((work / "checkpoints").glob("attempt-*"))
    if options.resume and not has_run:
        raise CannotResume(f"There is no run to resume in {options.out}; leave out --resume to start one.")
    if has_run and not (options.resume or options.restart):
        raise CannotResume(
            f"{options.out} holds a run already: --resume goes on with it, --restart deletes it and begins anew."
        )


def _train(
    options: FinetuneOptions,
    base: Base,
    data: PreparedData,
    objective: Objective,
    accelerator: Accelerator,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> Outcome:
    work = options.out / WORK
    progress.say("measuring the base model")
    session = Session(base, data, objective, options.recipe, accelerator)
    try:
        recipe = replace(options.recipe, learning_rate=_rate(options, session, work, progress))
        session.use(recipe)
        checkpoints = Checkpoints(work / "checkpoints", recipe, data.key)
        journal = Journal(work / "journal.jsonl")
        if not options.resume:
            checkpoints.clear()
            journal.clear()
        with progress.task("Training", recipe.steps) as advance:
            trainer = session.trainer(
                checkpoints,
                journal,
                work / "samples",
                on_step=lambda entry: advance(entry.step, _remark(entry)),
                on_event=progress.say,
            )
            if options.resume:
                trainer.resume()
            ending = trainer.run(should_stop)
        return _finish(options, recipe, base, data, objective, trainer, checkpoints, journal, ending)
    finally:
        session.close()


def _finish(
    options: FinetuneOptions,
    recipe: Recipe,
    base: Base,
    data: PreparedData,
    objective: Objective,
    trainer: Trainer,
    checkpoints: Checkpoints,
    journal: Journal,
    ending: Ending,
) -> Outcome:
    kept = choose(trainer.state, ending)
    adapter = kohya = None
    if kept is not None:
        set_adapter(base.pipeline.unet, checkpoints.average(kept.checkpoint))
        metadata = adapter_metadata(
            base_name=base.name,
            base_sha256=base.fingerprint,
            objective=objective.name,
            recipe=recipe,
            data=data.summary.as_metadata(),
            steps=kept.step,
        )
        adapter = save_adapter(base.pipeline.unet, options.out, metadata)
        kohya = save_kohya(adapter, recipe) if options.kohya else None
    report = options.out / REPORT_NAME
    write_report(
        report,
        recipe=recipe,
        base_name=base.name,
        base_sha256=base.fingerprint,
        objective=objective.name,
        levels=objective.validation_levels,
        data=data.summary,
        prompts=data.sample_prompts,
        samples=options.out / WORK / "samples",
        entries=journal.entries(),
        state=trainer.state,
        ending=ending.value,
        kept=None if kept is None else (kept.checkpoint, kept.step, kept.reason),
    )
    return Outcome(ending, trainer.state, adapter, kohya, report)


def _rate(options: FinetuneOptions, session: Session, work: Path, progress: Progress) -> float:
    """The recipe's rate, or one from a range test; a resumed run keeps the one that was found."""
    if not options.find_rate:
        return options.recipe.learning_rate
    found_before = work / RATE_NAME
    if options.resume and found_before.is_file():
        return float(json.loads(found_before.read_text())["learning_rate"])
    with progress.task("Finding a learning rate", options.rate_steps) as advance:
        found = session.find_rate(advance, options.rate_steps)
    progress.say(
        f"learning rate {found.suggestion:.1e}: the loss blew up at {found.blow_up:.1e}"
        if found.blow_up
        else f"learning rate {found.suggestion:.1e}: the loss stood even {found.rates[-1]:.1e}"
    )
    work.mkdir(parents=True, exist_ok=True)
    found_before.write_text(json.dumps({"learning_rate": found.suggestion, "blow_up": found.blow_up}))
    return found.suggestion


def _remark(entry: StepEntry) -> str:
    return f"loss {entry.loss:.4f}  rate {entry.learning_rate:.1e}  {entry.seconds:.2f} s"
