"""Enlarging a picture with a super-resolution network: any single-image one that spandrel knows, tile by tile.

The weights are data: they are read as safetensors, or as a pickle that may hold nothing but tensors. Knows nothing of
requests; `enlarging.py` asks for one picture after the other.
"""

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from core.errors import Cancelled, InvalidOptions, ModelUnusable, OutOfMemory
from core.generation.loading import free_memory, within_memory
from core.generation.tiles import TILE, Pixels, Span, joined, spans

log = logging.getLogger(__name__)

TIMES = (2, 4)
"""How many times a picture can be enlarged, along each side; also what a network may do at once."""
MOST_SIDE = 8192
"""Pixels of a side of what a network makes: in three colours such a picture takes 200 MB."""
SMALLEST_TILE = 64
FRAME = 16
"""Pixels by which a picture is continued on each side: beyond it networks see black, and their borders come darker."""
SMALLEST_INPUT = 64
"""Smaller pictures are continued to this many pixels: some networks look at windows of a fixed size."""

NEEDS_LIBRARY = (
    "Enlarging needs the libraries of the extra `upscale`, which are missing here or belong to another build of torch; "
    "`make upscale` installs them from where torch came from."
)
NO_UPSCALER = (
    "{path} is not a super-resolution model for colour pictures that enlarges 2 or 4 times; set UPSCALE_MODEL to the "
    ".safetensors or .pth file of one."
)


class Network(Protocol):
    """What enlarges a tile: one picture (1, 3, height, width) with values 0 to 1, and the same larger."""

    def __call__(self, pixels: Tensor, /) -> Tensor:
        """The enlarged tile. Raises torch.OutOfMemoryError."""
        ...


