"""What a LoRA file says of itself, checked before anything of it is loaded: its header, not its weights.

The format is that of safetensors: eight bytes with the length of a JSON object, which names each tensor's type, shape
and place. It needs no model library, so that a bad file can be named when the program starts. What BadAdapter says goes
on after "the adapter NAME".
"""

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from core.adapter_files import find_adapters
from core.errors import InvalidOptions

MOST_HEADER_BYTES = 4_000_000
"""All layers of SDXL and both its text encoders take half a megabyte; some trainers note their captions besides."""
MOST_TENSORS = 20_000
MOST_RANK = 512
KIND = "imagine_sound.kind"
"""The metadata that says of an adapter which is no choice by name what it is."""

_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4}
_WHOLE = frozenset({"I64", "I32"})
"""How some trainers note a layer's alpha; weights are never of these types."""
_NAMINGS = (
    re.compile(r"(?P<layer>.+?)\.(?P<part>lora_A|lora_B|lora_down|lora_up)(?:\.\w+)?\.weight"),  # peft, kohya
    re.compile(r"(?P<layer>.+?)\.lora(?:_linear_layer)?\.(?P<part>down|up)\.weight"),  # diffusers
    re.compile(r"(?P<layer>.+?)\.processor\.(?P<last>to_\w+?)_lora\.(?P<part>down|up)\.weight"),  # diffusers till 0.17
)
_BESIDE = re.compile(r".+\.(?:alpha|dora_scale|lora_magnitude_vector(?:\.\w+)?(?:\.weight)?)")
_OF_TEXT_ENCODERS = re.compile(r"lora_te\d?_|text_encoder(?:_2)?\.")
_LEFT_TO_LOADING = re.compile(rf"lora_unet_(?:input|middle|output)_block|{_OF_TEXT_ENCODERS.pattern}")
_DOWN = frozenset({"lora_A", "lora_down", "down"})


class BadAdapter(ValueError):
    """The file is damaged, no LoRA, or beyond what one can be."""


class _Tensor(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    dtype: Literal["F64", "F32", "F16", "BF16", "I64", "I32"]
    shape: Annotated[tuple[Annotated[int, Field(ge=0, lt=1 << 31)], ...], Field(max_length=4)]
    data_offsets: tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=0)]]


_Name = Annotated[str, Field(max_length=300)]
_HEADER = TypeAdapter(dict[_Name, dict[str, str] | _Tensor], config=ConfigDict(strict=True))


