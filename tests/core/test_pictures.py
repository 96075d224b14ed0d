"""A picture fits into a message, whatever it takes; as PNG it carries its recipe."""

import io
from dataclasses import replace
from pathlib import Path

import exiv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from core.errors import InvalidOptions
from core.generation.protocol import Picture
from core.pictures import KEY, encode_picture, read_recipe
from core.prompting.prompt import Prompt
from core.recipe import Recipe, to_json


@pytest.fixture(scope="module")
def picture() -> Picture:
    noise = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    recipe = Recipe(Prompt("a dog", ""), 7, 4, 3.0, (256, 256), "model", "1", None, ("Dog (0.90)",))
    return Picture(Image.fromarray(noise), recipe, 1.0)


def test_picture_that_fits_is_a_png_with_its_recipe(picture: Picture, tmp_path: Path) -> None:
    file = encode_picture(picture, 10_000_000)

    (tmp_path / "picture.png").write_bytes(file.data)
    assert file.ending == "png"
    assert read_recipe(tmp_path / "picture.png") == picture.recipe


def test_seed_that_a_picture_is_near_to_is_in_its_recipe(picture: Picture, tmp_path: Path) -> None:
    recipe = replace(picture.recipe, near=2**32 - 1)
    (tmp_path / "picture.png").write_bytes(encode_picture(replace(picture, recipe=recipe), 10_000_000).data)
    assert read_recipe(tmp_path / "picture.png") == recipe
    assert "near" not in to_json(picture.recipe), "what has none is written as before"


@pytest.mark.parametrize(("limit", "kind"), [(10_000_000, "PNG"), (150_000, "WEBP"), (40_000, "JPEG")])
def test_every_file_says_that_a_model_made_it(picture: Picture, limit: int, kind: str) -> None:
    """Read by Exiv2, as other people's programs do."""
    data = encode_picture(picture, limit).data
    assert Image.open(io.BytesIO(data)).format == kind

    image = exiv2.ImageFactory.open(data)
    image.readMetadata()

    source = image.xmpData()["Xmp.iptcExt.DigitalSourceType"]
    assert str(source.value()) == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


def test_the_mark_changes_nothing_of_the_recipe(picture: Picture) -> None:
    image = Image.open(io.BytesIO(encode_picture(picture, 10_000_000).data))
    assert isinstance(image, PngImageFile)
    assert image.text[KEY] == to_json(picture.recipe)


@pytest.mark.parametrize(("limit", "ending"), [(150_000, "webp"), (100_000, "webp"), (40_000, "jpg"), (10_000, "webp")])
def test_picture_too_large_is_encoded_smaller(picture: Picture, limit: int, ending: str) -> None:
    file = encode_picture(picture, limit)

    assert len(file.data) <= limit
    assert Image.open(io.BytesIO(file.data)).format == {"webp": "WEBP", "jpg": "JPEG"}[file.ending]


@pytest.mark.parametrize("content", [b"no picture", None])
def test_a_file_without_a_recipe_is_said_so(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    if content is None:
        Image.new("RGB", (4, 4)).save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidOptions):
        read_recipe(path)
