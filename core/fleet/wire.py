"""Requests, events and errors of painting as JSON, for a painter that is elsewhere; both directions.

What is read here may be anybody's. It knows neither HTTP nor who paints.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core import recipe as recipes
from core.errors import ImagineSoundError, ModelError, PainterLost, PaintingError, ShuttingDown
from core.fleet.binary import Nonsense, decoded, encoded, of_array, png, to_array, to_image
from core.generation.protocol import (
    MAX_SEED,
    Failed,
    Figures,
    GenerationEvent,
    GenerationRequest,
    GeneratorInfo,
    GpuMemory,
    Inspected,
    InspectionRequest,
    Loading,
    Note,
    Painted,
    Painting,
    Picture,
    Queued,
)
from core.prompting.prompt import Prompt
from core.provenance.watermark import Pattern
from core.recipe import Mark

VERSION = 1
"""Of what is said here. Both ends have to say the same."""
Json = dict[str, Any]


@dataclass(frozen=True)
class PainterInfo:
    """What a painter says of itself: the model, how many requests it holds at most, and what it has counted.

    `name`: drawn by lot when it starts, whatever its address is. `version`: see VERSION.
    """

    name: str
    generator: GeneratorInfo
    places: int
    figures: Figures = field(default_factory=Figures)
    version: int = VERSION


class _Strict(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


Side = Annotated[int, Field(ge=1, le=16_384)]
Size = tuple[Side, Side]
Text = Annotated[str, Field(max_length=20_000)]
Name = Annotated[str, Field(max_length=200)]


class _Pattern(_Strict):
    key: Name
    pattern: Annotated[int, Field(ge=0)]
    seed: Annotated[str, Field(pattern="^([0-9a-f]{2})+$", max_length=1024)]


class _Generation(_Strict):
    prompt: Text
    negative_prompt: Text
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)]
    steps: Annotated[int, Field(ge=1, le=1000)] | None = None
    guidance: Annotated[float, Field(ge=0, le=100)] | None = None
    size: Size | None = None
    adapter: Name | None = None
    near: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    heard: Annotated[tuple[Name, ...], Field(max_length=100)] = ()
    pattern: _Pattern | None = None


class _Inspection(_Strict):
    picture: str
    prompt: Text | None = None
    negative_prompt: Text = ""
    size: Size | None = None
    passes: Annotated[int, Field(ge=1, le=1000)] = 1


def of_generation(request: GenerationRequest) -> Json:
    """`request` without its `user`, who is nobody's business elsewhere: the queue that is fair to them is here."""
    pattern = request.pattern
    return {
        "prompt": request.prompt.text,
        "negative_prompt": request.prompt.negative_text,
        "seed": request.seed,
        "steps": request.steps,
        "guidance": request.guidance,
        "size": request.size,
        "adapter": request.adapter,
        "near": request.near,
        "heard": request.heard,
        "pattern": pattern and {"key": pattern.mark.key, "pattern": pattern.mark.pattern, "seed": pattern.seed.hex()},
    }


def to_generation(said: object) -> GenerationRequest:
    """Raises Nonsense."""
    found = _read(_Generation, said)
    pattern = found.pattern
    return GenerationRequest(
        prompt=Prompt(found.prompt, found.negative_prompt),
        seed=found.seed,
        steps=found.steps,
        guidance=found.guidance,
        size=found.size,
        adapter=found.adapter,
        near=found.near,
        heard=found.heard,
        pattern=pattern and Pattern(Mark(pattern.key, pattern.pattern), bytes.fromhex(pattern.seed)),
    )


def of_inspection(request: InspectionRequest) -> Json:
    """`request` without its `user`."""
    return {
        "picture": png(request.image),
        "prompt": request.prompt and request.prompt.text,
        "negative_prompt": request.prompt.negative_text if request.prompt else "",
        "size": request.size,
        "passes": request.passes,
    }


def to_inspection(said: object) -> InspectionRequest:
    """Raises Nonsense."""
    found = _read(_Inspection, said)
    prompt = None if found.prompt is None else Prompt(found.prompt, found.negative_prompt)
    return InspectionRequest(to_image(found.picture), prompt, found.size, found.passes)


def of_event(event: GenerationEvent) -> tuple[str, Json]:
    """The event's name and what it says. A picture is compressed here, which takes a while."""
    match event:
        case Loading(arrived):
            return "loading", {"arrived": arrived}
        case Queued(position):
            return "queued", {"position": position}
        case Painting(step, steps, preview):
            return "painting", {"step": step, "steps": steps, "preview": preview and encoded(preview)}
        case Painted(picture):
            return "painted", {
                "picture": png(picture.image),
                "recipe": recipes.to_json(picture.recipe),
                "seconds": picture.seconds,
                "is_miniature": picture.is_miniature,
                "notes": [{"key": note.key, "values": dict(note.values)} for note in picture.notes],
            }
        case Inspected(noise):
            return "inspected", {"noise": of_array(noise)}
        case Failed(error):
            return "failed", of_error(error)


def is_last(event: GenerationEvent) -> bool:
    """Whether nothing follows."""
    return isinstance(event, Painted | Inspected | Failed)


