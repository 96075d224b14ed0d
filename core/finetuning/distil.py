"""A whole distillation of guidance: from a base model alone to an adapter with which one evaluation a step will do.

No pictures are needed: prompts come from the phrasebook, what is learnt from are the base's own answers on the way to
guided pictures. The run itself is fine-tuning's: steps, looks, roll-backs, a stop at any step.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from diffusers import StableDiffusionXLPipeline

from core.errors import OutOfTrainingMemory
from core.finetuning.data.encoding import CachePlace, cache_captions, encode_no_caption, read_caption
from core.finetuning.data.scenes import held_out_prompts, training_prompts
from core.finetuning.model.adapter_file import adapter_metadata, set_adapter
from core.finetuning.model.claim import claim_of
from core.finetuning.model.network import Base, add_adapter, load_base, set_strength
from core.finetuning.model.objective import Objective
from core.finetuning.model.painting import (
    PLAYGROUND_GUIDANCE,
    EncodedPrompts,
    SamplingSettings,
    pipeline_without_encoders,
)
from core.finetuning.model.quantised import quantise
from core.finetuning.options import WORK, DistilOptions
from core.finetuning.planning import fitted
from core.finetuning.preparing import accelerator_for
from core.finetuning.progress import Progress
from core.finetuning.run import check_place, choose
from core.finetuning.training.checkpoints import KeptCheckpoint
from core.finetuning.training.disk import room_needed
from core.finetuning.training.evidence import Evidence
from core.finetuning.training.guidance import Levels, StateSource, guidance_lost, guided_losses, nothing_to_remark
from core.finetuning.training.guided_looks import GuidedLooks
from core.finetuning.training.investigation import investigate
from core.finetuning.training.journal import StepEntry
from core.finetuning.training.lock import only_run_in
from core.finetuning.training.publishing import Judged, publish
from core.finetuning.training.readings import SAMPLES
from core.finetuning.training.session import RunFiles, keep_pictures
from core.finetuning.training.settings import write_settings
from core.finetuning.training.states import GuidedPrompts, StateFolder, StatePainting, planned
from core.finetuning.training.trainer import Ending, Measuring, Trainer, TrainingSetup
from core.finetuning.training.witness import Witness
from core.generation.fingerprint import weights_sha256
from core.generation.guided import GUIDANCE, strength_of
from core.generation.memory_errors import is_out_of_memory

OWN_SHARE = 0.25
"""So many pictures more, in proportion, are painted by the adapter itself at half time and labelled by the base: it
learns to come back from its own errors."""
STATES_SEED, HELD_OUT_SEED, OWN_SEED = 1, 2, 3


@dataclass(frozen=True)
class DistilResult:
    """What a run left behind; `adapter` is None if nothing learnt was worth keeping (yet)."""

    ending: Ending
    adapter: Path | None
    kept: KeptCheckpoint | None
    error: float | None
    """Of what was kept on held-out states, as a part of the base's without guidance."""
    most_guidance: float = 1.0
    """The strongest guidance that it stands for; 1: none, too little was learnt."""


def distil(options: DistilOptions, progress: Progress, should_stop: Callable[[], bool] = lambda: False) -> DistilResult:
    """Paint states, train, save. Raises FinetuningError; `should_stop` is asked before each step."""
    try:
        with room_needed("the run cannot go on"), only_run_in(options.out / WORK):
            check_place(options.out, resume=options.resume, restart=options.restart)
            return _Distillation(options, progress).run(should_stop)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfTrainingMemory(
            "The GPU's memory is too small for these settings; use --gradient-checkpointing and a smaller --batch-size "
            "with more --accumulation."
        ) from error


