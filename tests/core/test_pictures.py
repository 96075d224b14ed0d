"""A picture fits into a message, whatever it takes, and carries its recipe."""

import io
import json
from dataclasses import replace
from pathlib import Path

import exiv2
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from core.errors import InvalidOptions
from core.generation.protocol import Picture
from core.pictures import KEY, PictureFile, encode_picture, read_image, read_recipe, without_recipe
from core.prompting.prompt import Prompt
from core.provenance.bounds import UnreadablePicture
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


@pytest.mark.parametrize(
    ("limit", "ending"), [(10_000_000, "png"), (150_000, "webp"), (100_000, "webp"), (40_000, "jpg"), (10_000, "jpg")]
)
def test_whatever_file_it_becomes_the_recipe_is_in_it(
    limit: int, ending: str, picture: Picture, tmp_path: Path
) -> None:
    recipe = replace(picture.recipe, prompt=Prompt("שלום, a dog 👩‍🚀\nand “a cat”", "текст"), enlarged=4)

    file = encode_picture(replace(picture, recipe=recipe), limit)

    (tmp_path / "picture").write_bytes(file.data)
    assert file.ending == ending
    assert read_recipe(tmp_path / "picture") == recipe


@pytest.mark.parametrize("limit", [150_000, 40_000])
def test_other_programs_find_the_recipe_in_the_comment(picture: Picture, limit: int) -> None:
    image = exiv2.ImageFactory.open(encode_picture(picture, limit).data)
    image.readMetadata()

    comment = bytes(map(int, str(image.exifData()["Exif.Photo.UserComment"].value()).split()))

    assert comment == b"ASCII\0\0\0" + f"{KEY}:{to_json(picture.recipe)}".encode()


@pytest.mark.parametrize("limit", [150_000, 40_000])
def test_picture_with_a_recipe_too_long_for_the_file_is_sent_without(
    picture: Picture, limit: int, tmp_path: Path
) -> None:
    long = replace(picture, recipe=replace(picture.recipe, prompt=Prompt("ß" * 20_000, "")))
    (tmp_path / "picture").write_bytes(encode_picture(long, limit).data)

    with pytest.raises(InvalidOptions, match="no recipe"):
        read_recipe(tmp_path / "picture")


@pytest.mark.parametrize("limit", [10_000_000, 150_000, 40_000])
def test_what_is_shown_to_others_says_that_a_model_made_it_but_not_from_which_words(
    picture: Picture, limit: int, tmp_path: Path
) -> None:
    file = encode_picture(picture, limit)
    bare = without_recipe(file)
    (tmp_path / "picture").write_bytes(bare.data)

    with pytest.raises(InvalidOptions, match="no recipe"):
        read_recipe(tmp_path / "picture")
    assert b"a dog" in file.data
    assert b"a dog" not in bare.data
    assert read_image(bare.data).tobytes() == read_image(file.data).tobytes()
    image = exiv2.ImageFactory.open(bare.data)
    image.readMetadata()
    assert "Xmp.iptcExt.DigitalSourceType" in [datum.key() for datum in image.xmpData()]
    assert image.exifData().empty()


@pytest.mark.parametrize(
    "data", [b"", b"no picture", b"\xff\xd8", b"\xff\xd8\xff\xe1\0\0", b"RIFF\0\0\0\0WEBPEXIF\xff"]
)
def test_what_is_no_picture_of_ours_is_not_shown_to_others(data: bytes) -> None:
    with pytest.raises(UnreadablePicture):
        without_recipe(PictureFile(data, "jpg"))


def test_how_often_a_picture_was_enlarged_is_in_its_recipe_only_if_it_was(picture: Picture) -> None:
    assert json.loads(to_json(replace(picture.recipe, enlarged=2)))["enlarged"] == 2
    assert "enlarged" not in to_json(picture.recipe)


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