@dataclass(frozen=True)
class Layer:
    """A layer that is adapted, by its name in the file."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True)
class AdapterHeader:
    """What a good file adapts, its largest rank, and what it says of itself."""

    layers: tuple[Layer, ...]
    rank: int
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def adapts_text(self) -> bool:
        """Whether it changes the text encoders, too."""
        return any(_OF_TEXT_ENCODERS.match(layer.name) for layer in self.layers)


def adapter_kind(header: AdapterHeader) -> str | None:
    """What kind of adapter it is that nobody chooses by name; None for those that are chosen."""
    return header.metadata.get(KIND) or None


def choices(directory: Path) -> dict[str, Path]:
    """The adapters in `directory` that may be chosen, by name; bad ones are told of when they are chosen."""
    return {name: path for name, path in find_adapters(directory).items() if _kind_of_file(path) is None}


def find_adapter(directory: Path, name: str) -> Path:
    """The file of the adapter `name` in `directory`. Raises InvalidOptions, which says the others."""
    adapters = choices(directory)
    if name not in adapters:
        if name in find_adapters(directory):
            raise InvalidOptions(f"{name} stands for guidance and is no choice by name: SPEED=balanced uses it.")
        choices_there = ", ".join(adapters) or "none yet"
        raise InvalidOptions(f"There is no adapter called {name}; the adapters here are: {choices_there}.")
    return adapters[name]


def refused(name: str, error: BadAdapter) -> InvalidOptions:
    """What somebody is told who chose the adapter `name`."""
    return InvalidOptions(f"The adapter {name} cannot be loaded: it {error}; choose another.")


def read_header(path: Path) -> AdapterHeader:
    """The header of the file at `path`. Raises BadAdapter."""
    tensors, metadata = _content(path)
    sides: dict[str, dict[bool, tuple[int, ...]]] = {}
    for name, tensor in tensors.items():
        found = next(filter(None, (naming.fullmatch(name) for naming in _NAMINGS)), None)
        if found is not None:
            if tensor.dtype in _WHOLE:
                raise BadAdapter("is damaged")
            layer = ".".join(filter(None, (found["layer"], found.groupdict().get("last"))))
            sides.setdefault(layer, {})[found["part"] in _DOWN] = tensor.shape
        elif not _BESIDE.fullmatch(name):
            raise BadAdapter("is no LoRA")
    if not sides:
        raise BadAdapter("is no LoRA")
    return AdapterHeader(
        tuple(_layer(name, shapes) for name, shapes in sides.items()),
        max(_rank(shapes) for shapes in sides.values()),
        metadata,
    )


def check_layers(header: AdapterHeader, unet: dict[str, tuple[int, int]]) -> None:
    """Raises BadAdapter where a layer is none of `unet`, which are the network's, each with its inputs and outputs.

    Their names are diffusers' (`unet.mid_block...`) or kohya's made from them (`lora_unet_mid_block_...`). Those made
    from Stability's names and those of text encoders are left to the loading, which translates them.
    """
    by_name = {f"unet.{name}": size for name, size in unet.items()}
    by_name |= {f"lora_unet_{name.replace('.', '_')}": size for name, size in unet.items()}
    for layer in header.layers:
        size = by_name.get(layer.name) or by_name.get(f"{layer.name}.0")  # of to_out the first part
        if size is None and _LEFT_TO_LOADING.match(layer.name):
            continue
        if size != (layer.inputs, layer.outputs):
            raise BadAdapter("was made for another model")


def bad_adapters(directory: Path) -> dict[str, str]:
    """What is wrong with each bad adapter in `directory`, by its name, as far as the files tell."""
    wrong = {}
    for name, path in find_adapters(directory).items():
        try:
            read_header(path)
        except BadAdapter as error:
            wrong[name] = str(error)
    return wrong


def adapters_for(kind: str, directory: Path) -> tuple[str, ...]:
    """The names of the adapters in `directory` that are of that kind."""
    return tuple(name for name, path in find_adapters(directory).items() if _kind_of_file(path) == kind)


def _kind_of_file(path: Path) -> str | None:
    try:
        return adapter_kind(read_header(path))
    except BadAdapter:
        return None


def _content(path: Path) -> tuple[dict[str, _Tensor], Mapping[str, str]]:
    """The header's tensors, of which each has its own bytes, and the file no others; and its metadata."""
    try:
        if not path.is_file():
            raise BadAdapter("is no file")
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(MOST_HEADER_BYTES, size - 8):
                raise BadAdapter("is damaged")
            header = _HEADER.validate_json(file.read(length))
    except OSError as error:
        raise BadAdapter(f"cannot be read ({error.strerror})") from error
    except (struct.error, ValidationError) as error:
        raise BadAdapter("is damaged") from error
    said = header.pop("__metadata__", None)
    tensors = {name: tensor for name, tensor in header.items() if isinstance(tensor, _Tensor)}
    if len(tensors) != len(header) or len(tensors) > MOST_TENSORS:
        raise BadAdapter("is damaged")
    end = 0
    for tensor in sorted(tensors.values(), key=lambda tensor: tensor.data_offsets):
        first, last = tensor.data_offsets
        if first != end or last - first != prod(tensor.shape) * _BYTES[tensor.dtype]:
            raise BadAdapter("is damaged")
        end = last
    if end != size - 8 - length:
        raise BadAdapter("is damaged")
    return tensors, said if isinstance(said, dict) else {}


def _rank(shapes: dict[bool, tuple[int, ...]]) -> int:
    down, up = shapes.get(True, ()), shapes.get(False, ())
    if len(down) < 2 or len(up) < 2 or down[0] != up[1]:
        raise BadAdapter("is damaged")
    if not 1 <= down[0] <= MOST_RANK:
        raise BadAdapter(f"has rank {down[0]}, and at most {MOST_RANK} is taken")
    return down[0]


def _layer(name: str, shapes: dict[bool, tuple[int, ...]]) -> Layer:
    _rank(shapes)
    return Layer(name, shapes[True][1], shapes[False][0])
