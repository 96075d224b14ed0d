"""A whole hand evaluation: paint pairs, measure them, compare, and write what was found."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from PIL import Image

from core.errors import EvaluationError, OutOfTrainingMemory
from core.finetuning.data.pictures import UnreadablePicture, is_picture, large_ones_too, open_upright
from core.finetuning.data.sources import files_in
from core.finetuning.hands.comparison import Comparison, compare
from core.finetuning.hands.landmarks import MAIN_THRESHOLD, Hand, HandDetector
from core.finetuning.hands.measures import Measures, RealHands, measure
from core.finetuning.hands.page import LIMITS, contact_sheet, write_page
from core.finetuning.hands.painting import Pair, PictureSpec, paint_pairs
from core.finetuning.hands.prompts import EvaluationPrompt
from core.finetuning.hyperparameters import Precision
from core.finetuning.model.network import load_base
from core.finetuning.model.painting import SamplingSettings
from core.finetuning.progress import Progress

FIRST_SEED = 7_000
MAX_REAL = 500


@dataclass(frozen=True)
class HandEvaluationOptions:
    """One call of `imagine-sound evaluate hands`. `side` None: the model's own."""

    base: str
    adapter: Path
    out: Path
    hand_model: Path
    hand_prompts: tuple[EvaluationPrompt, ...]
    other_prompts: tuple[EvaluationPrompt, ...]
    seeds: int = 2
    steps: int = 25
    guidance: float = 3.0
    side: int | None = None
    batch_size: int = 4
    real: Path | None = None
    base_revision: str | None = None
    precision: Precision = "fp32"
    device: str = "cpu"
    hub_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class HandEvaluation:
    """What was found on prompts with hands, and the page that shows it all."""

    on_hands: tuple[Comparison, ...]
    page: Path


def evaluate_hands(options: HandEvaluationOptions, progress: Progress) -> HandEvaluation:
    """Raises FinetuningError."""
    if not options.hand_prompts:
        raise EvaluationError("There are no prompts with hands to paint.")
    options.out.mkdir(parents=True, exist_ok=True)
    with HandDetector(options.hand_model) as detector:
        real = _real_hands(options.real, detector, progress) if options.real else None
        pairs = _paint(options, progress)
        measured = _measure(pairs, detector, real, progress)
        rows = [row for row in measured if row[0].spec.prompt.hands > 0]
        shown = [
            (pair.base, _hands_in(pair.base, detector), pair.adapter, _hands_in(pair.adapter, detector))
            for pair, _, _ in _spread([*rows], 16) + _spread([row for row in measured if row not in rows], 8)
        ]
    others = [row for row in measured if row[0].spec.prompt.hands == 0]
    on_hands, on_others = _compare(rows), _compare(others)
    sheet = options.out / "contact-sheet.png"
    contact_sheet(shown).save(sheet)
    numbers = options.out / "hands.json"
    numbers.write_text(json.dumps(_document(options, measured, on_hands, on_others, real), indent=1))
    page = options.out / "hands.html"
    write_page(
        page,
        title="Hands, with and without the adapter",
        facts=(
            ("base", options.base),
            ("adapter", str(options.adapter)),
            ("pairs", f"{len(rows)} with hands, {len(others)} without"),
            ("painting", f"{options.steps} steps, guidance {options.guidance}"),
            ("real hands", "none given" if real is None else str(real.count)),
        ),
        on_hands=on_hands,
        on_others=on_others,
        sheet=sheet,
        anatomy_note=None
        if real
        else "Bone ratios and joint angles were not measured: give photos of real hands with --real.",
    )
    return HandEvaluation(tuple(on_hands), page)


Measured = tuple[Pair, Measures, Measures]


def _paint(options: HandEvaluationOptions, progress: Progress) -> list[Pair]:
    progress.say(f"loading {options.base}")
    base = load_base(options.base, options.base_revision, options.precision, hub_token=options.hub_token)
    base.pipeline.to(options.device)
    specs = [
        PictureSpec(prompt, FIRST_SEED + seed)
        for prompt in (*options.hand_prompts, *options.other_prompts)
        for seed in range(options.seeds)
    ]
    side = options.side or base.native_resolution
    settings = SamplingSettings(options.steps, options.guidance, side, side, options.batch_size)
    try:
        with progress.task("Painting", 2 * len(specs)) as advance:
            return paint_pairs(base, options.adapter, specs, settings, options.out / "pictures", advance)
    except torch.OutOfMemoryError as error:
        raise OutOfTrainingMemory(
            "The GPU's memory is too small to paint so many at once; lower --batch-size."
        ) from error


def _measure(
    pairs: Sequence[Pair], detector: HandDetector, real: RealHands | None, progress: Progress
) -> list[Measured]:
    found: list[Measured] = []
    with progress.task("Measuring", len(pairs)) as advance:
        for pair in pairs:
            expected = pair.spec.prompt.hands
            one, two = (measure(open_upright(path), expected, detector, real) for path in (pair.base, pair.adapter))
            found.append((pair, one, two))
            advance(len(found))
    return found


@large_ones_too()
def _real_hands(directory: Path, detector: HandDetector, progress: Progress) -> RealHands:
    paths = [path for path in files_in(directory) if not path.name.startswith(".") and is_picture(path)]
    if not paths:
        raise EvaluationError(f"There are no photos in {directory}; --real wants a folder of photos of real hands.")
    if len(paths) > MAX_REAL:
        paths = random.Random(0).sample(paths, MAX_REAL)
    worlds = []
    with progress.task("Looking at real hands", len(paths)) as advance:
        for done, path in enumerate(paths, start=1):
            try:
                worlds += [hand.world for hand in detector.detect(open_upright(path))]
            except UnreadablePicture as error:
                progress.say(f"left out {path.name}: {error}")
            advance(done)
    return RealHands.of(worlds)


def _hands_in(path: Path, detector: HandDetector) -> list[Hand]:
    with Image.open(path) as image:
        return detector.detect(image, MAIN_THRESHOLD)


def _spread(rows: Sequence[Measured], count: int) -> list[Measured]:
    """`count` rows from all over."""
    step = max(1, len(rows) // count)
    return list(rows[::step][:count])


def _compare(rows: Sequence[Measured]) -> list[Comparison]:
    return compare(
        [pair.spec.prompt.text for pair, _, _ in rows],
        [before.as_numbers() for _, before, _ in rows],
        [after.as_numbers() for _, _, after in rows],
    )


def _document(
    options: HandEvaluationOptions,
    measured: Sequence[Measured],
    on_hands: Sequence[Comparison],
    on_others: Sequence[Comparison],
    real: RealHands | None,
) -> dict[str, object]:
    return {
        "base": options.base,
        "adapter": str(options.adapter),
        "steps": options.steps,
        "guidance": options.guidance,
        "real_hands": real.count if real else None,
        "prompts_with_hands": [asdict(comparison) for comparison in on_hands],
        "prompts_without_hands": [asdict(comparison) for comparison in on_others],
        "cannot_see": list(LIMITS),
        "pairs": [
            {
                "prompt": pair.spec.prompt.text,
                "hands": pair.spec.prompt.hands,
                "seed": pair.spec.seed,
                "base": asdict(before),
                "adapter": asdict(after),
            }
            for pair, before, after in measured
        ],
    }
