"""A whole fine-tuning: from a folder of images to an adapter and its report."""

import json
import shutil
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

from core.errors import CannotResume, OutOfTrainingMemory
from core.finetuning.data.prepare import resolution_of
from core.finetuning.data.sources import list_examples
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.adapter_file import adapter_metadata, save_kohya, set_adapter
from core.finetuning.model.device import empty_cache
from core.finetuning.model.network import Base, adapter_parameters
from core.finetuning.model.painting import EncodedPrompts
from core.finetuning.model.quantised import quantise
from core.finetuning.options import WORK
from core.finetuning.options import FinetuneOptions as FinetuneOptions
from core.finetuning.planning import FirstSteps, peak_of, usual_steps
from core.finetuning.preparing import Prepared, accelerator_for, load, prepare_run
from core.finetuning.progress import Progress
from core.finetuning.report import RunPage
from core.finetuning.strip import write_strip
from core.finetuning.training.checkpoints import JUDGED, KEEP, STOPPED, KeptCheckpoint, RunState, position_of
from core.finetuning.training.cross_fitting import CrossFitting
from core.finetuning.training.disk import ask_for_room, needed_bytes, room_needed
from core.finetuning.training.journal import Entry, StepEntry, ValidationEntry
from core.finetuning.training.lock import only_run_in
from core.finetuning.training.looks import most_looks
from core.finetuning.training.publishing import Judged, publish
from core.finetuning.training.session import RunFiles, Session, sampling_settings
from core.finetuning.training.settings import write_settings
from core.finetuning.training.trainer import Ending
from core.finetuning.watching import watching
from core.generation.memory_errors import is_out_of_memory

STILL_AS_GOOD = 1.02
"""The last adapter is taken if its held-out loss is at most this many times the best one's."""

PAGE_NAME = "index.html"
STRIP_NAME = "before-after.png"
RATE_NAME = "learning_rate.json"
EVENTS = "tensorboard"
"""The folder of TensorBoard's events."""


@dataclass(frozen=True)
class FinetuneResult:
    """What a run left behind. `adapter` is None if nothing learnt was worth keeping (yet)."""

    ending: Ending
    state: RunState
    adapter: Path | None
    kohya: Path | None
    report: Path
    strip: Path | None = None
    """The samples before and after, in one picture."""
    kept: KeptCheckpoint | None = None
    """Which checkpoint the adapter is."""


def finetune(
    options: FinetuneOptions, progress: Progress, should_stop: Callable[[], bool] = lambda: False
) -> FinetuneResult:
    """Prepare, train, save and report. Raises FinetuningError; `should_stop` is asked before each step."""
    page = RunPage(options.out / PAGE_NAME)
    try:
        with page.told_of_its_end(), room_needed("the run cannot go on"), only_run_in(options.out / WORK):
            return _finetune(options, progress, should_stop, page)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfTrainingMemory(
            "The GPU's memory is too small for these settings: let --vram choose them, or use --gradient-checkpointing "
            "and a smaller --batch-size with more --accumulation."
        ) from error


def _finetune(
    options: FinetuneOptions, progress: Progress, should_stop: Callable[[], bool], page: RunPage
) -> FinetuneResult:
    check_place(options.out, resume=options.resume, restart=options.restart)
    listing = list_examples(options.images, options.caption)
    accelerator = accelerator_for(options.hyperparameters, cpu=options.cpu)
    base, options = load(options, progress)
    peak = peak_of(base, options.hyperparameters) if accelerator.device.type != "cpu" else None
    quantise(base.pipeline.unet, options.hyperparameters.base_weights)
    prepared = replace(prepare_run(options, base, listing, accelerator.device, progress, page), peak=peak)
    wanted = options.hyperparameters
    if options.choose_steps:
        wanted = replace(wanted, steps=usual_steps(prepared.data.summary.training, wanted.effective_batch))
    fitting = CrossFitting(base, prepared.data, prepared.objective, accelerator, progress)
    steps = fitting.steps_for(wanted, options.out / WORK, should_stop, is_resumed=options.resume)

    def train(options: FinetuneOptions, hyperparameters: Hyperparameters) -> Trained:
        return _train(options, prepared, hyperparameters, accelerator, progress, should_stop)

    trained = _train_in_memory(train, options, replace(wanted, steps=steps), base, progress)
    return _finish(options, prepared, *trained)


Trained = tuple[Hyperparameters, RunFiles, RunState, Ending]


def _train_in_memory(
    train: Callable[[FinetuneOptions, Hyperparameters], Trained],
    options: FinetuneOptions,
    hyperparameters: Hyperparameters,
    base: Base,
    progress: Progress,
) -> Trained:
    """Train, and if the device's memory is too small for the batch, once more with half of it, twice as often."""
    try:
        return train(options, hyperparameters)
    except RuntimeError as error:
        if hyperparameters.batch_size % 2 or not is_out_of_memory(error):
            raise
    # out here nothing holds the failed step's tensors any more
    batch, accumulation = hyperparameters.batch_size // 2, hyperparameters.accumulation * 2
    smaller = replace(hyperparameters, batch_size=batch, accumulation=accumulation)
    is_begun = _has_checkpoints(options.out / WORK)
    how = "on from the last checkpoint" if is_begun else "begun anew"
    progress.say(
        f"{hyperparameters.batch_size} pictures at once do not fit into the memory: {how} with {batch} at once, "
        f"{accumulation} times a step"
    )
    base.pipeline.unet.unload_lora()
    empty_cache()
    return train(replace(options, resume=is_begun), smaller)


