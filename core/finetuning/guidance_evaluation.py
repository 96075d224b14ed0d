"""Does an adapter stand for guidance well enough? Held-out prompts, painted in two evaluations a step and otherwise.

The honest rival is half the steps with two evaluations, which costs the same. What is found is kept beside the adapter,
where the painter reads how close it comes and which other adapters it may be combined with.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from core.errors import EvaluationError
from core.files import written_whole
from core.finetuning.data.scenes import held_out_prompts
from core.finetuning.guided_ways import TWO, Closeness, PaintedWay, Way, compared, stepped
from core.finetuning.progress import Progress
from core.finetuning.report import inline_picture
from core.generation.adapter_header import find_adapter
from core.generation.defaults import read_defaults
from core.generation.guided import MEASURED_NAME, GuidanceAdapter, Measured, file_sha256, find_guidance
from core.generation.loading import choose_device, is_sdxl_edm, native_size, read_pipeline, settle
from core.generation.merged import MergedGuidance
from core.generation.placing import arranged, place
from core.generation.playground import ModelIdentity, PlaygroundModel, PlaygroundOptions
from core.generation.presets import WITH_ADAPTER
from core.generation.protocol import GenerationRequest
from core.generation.residence import Storage, Wanted
from core.located import LocatedModel
from core.options import Memory, Speed

FIRST_SEED = 9_000
ADAPTER, HALF, UNGUIDED = "the adapter", "half the steps", "no guidance"
WAYS = MappingProxyType(
    {TWO: Way(), ADAPTER: Way(has_adapter=True), HALF: Way(step_share=0.5), UNGUIDED: Way(guidance=1.0)}
)
SHOWN = 12
TILE = 192


@dataclass(frozen=True)
class GuidanceEvaluationOptions:
    """One call of `imagine-sound evaluate guidance`. `adapter`: its folder. `beside`: the name of another adapter that
    it is to be combined with. `steps`: empty for the model's own, and half of them."""

    model: LocatedModel
    adapter: Path
    out: Path
    steps: tuple[int, ...] = ()
    guidance: float = 3.0
    prompts: int = 64
    seeds: int = 4
    beside: str | None = None
    device: str = "auto"
    offline: bool = True
    hub_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Found:
    """Of one number of steps: how close each way comes, by its name."""

    steps: int
    ways: dict[str, Closeness]

    @property
    def is_worth_it(self) -> bool:
        """Whether the adapter beats what costs the same, and guides at all."""
        return self.ways[ADAPTER].decibels > max(self.ways[HALF].decibels, self.ways[UNGUIDED].decibels)

    @property
    def verdict(self) -> str:
        """In a sentence."""
        ours, half = self.ways[ADAPTER], self.ways[HALF]
        rivals = f"half the steps {half.decibels:.1f} dB, no guidance {self.ways[UNGUIDED].decibels:.1f} dB"
        said = f"At {self.steps} steps the adapter comes within {ours.decibels:.1f} dB of two evaluations ({rivals})"
        if self.is_worth_it:
            return f"{said}: it is worth using."
        return f"{said}: it is not recommended; fewer steps, which cost the same, come closer."


@dataclass(frozen=True)
class GuidanceEvaluation:
    """What was found. `is_base_at_one`: whether guidance 1 was equal to the base to the bit."""

    found: tuple[Found, ...]
    is_base_at_one: bool
    page: Path

    @property
    def is_worth_it(self) -> bool:
        """At every number of steps."""
        return all(one.is_worth_it for one in self.found)


