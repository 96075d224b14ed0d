"""A picture is enlarged tile by tile, and nobody can see where the tiles were."""

import os
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import interpolate

from core.errors import Cancelled, InvalidOptions, ModelUnusable, OutOfMemory
from core.generation.tiles import OVERLAP, TILE, spans, weights
from core.generation.upscaling import FRAME, MOST_SIDE, SMALLEST_TILE, Upscaler, load_upscaler
from core.models import ModelStore
from core.settings import CoreSettings
from training.upscaler_mini.train import Compact

CPU = torch.device("cpu")

pytestmark = pytest.mark.usefixtures("spandrel")


@pytest.fixture
def bundled() -> Upscaler:
    return load_upscaler(ModelStore(CoreSettings()).upscaler("playground-mini").path, CPU)


def noise(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def pixels_of(image: Image.Image) -> NDArray[np.int64]:
    return np.asarray(image, np.int64)


def doubling(scale: int = 2, fits: int = 10_000) -> tuple[Upscaler, list[int]]:
    """An Upscaler that repeats pixels, on a device whose memory holds tiles of at most `fits` pixels a side.

    And the sides of the tiles that it was asked for.
    """
    asked: list[int] = []

    def network(tile: Tensor) -> Tensor:
        asked.append(max(tile.shape[2:]))
        if asked[-1] > fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return interpolate(tile, scale_factor=scale)

    return Upscaler(network, scale, CPU, torch.float32), asked


@pytest.mark.parametrize("size", [(513, 511), (993, 40), (600, 545)])
def test_tiles_make_the_same_picture_as_the_whole_at_once(
    size: tuple[int, int], bundled: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_tiles = pixels_of(bundled.enlarge(noise(*size), 2))
    monkeypatch.setattr(bundled, "_tile", 4000)
    at_once = pixels_of(bundled.enlarge(noise(*size), 2))

    assert np.abs(in_tiles - at_once).max() <= 1


def test_even_the_smallest_tiles_do(bundled: Upscaler, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = pixels_of(bundled.enlarge(noise(200, 150), 2))
    monkeypatch.setattr(bundled, "_tile", SMALLEST_TILE)
    in_tiles = pixels_of(bundled.enlarge(noise(200, 150), 2))

    assert np.abs(in_tiles - at_once).max() <= 1


@pytest.mark.parametrize("tile", [64, 128, 512])
@pytest.mark.parametrize("length", [1, 33, 63, 64, 65, 97, 511, 512, 513, 993, 2048])
def test_tiles_cover_everything_once_in_sum(length: int, tile: int) -> None:
    places = spans(length, tile)
    sums = np.zeros(2 * length)
    for number, place in enumerate(places):
        sums[2 * place.start : 2 * place.stop] += weights(places, number, 2)
    np.testing.assert_allclose(sums, 1, atol=1e-6)
    assert all(one.stop - other.start >= OVERLAP for one, other in pairwise(places))
    assert max(place.stop - place.start for place in places) == min(length, tile)


@pytest.mark.parametrize("times", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 700), (513, 511), (31, 33)])
def test_pictures_of_any_size_become_so_many_times_larger(size: tuple[int, int], times: int, bundled: Upscaler) -> None:
    assert bundled.enlarge(noise(*size), times).size == (times * size[0], times * size[1])


def test_colours_stay_what_they_are(bundled: Upscaler) -> None:
    large = pixels_of(bundled.enlarge(Image.new("RGB", (100, 100), (200, 100, 50)), 4))
    assert np.abs(large - (200, 100, 50)).max() <= 4


@pytest.mark.parametrize(("scale", "times"), [(2, 2), (4, 4), (2, 4), (4, 2)])
def test_a_network_is_run_once_or_twice_and_its_picture_reduced_where_it_does_more(scale: int, times: int) -> None:
    upscaler, asked = doubling(scale)
    large = upscaler.enlarge(noise(100, 80), times)

    assert np.array_equal(pixels_of(large), pixels_of(noise(100, 80)).repeat(times, 0).repeat(times, 1))
    assert len(asked) == (2 if scale < times else 1)


def test_a_picture_of_few_colours_or_with_transparency_is_enlarged_in_rgb() -> None:
    upscaler, _ = doubling()
    for mode in ("L", "P", "RGBA", "1"):
        assert upscaler.enlarge(Image.new(mode, (9, 9)), 2).mode == "RGB"


def test_each_tile_is_told() -> None:
    upscaler, _ = doubling()
    told: list[tuple[int, int]] = []
    upscaler.enlarge(noise(513, 513), 2, on_tile=lambda done, of: told.append((done, of)))
    assert told == [(done, 4) for done in range(5)]


def test_enlarging_ends_between_two_tiles_when_it_is_cancelled() -> None:
    upscaler, asked = doubling()
    with pytest.raises(Cancelled):
        upscaler.enlarge(noise(513, 513), 2, is_cancelled=lambda: len(asked) == 2)
    assert len(asked) == 2


def test_out_of_memory_halves_the_tiles_for_good() -> None:
    upscaler, asked = doubling(fits=200)
    large = upscaler.enlarge(noise(600, 300), 2)

    assert np.array_equal(pixels_of(large), pixels_of(noise(600, 300)).repeat(2, 0).repeat(2, 1))
    assert asked[:2] == [TILE + FRAME, TILE // 2 + FRAME]
    assert upscaler.tile == 128
    upscaler.enlarge(noise(600, 300), 2)
    assert asked[-1] <= 128 + FRAME


def test_a_device_without_memory_for_the_smallest_tile_is_said_so() -> None:
    upscaler, asked = doubling(fits=10)
    with pytest.raises(OutOfMemory):
        upscaler.enlarge(noise(TILE, TILE), 2)
    assert asked == [TILE + 2 * FRAME, TILE // 2 + FRAME, TILE // 4 + FRAME, SMALLEST_TILE + FRAME]


@pytest.mark.parametrize(
    ("size", "times"), [((MOST_SIDE // 2 + 1, 1), 2), ((10, 10), 3), ((10, 10), 1), ((10, 10), -2)]
)
def test_what_would_become_too_large_is_refused(size: tuple[int, int], times: int) -> None:
    upscaler, asked = doubling()
    with pytest.raises(InvalidOptions):
        upscaler.enlarge(Image.new("RGB", size), times)
    assert asked == []


class Code:
    """A pickle that runs a command when it is read."""

    def __init__(self, left: Path) -> None:
        self.left = left

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.left}",)


@pytest.mark.parametrize("ending", ["pth", "safetensors", "ckpt"])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{ending}"
    path.write_bytes(pickle.dumps(Code(tmp_path / "was-run")))

    with pytest.raises(ModelUnusable, match="UPSCALE_MODEL"):
        load_upscaler(path, CPU)
    torch.save({"params": Code(tmp_path / "was-run")}, path)
    with pytest.raises(ModelUnusable, match="UPSCALE_MODEL"):
        load_upscaler(path, CPU)

    assert not (tmp_path / "was-run").exists()


def weights_of(channels: int = 3, scale: int = 2) -> dict[str, Tensor]:
    """A Compact network's, of few features."""
    return {
        "body.0.weight": torch.zeros(4, channels, 3, 3),
        "body.0.bias": torch.zeros(4),
        "body.1.weight": torch.zeros(4),
        "body.2.weight": torch.zeros(channels * scale**2, 4, 3, 3),
        "body.2.bias": torch.zeros(channels * scale**2),
    }


WRONG = {
    "one that enlarges nothing": weights_of(scale=1),
    "one that enlarges three times": weights_of(scale=3),
    "one for grey pictures": weights_of(channels=1),
    "something else": {"weight": torch.zeros(3)},
    "nothing": {},
    "a network with a layer of the wrong size": {**weights_of(), "body.1.weight": torch.zeros(5)},
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_network_of_another_kind_is_refused_with_one_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(WRONG[kind], path)

    with pytest.raises(ModelUnusable, match="UPSCALE_MODEL") as told:
        load_upscaler(path, CPU)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.safetensors", b""),
        ("a.safetensors", b"\xff" * 100),
        ("a.pth", b"no model"),
        ("a.onnx", b"no model"),
        ("a", b""),
    ],
)
def test_a_damaged_file_is_refused(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelUnusable, match="UPSCALE_MODEL"):
        load_upscaler(tmp_path / name, CPU)


def test_a_pth_file_as_real_esrgan_publishes_them_is_read(tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save({"params": Compact().state_dict()}, tmp_path / "model.pth")
    assert load_upscaler(tmp_path / "model.pth", CPU).enlarge(noise(20, 10), 2).size == (40, 20)
