"""Does the guard stop what is sick, and only that? Healthy and sick fine-tunings of the bundled miniature, on a CPU.

    python -m benchmarks.guard --miniature               all runs that are not in the results yet; hours of one core
    python -m benchmarks.guard --miniature --limit 5     five more of them

Evidence is switched off: wrong objectives are trained on purpose. What is true is decided by what the guard does not
see: 64 fresh samples of other prompts and seeds than its own, painted with what would have been published, and their
spectrum, contrast and distance to the base's of the same seeds. A line of JSON for each run goes to
`benchmarks/results/guard-miniature.jsonl`, the table beside it.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.sicknesses import accelerator, spoil, write_noise, wrong

REPOSITORY = Path(__file__).resolve().parents[1]
MINIATURE = REPOSITORY / "core" / "miniatures" / "playground-mini"
RESULTS = REPOSITORY / "benchmarks" / "results" / "guard-miniature.jsonl"
SEEDS = (11, 12, 13)
STEPS, CHECK_EVERY, SAMPLE_STEPS = 40, 20, 8
FRESH, FRESH_SEED = 64, 90_000

NOISIER = 0.05
"""A mean share of high frequencies this much above the base's counts as ruined."""
FAR = 1.2
"""And so does a mean distance to the base's pictures, in units of these; 1.41 is that of unrelated pictures."""
CONTRAST = (0.5, 2.0)


@dataclass(frozen=True)
class Case:
    """One run's settings; `sick` says in what way it is, or nothing."""

    name: str
    targets: str = "attention"
    rate: float = 5e-4
    batch: int = 4
    prior: float = 0.0
    sick: str = ""