def evaluate_guidance(options: GuidanceEvaluationOptions, progress: Progress) -> GuidanceEvaluation:
    """Raises FinetuningError and PaintingError."""
    progress.say(f"loading {options.model.name}")
    model, adapter = _painter(options)
    found, sheets = [], []
    steps = options.steps or (model.info().steps, max(2, model.info().steps // 2))
    for count in steps:
        requests = _requests(options, count)
        with progress.task(f"Painting, {count} steps", len(WAYS) * len(requests)) as advance:
            closeness, painted = compared(model, WAYS, requests, advance)
        found.append(Found(count, closeness))
        sheets.append(_sheet(painted))
    at_one = _is_base_at_one(model, _requests(options, steps[0])[0])
    result = GuidanceEvaluation(tuple(found), at_one, options.out / "guidance.html")
    _write(options, result, adapter, sheets[0])
    _keep(options, result, adapter)
    return result


def _painter(options: GuidanceEvaluationOptions) -> tuple[PlaygroundModel, GuidanceAdapter]:
    """The product's painter at SPEED=balanced with the adapter."""
    device = choose_device(options.device)
    pipeline = read_pipeline(options.model, device, offline=options.offline, hub_token=options.hub_token)
    if not is_sdxl_edm(pipeline):
        raise EvaluationError(f"{options.model.name} is not painted by the engine that knows such adapters.")
    network = Path(pipeline.unet.config.get("_name_or_path") or "")
    adapter = find_guidance(options.adapter.parent, network, only=options.adapter.name)
    if adapter is None:
        raise EvaluationError(
            f"There is no adapter for {options.model.name} in {options.adapter} that stands for guidance; "
            "imagine-sound distil makes one."
        )
    if options.beside is not None:
        adapter = adapter.combining_with(file_sha256(_beside(options)))
    defaults = read_defaults(options.model.source)
    residence = arranged(pipeline, device, Wanted(8, native_size(pipeline, defaults), Memory.AUTO))
    if residence.unet is not Storage.WHOLE:
        raise EvaluationError("The network does not fit this GPU whole, and stored in FP8 it takes no such adapter.")
    settle(options.model, lambda: place(pipeline, device, residence))
    merged = MergedGuidance.of(pipeline.unet, adapter)
    speed, identity = WITH_ADAPTER[Speed.BALANCED], ModelIdentity(options.model.name, "", is_miniature=False)
    painting = PlaygroundOptions(defaults, speed, options.adapter.parent, 0, residence=residence, guidance=merged)
    return PlaygroundModel(pipeline, identity, painting), adapter


def _requests(options: GuidanceEvaluationOptions, steps: int) -> list[GenerationRequest]:
    return [
        GenerationRequest(
            prompt, seed=FIRST_SEED + seed, steps=steps, guidance=options.guidance, adapter=options.beside
        )
        for seed in range(options.seeds)
        for prompt in held_out_prompts()[: options.prompts]
    ]


def _is_base_at_one(model: PlaygroundModel, request: GenerationRequest) -> bool:
    """Whether guidance 1 is equal to the bit before the adapter is used and after it, with it and without."""
    at_one = Way(has_adapter=True, guidance=1.0)
    ways = (Way(guidance=1.0), Way(has_adapter=True), at_one)
    before, _, after = (stepped(model, [way.begun(model, request)])[0].member.latent for way in ways)
    return torch.equal(before, after)


def _beside(options: GuidanceEvaluationOptions) -> Path:
    return find_adapter(options.adapter.parent, options.beside or "")


def _sheet(painted: dict[str, PaintedWay]) -> Image.Image:
    """A row for each of the first pictures, a column for each way."""
    rows = min(SHOWN, len(next(iter(painted.values())).pixels))
    sheet = Image.new("RGB", (len(painted) * (TILE + 4), rows * (TILE + 4)), "white")
    for column, way in enumerate(painted.values()):
        for row in range(rows):
            tile = Image.fromarray(way.pixels[row]).resize((TILE, TILE), Image.Resampling.LANCZOS)
            sheet.paste(tile, (column * (TILE + 4), row * (TILE + 4)))
    return sheet


def _write(
    options: GuidanceEvaluationOptions,
    result: GuidanceEvaluation,
    adapter: GuidanceAdapter,
    sheet: Image.Image,
) -> None:
    """The page and the numbers."""
    options.out.mkdir(parents=True, exist_ok=True)
    pictures = options.out / "guidance.png"
    sheet.save(pictures)
    tables = [
        {name: asdict(closeness) for name, closeness in one.ways.items()} | {"steps": one.steps} for one in result.found
    ]
    document = {
        "model": options.model.name,
        "adapter_sha256": adapter.sha256,
        "beside": options.beside,
        "guidance": options.guidance,
        "prompts": options.prompts,
        "seeds": options.seeds,
        "equal_to_the_base_at_guidance_1": result.is_base_at_one,
        "is_worth_it": result.is_worth_it,
        "found": [_numbers(table) for table in tables],
    }
    (options.out / "guidance.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    environment = Environment(
        loader=PackageLoader("core.finetuning", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("guidance.html.jinja").render(
        options=options, result=result, sheet=inline_picture(pictures, sheet.width), sha256=adapter.sha256
    )
    result.page.write_text(page, encoding="utf-8")


def _numbers(table: Mapping[str, object]) -> dict[str, object]:
    """With nothing that JSON has no word for: two evaluations are infinitely close to themselves."""
    return json.loads(json.dumps(table).replace("Infinity", "null"))  # type: ignore[no-any-return]


def _keep(options: GuidanceEvaluationOptions, result: GuidanceEvaluation, adapter: GuidanceAdapter) -> None:
    """What the painter reads: alone, how close it comes; beside another adapter, whether that passed."""
    before = adapter.measured or Measured({})
    decibels = {str(steps): value for steps, value in before.decibels.items()}
    combines_with = set(before.combines_with)
    if options.beside is None:
        decibels |= {str(one.steps): round(one.ways[ADAPTER].decibels, 2) for one in result.found}
    else:
        combines_with.discard(beside := file_sha256(_beside(options)))
        if result.is_worth_it:
            combines_with.add(beside)
    document = {"adapter_sha256": adapter.sha256, "decibels": decibels, "combines_with": sorted(combines_with)}
    with written_whole(adapter.path.parent / MEASURED_NAME) as temporary:
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")