class _Distillation:
    """One run: its base with a fresh adapter, the prompts, and the states."""

    def __init__(self, options: DistilOptions, progress: Progress) -> None:
        self._progress = progress
        self._accelerator = accelerator_for(options.hyperparameters, cpu=options.cpu)
        self._base, self._options = _load(options, progress)
        quantise(self._base.pipeline.unet, self._options.hyperparameters.base_weights)
        self._work = self._options.out / WORK
        self._objective, self._evidence = self._investigate()
        self._texts = (*held_out_prompts()[: options.held_out], *training_prompts(self._options.pictures))
        self._prompts = self._encode()
        self._base.pipeline.unet.to(self._accelerator.device)
        self._base.pipeline.vae.to(self._accelerator.device)

    def run(self, should_stop: Callable[[], bool]) -> DistilResult:
        hyperparameters, unet = self._options.hyperparameters, self._base.pipeline.unet
        files = RunFiles.in_folder(self._work, hyperparameters, self._key())
        if not self._options.resume:
            files.clear()
        if hyperparameters.gradient_checkpointing:
            unet.enable_gradient_checkpointing()
        witness = Witness(unet, self._objective, self._prompts.wanted[0])
        add_adapter(unet, hyperparameters)
        witness.check_new_adapter()
        pipeline = pipeline_without_encoders(self._base)
        looks = self._looks(pipeline)
        write_settings(self._options.settings(), self._work)
        with self._progress.task("Distilling", hyperparameters.steps) as advance:

            def on_step(entry: StepEntry) -> None:
                advance(entry.step, f"error {entry.loss:.3f}")

            trainer = Trainer(
                TrainingSetup(
                    accelerator=self._accelerator,
                    unet=unet,
                    losses=partial(guided_losses, unet=unet, accelerator=self._accelerator),
                    source=self._source(pipeline),
                    measuring=Measuring(
                        looks.yardstick,
                        looks.look,
                        lambda: looks.losses(1),
                        lambda label, look: keep_pictures(files.samples / label, look),
                        guidance_lost,
                        nothing_to_remark,
                    ),
                    hyperparameters=hyperparameters,
                    checkpoints=files.checkpoints,
                    journal=files.journal,
                    on_step=on_step,
                    on_event=self._progress.say,
                )
            )
            if self._options.resume:
                trainer.resume()
            ending = trainer.run(should_stop)
        witness.check_base()
        kept = choose(trainer.state, ending)
        if kept is None:
            return DistilResult(ending, None, None, None)
        base = trainer.state.base
        assert base is not None, "what was kept was held against it"
        error = dict(trainer.state.held_out)[kept.checkpoint] / base.reading.held_out_mean
        set_adapter(unet, files.checkpoints.average(kept.checkpoint))
        most = looks.most_guidance()
        judged = Judged(files.samples / kept.checkpoint, looks.samples, looks.one_evaluation, base.samples)
        return DistilResult(ending, self._publish(judged, kept.step, most), kept, error, most)

    def _investigate(self) -> tuple[Objective, Evidence]:
        base, hyperparameters = self._base, self._options.hyperparameters
        claim = claim_of(
            base.claimed_scheduler,
            base.pipeline.vae.config,
            self._options.objective,
            log_sigma_mean=hyperparameters.sigma_mean,
            log_sigma_std=hyperparameters.sigma_std,
        )
        base.pipeline.to(self._accelerator.device)
        self._progress.say("asking the weights what they were trained for")
        objective, evidence, remark = investigate(base, claim, (), self._work / "cache")
        self._progress.say(f"objective, as the weights show it: {objective.name}" + (f"; {remark}" if remark else ""))
        base.pipeline.scheduler = objective.sampler()
        base.pipeline.to("cpu")  # each part comes back when it is needed
        return objective, evidence

    def _encode(self) -> GuidedPrompts:
        """All prompts and negative prompts, by the text encoders, which leave the device again."""
        base, device = self._base, self._accelerator.device
        texts = [text for prompt in self._texts for text in (prompt.text, prompt.negative_text)]
        encoders = (base.pipeline.text_encoder, base.pipeline.text_encoder_2)
        for encoder in encoders:
            encoder.to(device)
        key = "".join(weights_sha256(base.directory / part) for part in ("text_encoder", "text_encoder_2"))
        place = CachePlace(self._work / "cache", self._progress)
        paths = cache_captions([text for text in texts if text], base.pipeline, key, place)
        nothing = encode_no_caption(base.pipeline)
        for encoder in encoders:
            encoder.to("cpu")
        read = {text: read_caption(path) for text, path in paths.items()}
        return GuidedPrompts(
            tuple(read[prompt.text] for prompt in self._texts),
            tuple(read.get(prompt.negative_text, nothing) for prompt in self._texts),
            base.native_resolution,
        )

    def _looks(self, pipeline: StableDiffusionXLPipeline) -> GuidedLooks:
        """With the held-out states, which are painted if they are not there yet."""
        held_out = self._options.held_out
        folder = self._folder("held-out", range(held_out), HELD_OUT_SEED)
        with self._progress.task("Painting what is held out", held_out) as advance:
            folder.fill(pipeline, self._prompts, self._painting, advance)
        states = [folder.read(number) for number in range(held_out)]
        usual = max(set(self._negatives), key=self._negatives.count)
        shown = [place for place in range(held_out) if self._negatives[place] == usual][:SAMPLES]
        side = self._base.native_resolution
        hyperparameters = self._options.hyperparameters
        return GuidedLooks(
            pipeline,
            self._prompts,
            (states[0::2], states[1::2]),
            EncodedPrompts(tuple(self._prompts.wanted[place] for place in shown), self._prompts.unwanted[shown[0]]),
            SamplingSettings(hyperparameters.sample_steps, PLAYGROUND_GUIDANCE, side, side, hyperparameters.batch_size),
            self._objective.candidate().deviation,
        )

    def _source(self, pipeline: StableDiffusionXLPipeline) -> StateSource:
        """The states to learn from; in the second half of the run those that the adapter paints itself as well."""
        hyperparameters = self._options.hyperparameters
        pictures, held_out = self._options.pictures, self._options.held_out
        first = self._folder("states", range(held_out, held_out + pictures), STATES_SEED)
        with self._progress.task("Painting states", pictures) as advance:
            first.fill(pipeline, self._prompts, self._painting, advance)
        own_count = int(OWN_SHARE * pictures)
        half = min((*hyperparameters.earlier_steps, hyperparameters.steps)) // 2
        own = self._folder("own-states", range(held_out, held_out + own_count), OWN_SEED)
        levels = Levels.of([first.read(number) for number in range(pictures)])

        def folders(step: int) -> Sequence[StateFolder]:
            if step < half or not own_count:
                return (first,)
            with self._progress.task("Painting states with the adapter", own_count) as advance:
                own.fill(pipeline, self._prompts, replace(self._painting, by_adapter=True), advance)
            return (first, own)

        return StateSource(folders, self._prompts, [prompt.text for prompt in self._texts], levels, hyperparameters)

    def _folder(self, name: str, prompts: range, seed: int) -> StateFolder:
        together = self._options.hyperparameters.effective_batch  # which stays, however a step is divided
        return StateFolder(self._work / name / self._key(), planned(self._negatives, prompts, seed, together))

    @property
    def _painting(self) -> StatePainting:
        return StatePainting(self._options.hyperparameters.batch_size)

    @property
    def _negatives(self) -> list[str]:
        return [prompt.negative_text for prompt in self._texts]

    def _key(self) -> str:
        """All that the states depend on."""
        parts = [weights_sha256(self._base.directory / part) for part in ("text_encoder", "text_encoder_2")]
        texts = [[prompt.text, prompt.negative_text] for prompt in self._texts]
        hyperparameters = self._options.hyperparameters
        document = json.dumps(
            [self._base.fingerprint, parts, texts, hyperparameters.base_weights, hyperparameters.effective_batch]
        )
        return hashlib.sha256(document.encode()).hexdigest()[:16]

    def _publish(self, judged: Judged, steps: int, most: float) -> Path:
        set_strength(self._base.pipeline.unet, strength_of(PLAYGROUND_GUIDANCE))
        metadata = adapter_metadata(
            base_name=self._base.name,
            base_sha256=self._base.fingerprint,
            objective=self._objective.name,
            hyperparameters=self._options.hyperparameters,
            evidence=self._evidence.as_metadata(),
            data={"pictures": self._options.pictures, "held_out": self._options.held_out},
            steps=steps,
        )
        stands_for = {
            "kind": GUIDANCE,
            "guidance_range": json.dumps([1.0, most]),
            "negative": json.dumps(sorted(set(self._negatives))),
        }
        return publish(self._base, self._objective, judged, {**metadata, **stands_for}, self._options.out)


def _load(options: DistilOptions, progress: Progress) -> tuple[Base, DistilOptions]:
    """The base, and the options with what fits the card."""
    progress.say(f"loading {options.base}")
    hyperparameters = options.hyperparameters
    base = load_base(options.base, options.base_revision, hyperparameters.precision, hub_token=options.hub_token)
    base.pipeline.vae.enable_slicing()  # pictures are decoded one by one
    if options.card is None:
        return base, options
    fits = fitted(base, hyperparameters, base.native_resolution, options.card)
    times = max(1, hyperparameters.effective_batch // fits.effective_batch)
    return base, replace(options, hyperparameters=replace(fits, accumulation=fits.accumulation * times))