def _train(
    options: FinetuneOptions,
    prepared: Prepared,
    hyperparameters: Hyperparameters,
    accelerator: Accelerator,
    progress: Progress,
    should_stop: Callable[[], bool],
) -> Trained:
    if not options.resume:
        RunFiles.in_folder(options.out / WORK, hyperparameters, prepared.data.key).clear()
        shutil.rmtree(options.out / WORK / EVENTS, ignore_errors=True)
    progress.say("measuring the base model")
    with closing(Session(prepared.base, prepared.data, prepared.objective, hyperparameters, accelerator)) as session:
        hyperparameters = replace(hyperparameters, learning_rate=_rate(options, session, progress))
        files = RunFiles.in_folder(options.out / WORK, hyperparameters, prepared.data.key)
        looks, side = most_looks(hyperparameters), resolution_of(hyperparameters, prepared.base)
        weights = sum(weight.numel() for weight in adapter_parameters(prepared.base.pipeline.unet).values())
        ask_for_room(options.out / WORK, needed_bytes(weights, KEEP, looks, len(prepared.data.samples), side))
        write_settings(options.settings_with(hyperparameters), options.out / WORK)
        first = FirstSteps(prepared.outlook, progress.say)
        events = watching(options.out / WORK / EVENTS, progress.say) if options.tensorboard else nullcontext(_nobody)
        with progress.task("Training", hyperparameters.steps) as advance, events as note:

            def on_step(entry: StepEntry) -> None:
                advance(entry.step, _remark(entry))
                first.took(entry, hyperparameters.steps)
                note(entry)

            def on_look(entry: ValidationEntry) -> None:
                note(entry)
                summary = replace(prepared.summary, hyperparameters=hyperparameters, entries=files.journal.entries())
                prepared.page.write(summary)

            trainer = session.trainer(hyperparameters, files, on_step=on_step, on_event=progress.say, on_look=on_look)
            if options.resume:
                trainer.resume()
            ending = trainer.run(should_stop)
        session.check_base()
    return hyperparameters, files, trainer.state, ending


def _finish(
    options: FinetuneOptions,
    prepared: Prepared,
    hyperparameters: Hyperparameters,
    files: RunFiles,
    state: RunState,
    ending: Ending,
) -> FinetuneResult:
    """Save the adapter, if anything learnt is worth it, and write the report."""
    kept = choose(state, ending)
    adapter = None if kept is None else _save(prepared, hyperparameters, files, kept, options.out)
    kohya = save_kohya(adapter, hyperparameters) if options.kohya and adapter is not None else None
    advice = "; try a tenth of the learning rate, or --learning-rate auto" if ending is Ending.DIVERGED else ""
    prepared.page.write(
        replace(
            prepared.summary,
            hyperparameters=hyperparameters,
            entries=files.journal.entries(),
            ending=ending.value + advice,
            kept=kept,
        )
    )
    shown = len(prepared.data.sample_prompts)
    strip = write_strip(files.samples, kept.checkpoint, shown, options.out / STRIP_NAME) if kept else None
    return FinetuneResult(ending, state, adapter, kohya, prepared.page.path, strip, kept)


def choose(state: RunState, ending: Ending) -> KeptCheckpoint | None:
    """The last good state if it is still as good as the best, else the best; None if nothing was learnt."""
    if not state.held_out or state.best is None:
        return None
    last, last_loss = state.held_out[-1]
    if ending is Ending.FINISHED and last_loss <= STILL_AS_GOOD * state.best_loss:
        return KeptCheckpoint(last, position_of(last).step, "the last step's")
    why = "over-trained later" if ending is Ending.FINISHED else ending.value
    return KeptCheckpoint(state.best, position_of(state.best).step, f"the best on held-out images ({why})")


def check_place(out: Path, *, resume: bool, restart: bool) -> None:
    """Raises CannotResume where a run is wanted that is not there, or one is there that is not wanted."""
    work = out / WORK
    if resume and (work / "checkpoints").is_dir():
        raise CannotResume(f"The run in {out} was begun by an older version; --restart begins anew.")
    has_run = (work / "checkpoints").is_dir() or _has_checkpoints(work)
    if resume and not has_run:
        raise CannotResume(f"There is no run to resume in {out}; leave out --resume to start one.")
    if has_run and not (resume or restart):
        raise CannotResume(
            f"{out} holds a run already: --resume goes on with it, --restart deletes it and begins anew."
        )


def _has_checkpoints(work: Path) -> bool:
    return any((work / name).is_dir() for name in (JUDGED, STOPPED))


def _save(
    prepared: Prepared, hyperparameters: Hyperparameters, files: RunFiles, kept: KeptCheckpoint, directory: Path
) -> Path:
    """Write the kept checkpoint's average as an adapter that says what it is."""
    base = prepared.base
    set_adapter(base.pipeline.unet, files.checkpoints.average(kept.checkpoint))
    metadata = adapter_metadata(
        base_name=base.name,
        base_sha256=base.fingerprint,
        objective=prepared.objective.name,
        hyperparameters=hyperparameters,
        evidence=prepared.evidence.as_metadata(),
        data=prepared.data.summary.as_metadata(),
        steps=kept.step,
    )
    data = prepared.data
    judged = Judged(
        files.samples / kept.checkpoint,
        EncodedPrompts(data.samples, data.no_caption),
        sampling_settings(base, hyperparameters),
    )
    return publish(base, prepared.objective, judged, metadata, directory)


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


def _nobody(entry: Entry) -> None:
    """Where there are to be no events."""


def _remark(entry: StepEntry) -> str:
    return f"loss {entry.loss:.4f}  rate {entry.learning_rate:.1e}  {entry.seconds:.2f} s"