CASES = (
    Case("attention, 5e-4"),
    Case("captions, 1e-3", "captions", 1e-3),
    Case("captions, 2e-3", "captions", 2e-3),
    Case("attention, 1e-4, prior", rate=1e-4, prior=0.5),
    Case("attention and ff, 2e-4", "attention+ff", 2e-4),
    Case("attention and ff, 5e-4, prior", "attention+ff", 5e-4, prior=0.5),
    Case("captions, 1e-3, batch 1", "captions", 1e-3, batch=1),
    Case("attention, 5e-4, batch 1, prior", batch=1, prior=0.5),
    Case("captions, 2e-3, batch 8, prior", "captions", 2e-3, batch=8, prior=0.5),
    Case("attention, 5e-4, batch 8", batch=8),
    Case("captions, 1e-3, batch 8", "captions", 1e-3, batch=8),
    Case("attention, 5e-4, prior", prior=0.5),
    Case("SDXL's epsilon", rate=2e-3, sick="epsilon"),
    Case("SDXL's velocity", rate=2e-3, sick="velocity"),
    Case("EDM's other sign", rate=2e-3, sick="sign"),
    Case("rectified flow", rate=2e-3, sick="flow"),
    Case("wrong time condition", rate=2e-3, sick="time"),
    Case("rate × 30", rate=1.5e-2, sick="rate"),
    Case("rate × 30, batch 1", rate=1.5e-2, batch=1, sick="rate"),
    Case("rate × 100", rate=5e-2, sick="rate"),
    Case("noise as pictures", rate=2e-3, sick="noise"),
    Case("noise as pictures, batch 8", "attention+ff", 2e-3, batch=8, sick="noise"),
    Case("a NaN picture in ten", sick="nan"),
    Case("fp16 overflow", sick="fp16"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--miniature", action="store_true", help="the bundled miniature; there is no other yet")
    parser.add_argument("--limit", type=int, default=None, help="so many runs at most")
    args = parser.parse_args()
    if not args.miniature:
        sys.exit("Say --miniature: a true model would take days.")
    half = len(CASES) // 2  # healthy and sick in turn, so that a part of the runs tells of both
    order = [case for pair in zip(CASES[:half], CASES[half:], strict=True) for case in pair]
    wanted = [(case, seed) for seed in SEEDS for case in order]
    done = {(row["case"]["name"], row["seed"]) for row in rows()}
    missing = [(case, seed) for case, seed in wanted if (case.name, seed) not in done][: args.limit]
    if missing:
        with tempfile.TemporaryDirectory() as work:
            bench = Bench(Path(work))
            for case, seed in missing:
                row = bench.run(case, seed)
                with RESULTS.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                print(f"{case.name}, seed {seed}: {row['ending']}, {verdict(row)}, {row['seconds']:.0f} s", flush=True)
    RESULTS.with_suffix(".md").write_text(table(rows()))


def rows() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.is_file() else []


class Bench:
    """Everything that runs have in common."""

    def __init__(self, work: Path) -> None:
        import torch

        from docs.finetuning_example import write_images

        torch.set_num_threads(1)
        self._work = work
        write_images(work / "snowmen")
        write_noise(work / "noise")
        self._base_latents: Any = None

    def run(self, case: Case, seed: int) -> dict[str, Any]:
        from accelerate.state import AcceleratorState

        from core.cli.progress import ProgressBars
        from core.errors import FinetuningError
        from core.finetuning.data.encoding import encode_caption
        from core.finetuning.data.prepare import PRIOR_PROMPTS, prepare
        from core.finetuning.data.sources import list_examples
        from core.finetuning.hyperparameters import Hyperparameters
        from core.finetuning.model.adapter_file import set_adapter
        from core.finetuning.model.network import load_base
        from core.finetuning.model.objective import objective_for
        from core.finetuning.model.painting import EncodedPrompts
        from core.finetuning.run import choose
        from core.finetuning.training.session import RunFiles, Session
        from core.finetuning.training.trainer import Ending

        started = time.perf_counter()
        AcceleratorState._reset_state(reset_partial_state=True)
        hyperparameters = Hyperparameters(
            steps=STEPS, targets=case.targets, learning_rate=case.rate, warmup_steps=4, batch_size=case.batch,
            precision="fp32", ema_decay=0.8, prior_share=case.prior, held_out=0.17, check_every=CHECK_EVERY,
            sample_steps=SAMPLE_STEPS, seed=seed,
        )  # fmt: skip
        base = load_base(str(MINIATURE), None, "fp32")
        objective = objective_for(
            base.pipeline.scheduler.config, base.pipeline.vae.config, log_sigma_mean=-0.4, log_sigma_std=1.2
        )
        images = self._work / ("noise" if case.sick == "noise" else "snowmen")
        captions = [encode_caption(base.pipeline, prompt) for prompt in PRIOR_PROMPTS]  # `prepare` frees the encoders
        data = prepare(list_examples(images), base, hyperparameters, self._work / "cache", (), ProgressBars())
        fresh = self._fresh_samples(base, EncodedPrompts(tuple(captions) * (FRESH // len(captions)), data.no_caption))
        if self._base_latents is None:
            self._base_latents = fresh()
        spoilt = spoil(data, self._work / "spoilt", seed) if case.sick == "nan" else data
        session = Session(base, spoilt, objective, hyperparameters, accelerator(case.sick))
        files = RunFiles.in_folder(self._work / "run", hyperparameters, data.key)
        files.clear()
        trainer = session.trainer(hyperparameters, files, trained=wrong(case.sick, objective))
        kept = None
        try:
            ending = trainer.run(lambda: False)
            words = "; ".join(trainer.state.alarms)
            stopped = ending is not Ending.FINISHED
            kept = choose(trainer.state, ending)
        except FinetuningError as error:
            stopped, words = True, str(error)
        finally:
            session.close()
        if kept is not None:
            set_adapter(base.pipeline.unet, files.checkpoints.average(kept.checkpoint))
        found = self._compare(fresh()) if kept is not None else None
        return {
            "case": asdict(case), "seed": seed, "stopped": stopped, "ending": "stopped" if stopped else "finished",
            "alarms": len(trainer.state.alarms), "words": words, "kept_step": kept.step if kept else None,
            "held_out": [loss for _, loss in trainer.state.held_out],
            "held_out_base": trainer.state.base.reading.held_out_mean if trainer.state.base else None,
            "published": found, "seconds": time.perf_counter() - started,
        }  # fmt: skip

    def _fresh_samples(self, base: Any, prompts: Any) -> Any:
        """How to paint the 64 that the guard never sees."""
        import torch

        from core.finetuning.model.painting import SamplingSettings, paint, pipeline_without_encoders

        settings = SamplingSettings(SAMPLE_STEPS, 1.5, base.native_resolution, base.native_resolution, 8)
        pipeline = pipeline_without_encoders(base)

        def fresh() -> torch.Tensor:
            return paint(pipeline, prompts, range(FRESH_SEED, FRESH_SEED + FRESH), settings).latents

        return fresh

    def _compare(self, latents: Any) -> dict[str, float]:
        from core.finetuning.training.spectrum import statistics_of

        base = self._base_latents
        now, old = (
            [getattr(s, name) for s in statistics_of(x)] for x in (latents, base) for name in ("high_frequency",)
        )
        spread = [sum(s.std for s in statistics_of(x)) for x in (latents, base)]
        apart = (latents - base).flatten(1).norm(dim=1) / base.flatten(1).norm(dim=1)
        return {
            "high_frequency": sum(now) / FRESH,
            "high_frequency_base": sum(old) / FRESH,
            "contrast": spread[0] / spread[1],
            "distance": float(apart.mean()),
        }


def verdict(row: dict[str, Any]) -> str:
    """What the guard did, in the light of the fresh samples."""
    sick, ruined = bool(row["case"]["sick"]), is_ruined(row["published"])
    if ruined:
        return "MISS"
    if row["stopped"]:
        return "caught" if sick else "FALSE ALARM"
    return "harmless" if sick else "left alone"


def is_ruined(found: dict[str, float] | None) -> bool:
    """Whether what was published is; nothing published ruins nothing."""
    return found is not None and not (
        found["high_frequency"] <= found["high_frequency_base"] + NOISIER
        and CONTRAST[0] <= found["contrast"] <= CONTRAST[1]
        and found["distance"] <= FAR
    )


def table(found: list[dict[str, Any]]) -> str:
    lines = [
        "# The guard on the miniature",
        "",
        "`python -m benchmarks.guard --miniature`; what the columns mean is told in `benchmarks/guard.py`.",
        "",
        "| run | seeds | verdicts | alarms | published: high frequencies − base's | distance |",
        "|---|---|---|---|---|---|",
    ]
    for case in CASES:
        mine = [row for row in found if row["case"]["name"] == case.name]
        if not mine:
            continue
        published = [row["published"] for row in mine if row["published"]]
        noisier = [f"{x['high_frequency'] - x['high_frequency_base']:+.3f}" for x in published]
        distances = [f"{x['distance']:.2f}" for x in published]
        alarms = [str(row["alarms"]) for row in mine]
        columns = (map(verdict, mine), alarms, noisier, distances)
        lines.append(f"| {case.name} | {len(mine)} | " + " | ".join(", ".join(column) for column in columns) + " |")
    healthy = [row for row in found if not row["case"]["sick"]]
    sick = [row for row in found if row["case"]["sick"]]
    counts = {word: sum(verdict(row) == word for row in found) for word in ("MISS", "FALSE ALARM", "harmless")}
    worst = max(
        (x["high_frequency"] - x["high_frequency_base"] for row in found if (x := row["published"])), default=0.0
    )
    count = f"{len(found)} of {len(CASES) * len(SEEDS)} runs"
    alarms = f"{counts['FALSE ALARM']} false alarms of {len(healthy)} healthy runs"
    harmless = f"{counts['harmless']} of {len(sick)} sick ones harmless and not stopped"
    lines += [
        "",
        f"{count}: {counts['MISS']} misses, {alarms}, {harmless}.",
        f"The most that a published adapter's share of high frequencies was above the base's: {worst:+.3f}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
