"""Pictures are learnt from as people see them, whatever format, depth and colour space they are kept in."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.finetuning.data.pictures import MAX_PIXELS, UnreadablePicture, is_picture, open_picture, open_upright
from core.finetuning.data.selection import screen
from core.finetuning.data.sources import Example
from tests.finetuning.drawings import draw

RAMP = np.linspace(0, 1, 64 * 64).reshape(64, 64)


def assert_is_the_ramp(path: Path) -> None:
    grey = np.asarray(open_upright(path).convert("L"), dtype=float)
    assert np.abs(grey - 255 * RAMP).max() <= 1


class TestDepth:
    @pytest.mark.parametrize("bits", [16, 14, 12, 10])
    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_a_grey_picture_of_more_than_8_bits_keeps_its_greys(self, bits: int, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"ramp.{suffix}"
        Image.fromarray(np.rint(RAMP * (2**bits - 1)).astype(np.uint16)).save(path)
        assert_is_the_ramp(path)
        assert open_picture(path).note == f"{bits} bits a pixel, brought to 8"

    @pytest.mark.parametrize(("low", "high"), [(0, 1), (0, 255), (-3, 7)])
    def test_floating_point_is_scaled_by_its_own_range(self, low: float, high: float, tmp_path: Path) -> None:
        Image.fromarray((low + RAMP * (high - low)).astype(np.float32)).save(tmp_path / "ramp.tiff")
        assert_is_the_ramp(tmp_path / "ramp.tiff")

    def test_whole_numbers_of_32_bits_are_scaled_by_their_own_range(self, tmp_path: Path) -> None:
        Image.fromarray((RAMP * 2**30).astype(np.int32)).save(tmp_path / "ramp.tiff")
        assert_is_the_ramp(tmp_path / "ramp.tiff")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_no_numbers_are_refused(self, value: float, tmp_path: Path) -> None:
        values = RAMP.astype(np.float32)
        values[3, 3] = value
        Image.fromarray(values).save(tmp_path / "ramp.tiff")
        with pytest.raises(UnreadablePicture, match="no numbers"):
            open_upright(tmp_path / "ramp.tiff")

    def test_one_value_everywhere_is_a_picture_too(self, tmp_path: Path) -> None:
        Image.fromarray(np.full((8, 8), 12.5, dtype=np.float32)).save(tmp_path / "even.tiff")
        assert open_upright(tmp_path / "even.tiff").getextrema() == ((0, 0),) * 3


class TestColour:
    def test_colours_of_another_space_are_brought_to_srgb(self, tmp_path: Path) -> None:
        """A grey of L* 50 in CIELAB is 119 in sRGB."""
        lab = Image.new("LAB", (8, 8), (128, 128, 128))
        lab.save(tmp_path / "grey.tif")
        red, green, blue = open_upright(tmp_path / "grey.tif").getpixel((3, 3))  # type: ignore[misc]
        assert max(abs(int(part) - 119) for part in (red, green, blue)) <= 2

    def test_a_colour_profile_is_followed(self, tmp_path: Path) -> None:
        """The same numbers mean other colours under a profile with swapped primaries."""
        plain, swapped = tmp_path / "plain.png", tmp_path / "swapped.png"
        Image.new("RGB", (8, 8), (200, 30, 30)).save(plain)
        Image.new("RGB", (8, 8), (200, 30, 30)).save(swapped, icc_profile=profile_with_swapped_primaries())
        assert open_upright(plain).getpixel((3, 3)) == (200, 30, 30)
        red, green, _ = open_upright(swapped).getpixel((3, 3))  # type: ignore[misc]
        assert green > red

    def test_a_broken_profile_is_told(self, tmp_path: Path) -> None:
        Image.new("RGB", (8, 8), (200, 30, 30)).save(tmp_path / "a.png", icc_profile=b"no profile")
        assert open_upright(tmp_path / "a.png").getpixel((3, 3)) == (200, 30, 30)
        assert "colour profile cannot be used" in open_picture(tmp_path / "a.png").note

    @pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
    def test_transparency_becomes_white(self, mode: str, tmp_path: Path) -> None:
        image = Image.new("RGBA", (40, 20), (255, 0, 0, 0))
        image.paste((0, 0, 0, 255), (0, 0, 20, 20))
        image.convert(mode).save(tmp_path / "clear.png")
        seen = open_upright(tmp_path / "clear.png")
        assert seen.getpixel((30, 10)) == (255, 255, 255)
        assert seen.getpixel((10, 10)) == (0, 0, 0)


class TestFormats:
    @pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "avif", "bmp", "tga", "jp2", "ppm"])
    def test_what_pillow_knows_is_known_by_its_content(self, suffix: str, tmp_path: Path) -> None:
        draw("circle", "red", (64, 64)).save(tmp_path / f"a.{suffix}")
        (tmp_path / f"a.{suffix}").rename(tmp_path / "picture")
        assert is_picture(tmp_path / "picture")
        red, green, _ = open_upright(tmp_path / "picture").getpixel((32, 32))  # type: ignore[misc]
        assert red > 200 > green

    def test_of_an_animation_the_first_frame_is_taken_and_it_is_told(self, tmp_path: Path) -> None:
        frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "green", "blue")]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        picture = open_picture(tmp_path / "a.gif")
        assert picture.image.getpixel((3, 3)) == (255, 0, 0)
        assert picture.note == "the first of 3 frames"

    def test_heic_is_opened_where_its_library_is(self, tmp_path: Path) -> None:
        pytest.importorskip("pillow_heif")
        heic(tmp_path / "a.heic")
        assert is_picture(tmp_path / "a.heic")
        red, green, _ = open_upright(tmp_path / "a.heic").getpixel((32, 32))  # type: ignore[misc]
        assert red > 200 > green

    def test_heic_without_its_library_is_told_with_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pillow = tuple(name for name in Image.OPEN if name not in ("HEIF", "AVIF"))
        monkeypatch.setattr("core.finetuning.data.pictures._formats", lambda: pillow)
        (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
        assert is_picture(tmp_path / "a.jpg")
        with pytest.raises(UnreadablePicture, match=r"HEIC .* pip install 'imagine-sound\[heif\]'"):
            open_upright(tmp_path / "a.jpg")

    def test_postscript_is_not_run(self, tmp_path: Path) -> None:
        draw("circle", "red", (64, 64)).save(tmp_path / "a.eps")
        assert not is_picture(tmp_path / "a.eps")

    @pytest.mark.parametrize("side", [10_001, 14_000])
    def test_more_than_100_megapixels_are_refused_with_their_number(self, side: int, tmp_path: Path) -> None:
        Image.new("1", (side, side)).save(tmp_path / "large.png")
        Image.new("L", (64, 64)).save(tmp_path / "small.png")
        kept, (refused,) = screen([Example(path, "x") for path in sorted(tmp_path.iterdir())], min_side=32)
        assert [image.example.path.name for image in kept] == ["small.png"]
        assert refused.reason == f"too large ({side**2 / 1e6:.0f} megapixels, at most {MAX_PIXELS // 10**6} are read)"

    def test_pillows_own_limit_is_not_warned_of(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
        Image.new("RGB", (64, 64)).save(tmp_path / "large.png")
        kept, _ = screen([Example(tmp_path / "large.png", "x")], min_side=32)
        assert len(kept) == 1


def test_pictures_of_the_same_bytes_but_another_shape_are_two(tmp_path: Path) -> None:
    for name, size in (("wide.png", (64, 32)), ("tall.png", (32, 64))):
        Image.new("RGB", size, "white").save(tmp_path / name)
    kept, rejected = screen([Example(path, "x") for path in sorted(tmp_path.iterdir())], min_side=16)
    assert (len(kept), rejected) == (2, [])


def profile_with_swapped_primaries() -> bytes:
    """sRGB's with the tags of red and green exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ", 128), profile.index(b"gXYZ", 128)
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


def heic(path: Path) -> None:
    """A drawing as telephones keep them."""
    import pillow_heif

    buffer = io.BytesIO()
    pillow_heif.from_pillow(draw("circle", "red", (64, 64))).save(buffer)
    path.write_bytes(buffer.getvalue())