class Upscaler:
    """A network on its device. Call from one thread at a time."""

    def __init__(self, network: Network, scale: int, device: torch.device, dtype: torch.dtype) -> None:
        self._network = network
        self._scale = scale
        self._device = device
        self._dtype = dtype
        self._tile = TILE

    @property
    def tile(self) -> int:
        """The side of a tile, in pixels; it shrinks for good where the memory does not hold a larger one."""
        return self._tile

    def enlarge(
        self,
        image: Image.Image,
        times: int,
        *,
        on_tile: Callable[[int, int], None] = lambda done, of: None,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Image.Image:
        """`image` enlarged `times` times along each side, in RGB.

        `on_tile` is told how many tiles are done, and of how many; they are counted anew where smaller ones are needed.
        Raises InvalidOptions for another number or too large a picture, Cancelled between two tiles, OutOfMemory where
        the smallest tile is too large.
        """
        if times not in TIMES:
            raise InvalidOptions(f"A picture can be enlarged 2 or 4 times, not {times} times.")
        most = MOST_SIDE // max(times, self._scale)
        if max(image.size) > most:
            raise InvalidOptions(
                f"This picture has {image.width}x{image.height} pixels; to be enlarged {times} times, a side can have "
                f"{most} at most."
            )
        while True:
            try:
                return self._enlarged(image.convert("RGB"), times, on_tile, is_cancelled)
            except OutOfMemory:
                if self._tile <= SMALLEST_TILE:
                    raise
                self._tile //= 2
                log.warning("tiles of %d pixels do not fit into memory; %d from now on", 2 * self._tile, self._tile)

    def close(self) -> None:
        """Free the device."""
        del self._network
        free_memory()

    def _enlarged(
        self,
        image: Image.Image,
        times: int,
        on_tile: Callable[[int, int], None],
        is_cancelled: Callable[[], bool],
    ) -> Image.Image:
        passes = 2 if self._scale < times else 1
        of = sum(self._count(image.size, self._scale**number) for number in range(passes))
        done = 0

        def tile_done() -> None:
            nonlocal done
            done += 1
            on_tile(done, of)

        on_tile(0, of)
        made = image
        for _ in range(passes):
            made = self._once(made, tile_done, is_cancelled)
        wanted = (image.width * times, image.height * times)
        return made if made.size == wanted else made.resize(wanted, Image.Resampling.BOX)

    def _once(self, image: Image.Image, tile_done: Callable[[], None], is_cancelled: Callable[[], bool]) -> Image.Image:
        """Enlarged as often as the network does at once."""
        pixels = np.asarray(image, np.float32) / np.float32(255)
        rows, columns = spans(image.height, self._tile), spans(image.width, self._tile)

        def tiles() -> Iterator[Pixels]:
            for across in rows:
                for along in columns:
                    if is_cancelled():
                        raise Cancelled
                    tile = self._tile_of(pixels, across, along)
                    tile_done()
                    yield tile

        return Image.fromarray(joined(rows, columns, self._scale, tiles()))

    def _tile_of(self, pixels: Pixels, across: Span, along: Span) -> Pixels:
        part = pixels[across.start : across.stop, along.start : along.stop]
        frames = [_frame(span, length) for span, length in zip((across, along), pixels.shape, strict=False)]
        padded = np.pad(part, [*frames, (0, 0)], mode="edge")

        @torch.inference_mode()
        def run() -> Pixels:
            tile = torch.from_numpy(np.ascontiguousarray(padded.transpose(2, 0, 1)))[None]
            made = self._network(tile.to(self._device, self._dtype))[0].float().cpu()
            enlarged: Pixels = made.permute(1, 2, 0).numpy()
            return enlarged

        (top, _), (left, _) = frames
        height, width = part.shape[:2]
        large = within_memory(run)[top * self._scale :, left * self._scale :]
        return large[: height * self._scale, : width * self._scale]

    def _count(self, size: tuple[int, int], enlarged: int) -> int:
        """How many tiles a picture of `size` has once it is enlarged so many times."""
        return math.prod(len(spans(side * enlarged, self._tile)) for side in size)


def _frame(span: Span, length: int) -> tuple[int, int]:
    """By how many pixels a tile is continued before and behind: where a picture of `length` ends."""
    before = FRAME if span.start == 0 else 0
    behind = FRAME if span.stop == length else 0
    return before, max(behind, SMALLEST_INPUT - (span.stop - span.start) - before)


def load_upscaler(path: Path, device: torch.device) -> Upscaler:
    """The network in the file at `path`, in half precision on CUDA where it allows that.

    Nothing in the file is executed. Raises ModelUnusable, which names UPSCALE_MODEL.
    """
    try:
        import spandrel
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision's operators are of another torch
        log.warning("cannot load spandrel", exc_info=True)
        raise ModelUnusable(NEEDS_LIBRARY) from error
    try:
        weights = spandrel.canonicalize_state_dict(_read_weights(path))
        model = spandrel.ModelLoader().load_from_state_dict(weights).eval()
    except Exception as error:  # whatever a stranger's file makes the readers raise
        log.warning("cannot load %s", path, exc_info=True)
        raise ModelUnusable(NO_UPSCALER.format(path=path)) from error
    is_for_pictures = isinstance(model, spandrel.ImageModelDescriptor) and model.purpose == "SR"
    if not is_for_pictures or (model.input_channels, model.output_channels) != (3, 3) or model.scale not in TIMES:
        raise ModelUnusable(NO_UPSCALER.format(path=path))
    # not bfloat16: its steps are wider than those of eight bits
    dtype = torch.float16 if device.type == "cuda" and model.supports_half else torch.float32
    within_memory(lambda: model.to(device, dtype))
    return Upscaler(model, model.scale, device, dtype)


def _read_weights(path: Path) -> dict[str, Any]:
    """Tensors by name, on the processor. Raises whatever the readers do, ValueError for another kind of file."""
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.suffix not in (".pth", ".pt", ".ckpt"):
        raise ValueError(f"{path.suffix} is no kind of file that is read here")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch on old kinds of pickles
        weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return weights
