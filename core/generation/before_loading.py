"""What is wrong with a request, as far as files tell it: before a model library is imported or a model loaded.

What only the loaded model knows, an adapter for another model say, is told by the model.
"""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import ModelMissing, ModelUnusable
from core.generation.adapter_header import BadAdapter, find_adapter, read_header, refused
from core.generation.defaults import read_defaults
from core.generation.limits import CELL, Limits, check, recipe_for, sides_of
from core.generation.protocol import GenerationRequest, GeneratorInfo
from core.located import MINIATURE_PAINTER, bundled_painter
from core.models import ModelStore
from core.official import PLAYGROUND
from core.options import ImagineOptions
from core.prompting.prompt import Prompt

if TYPE_CHECKING:
    from core.settings import CoreSettings

DRIVERS = (Path("/proc/driver/nvidia/version"), Path("/usr/lib/wsl/lib/libcuda.so.1"))
"""One of them is there where CUDA can be: on Linux, and under WSL 2."""
WIDEST = Limits(guidance=(0.0, 20.0), sides=(CELL, 8192), side_unit=CELL)
"""Within this is whatever any model takes."""
SCHEDULER = "EDMDPMSolverMultistepScheduler"
SOMETHING = Prompt("a bell", "")
"""Stands for what is not heard yet."""


def check_options(options: ImagineOptions, settings: "CoreSettings") -> None:
    """Raises InvalidOptions for steps, guidance, seed, size, words or an adapter that cannot be."""
    native, limits = _stated(settings)
    info = GeneratorInfo("", "", steps=limits.steps[0], guidance=limits.guidance[1], size=(native, native))
    request = GenerationRequest(
        prompt=SOMETHING if options.prompt is None else Prompt(options.prompt, ""),
        seed=limits.seeds[0] if options.seed is None else options.seed,
        steps=options.steps,
        guidance=options.guidance,
        size=options.size,
        near=options.near,
    )
    check(recipe_for(request, info), limits)
    if options.adapter is not None:
        path = find_adapter(settings.adapters_dir, options.adapter)
        try:
            read_header(path)
        except BadAdapter as error:
            raise refused(options.adapter, error) from error


def check_enlarging(settings: "CoreSettings") -> None:
    """Raises ModelMissing where it is known that nothing enlarges what is going to be painted."""
    wanted = settings.image_model
    painter = MINIATURE_PAINTER if wanted == "auto" else Path(wanted).expanduser().resolve().name
    ModelStore(settings).upscaler(painter)


def _stated(settings: "CoreSettings") -> tuple[int, Limits]:
    """How many pixels a side the model paints, and its limits, by its files; the widest where they do not tell."""
    directory = _painter(settings)
    if directory is None:
        return CELL, WIDEST
    try:
        index = _read(directory / "model_index.json")
        if index["_class_name"] != "StableDiffusionXLPipeline" or index["scheduler"][1] != SCHEDULER:
            return CELL, WIDEST
        unet, vae = (_read(directory / part / "config.json") for part in ("unet", "vae"))
        scale = 2 ** (len(vae["block_out_channels"]) - 1)
        size = read_defaults(directory).size
        native = max(size) if size else int(unet["sample_size"]) * scale
        sides, unit = sides_of(native, scale, len(unet["block_out_channels"]))
    except (OSError, ValueError, KeyError, IndexError, TypeError, ModelUnusable):  # said when it is loaded
        return CELL, WIDEST
    return native, Limits(sides=sides, side_unit=unit)


def _painter(settings: "CoreSettings") -> Path | None:
    """The directory of what is going to paint; None where that is not known yet."""
    wanted = settings.image_model
    if wanted == "auto" and (settings.device == "cpu" or not may_have_cuda()):
        return bundled_painter()
    if wanted in ("auto", PLAYGROUND):
        try:
            return ModelStore(settings).playground().path
        except ModelMissing:
            return None
    return Path(wanted).expanduser()


def may_have_cuda() -> bool:
    """Whether there may be a CUDA GPU; asked without its library."""
    return sys.platform == "win32" or any(map(os.path.exists, DRIVERS))


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found