class _Queued(_Strict):
    position: Annotated[int, Field(ge=1)]


class _Loading(_Strict):
    arrived: Annotated[float, Field(ge=0, le=1)] | None = None


class _Painting(_Strict):
    step: Annotated[int, Field(ge=0)]
    steps: Annotated[int, Field(ge=0)]
    preview: str | None = None


class _Note(_Strict):
    key: Name
    values: Mapping[str, str | int | float]


class _Painted(_Strict):
    picture: str
    recipe: Text
    seconds: float
    is_miniature: bool = False
    notes: tuple[_Note, ...] = ()


class _Inspected(_Strict):
    noise: str


class _Failed(_Strict):
    error: Name
    sentence: Text
    values: Mapping[str, str | int | float] = {}
    own_sentence: bool = True


def to_event(name: str, said: object) -> GenerationEvent:
    """Raises Nonsense, also for a name that is not known."""
    match name:
        case "loading":
            return Loading(_read(_Loading, said).arrived)
        case "queued":
            return Queued(_read(_Queued, said).position)
        case "painting":
            painting = _read(_Painting, said)
            preview = None if painting.preview is None else decoded(painting.preview)
            return Painting(painting.step, painting.steps, preview)
        case "painted":
            painted = _read(_Painted, said)
            try:
                recipe = recipes.from_json(painted.recipe)
            except ValueError as error:
                raise Nonsense("a recipe that is none") from error
            notes = tuple(Note(note.key, note.values) for note in painted.notes)
            image = to_image(painted.picture)
            return Painted(Picture(image, recipe, painted.seconds, painted.is_miniature, notes))
        case "inspected":
            return Inspected(to_array(_read(_Inspected, said).noise))
        case "failed":
            return Failed(to_error(said))
    raise Nonsense(f"an event that is not known: {name[:40]!r}")


def of_error(error: ImagineSoundError) -> Json:
    """What a person is told of it, in whatever language."""
    return {
        "error": type(error).__name__,
        "sentence": str(error),
        "values": error.values,
        "own_sentence": error.has_own_sentence,
    }


def to_error(said: object) -> ImagineSoundError:
    """The same error; PaintingError for a kind that a painter cannot have. Raises Nonsense."""
    found = _read(_Failed, said)
    kind = _ERRORS.get(found.error, PaintingError)
    error = kind.__new__(kind)  # its own __init__ makes the sentence, which is there
    ImagineSoundError.__init__(error, found.sentence)
    error.values = dict(found.values)
    error.has_own_sentence = found.own_sentence
    return error


def _and_below(kind: type[ImagineSoundError]) -> Iterator[type[ImagineSoundError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _and_below(below)


_ERRORS = {
    kind.__name__: kind
    for above in (PaintingError, ModelError, PainterLost, ShuttingDown)
    for kind in _and_below(above)
}


def of_info(info: PainterInfo) -> Json:
    """What a painter says of itself."""
    generator, memory = info.generator, info.figures.memory
    return {
        "version": info.version,
        "name": info.name,
        "places": info.places,
        "generator": {
            "model": generator.model,
            "revision": generator.revision,
            "steps": generator.steps,
            "guidance": generator.guidance,
            "size": generator.size,
            "is_miniature": generator.is_miniature,
            "adapters": list(generator.adapters),
            "most_tokens": generator.most_tokens,
            "speed": generator.speed,
            "picture_s": generator.picture_s,
            "side_unit": generator.side_unit,
            "words": None if generator.words is None else sorted(generator.words),
            "batch": generator.batch,
        },
        "steps": {str(pictures): count for pictures, count in info.figures.steps.items()},
        "memory": memory and {"used": memory.used, "total": memory.total},
    }


class _Generator(_Strict):
    model: Name
    revision: Name
    steps: Annotated[int, Field(ge=1)]
    guidance: float
    size: Size
    is_miniature: bool = False
    adapters: tuple[Name, ...] = ()
    most_tokens: Annotated[int, Field(ge=1)]
    speed: Name = "exact"
    picture_s: float | None = None
    side_unit: Annotated[int, Field(ge=1, le=1024)] = 8
    words: frozenset[Name] | None = None
    batch: Annotated[int, Field(ge=1, le=1000)] = 1


class _Memory(_Strict):
    used: int
    total: int


class _Info(_Strict):
    version: int
    name: Name
    places: Annotated[int, Field(ge=1, le=1000)]
    generator: _Generator
    steps: Mapping[int, int] = {}
    memory: _Memory | None = None


def to_info(said: object) -> PainterInfo:
    """Without `count_tokens`, which is asked over the wire. Raises Nonsense."""
    found = _read(_Info, said)
    memory = found.memory and GpuMemory(found.memory.used, found.memory.total)
    generator = GeneratorInfo(**dict(found.generator))
    return PainterInfo(found.name, generator, found.places, Figures(dict(found.steps), memory), found.version)


Model = Any


def _read(kind: type[Model], said: object) -> Model:
    try:
        return TypeAdapter(kind).validate_python(said)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise Nonsense(f"{place}: {first['msg']}") from error
