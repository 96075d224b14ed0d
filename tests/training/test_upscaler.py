"""The bundled upscaler does what its model card says, on pictures of subjects that it never saw."""

from collections.abc import Callable

import pytest
import torch
from PIL import Image

from benchmarks.upscaling import KINDS, SEED, compare
from core.generation.upscaling import load_upscaler
from core.models import ModelStore
from core.settings import CoreSettings
from training.upscaler_mini.pictures import held_out_labels, labels_to_learn, painted

pytestmark = pytest.mark.usefixtures("spandrel")


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [image.convert("RGB") for image in painted(held_out_labels(), 8, SEED)]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_the_bundled_upscaler_is_half_a_decibel_better_than_lanczos(kind: str, pictures: list[Image.Image]) -> None:
    path = ModelStore(CoreSettings()).upscaler("playground-mini").path
    upscaler = load_upscaler(path, torch.device("cpu"))
    enlarge: Callable[[Image.Image], Image.Image] = lambda small: upscaler.enlarge(small, 2)  # noqa: E731
    assert compare(pictures, KINDS[kind], enlarge)["gain_db"] >= 0.5


def test_it_learned_from_none_of_the_subjects_that_it_is_measured_on() -> None:
    held_out = {label for labels in held_out_labels().subjects for label in labels}
    learned = {label for labels in labels_to_learn().subjects for label in labels}
    assert len(held_out) > 20
    assert not held_out & learned
