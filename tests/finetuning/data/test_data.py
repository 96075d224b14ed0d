"""From a folder of images to a choice of good ones: layouts, screening, sub-sets, splits and sizes."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.errors import UnusableData
from core.finetuning.data.buckets import fit, fitting_for, make_buckets, nearest_bucket
from core.finetuning.data.pictures import open_upright
from core.finetuning.data.selection import GoodImage, screen, split_up, stratified_sample
from core.finetuning.data.sources import Example, hand_caption, list_examples
from tests.finetuning.drawings import draw, write_imagefolder

HAND_COLUMNS = (
    "id", "age", "gender", "skinColor", "accessories", "nailPolish", "aspectOfHand", "imageName", "irregularities",
)  # fmt: skip


def hand_row(**changes: str) -> dict[str, str]:
    row = dict(zip(HAND_COLUMNS, ("17", "27", "female", "fair", "0", "1", "dorsal right", "a.png", "0"), strict=True))
    return {**row, **changes}


def good(number: int, subject: str | None = None, stratum: str = "") -> GoodImage:
    return GoodImage(Example(Path(f"{number}.png"), "a thing", subject, stratum), 64, 64, str(number))


class TestLayouts:
    def test_imagefolder_gives_captions_subjects_and_strata(self, drawings: Path) -> None:
        listing = list_examples(drawings)
        assert len(listing.examples) == 12
        first = listing.examples[0]
        assert (first.caption, first.subject, first.stratum) == ("a red circle", "s0", "circle")

    def test_imagefolder_takes_caption_as_well_as_text(self, tmp_path: Path) -> None:
        draw("circle", "red", (40, 40)).save(tmp_path / "a.png")
        (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "caption": "a  red\\n circle"}\n\n')
        assert list_examples(tmp_path).examples[0].caption == "a red circle"

    def test_a_broken_line_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "x"}\n{"text": \n')
        with pytest.raises(UnusableData, match=r"Line 2 of metadata\.jsonl"):
            list_examples(tmp_path)

    def test_text_files_beside_images_are_captions_and_missing_ones_are_listed(self, tmp_path: Path) -> None:
        (tmp_path / "cats").mkdir()
        draw("circle", "red", (40, 40)).save(tmp_path / "cats" / "a.png")
        (tmp_path / "cats" / "a.txt").write_text("a cat")
        draw("circle", "blue", (40, 40)).save(tmp_path / "b.png")
        listing = list_examples(tmp_path)
        assert [(example.caption, example.stratum) for example in listing.examples] == [("a cat", "cats")]
        assert [(item.path.name, item.reason) for item in listing.rejected] == [("b.png", "no caption")]

    @pytest.mark.parametrize("table_beside_folder", [True, False])
    def test_eleven_k_hands_is_recognised(self, tmp_path: Path, table_beside_folder: bool) -> None:
        folder = tmp_path / "Hands"
        folder.mkdir()
        draw("circle", "red", (40, 40)).save(folder / "a.png")
        place = tmp_path if table_beside_folder else folder
        with (place / "HandInfo.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, HAND_COLUMNS)
            writer.writeheader()
            writer.writerows([hand_row(), hand_row(imageName="gone.png")])
        listing = list_examples(folder)
        assert "11k Hands" in listing.layout
        assert "academic" in listing.licence
        assert listing.examples[0].subject == "17"
        assert listing.examples[0].stratum == "dorsal right, female"
        assert [item.reason for item in listing.rejected] == ["missing"]

    def test_hand_captions_name_side_aspect_and_white_background(self) -> None:
        assert hand_caption(hand_row()) == (
            "a photo of the back of the right hand of a young woman, fair skin, with nail polish, "
            "fingers spread, isolated on a plain white background"
        )
        older = hand_caption(hand_row(age="60", gender="male", aspectOfHand="palmar left", nailPolish="0"))
        assert older.startswith("a photo of the palm of the left hand of an older man, fair skin, fingers")

    def test_a_folder_without_captions_is_refused_with_what_to_do(self, tmp_path: Path) -> None:
        draw("circle", "red", (40, 40)).save(tmp_path / "a.png")
        with pytest.raises(UnusableData, match=r"--caption .* metadata\.jsonl .* \.txt"):
            list_examples(tmp_path)
        with pytest.raises(UnusableData, match="no folder"):
            list_examples(tmp_path / "nowhere")


class TestScreening:
    def test_broken_tiny_and_duplicate_images_are_listed_and_skipped(self, tmp_path: Path) -> None:
        draw("circle", "red", (64, 64)).save(tmp_path / "good.png")
        draw("circle", "red", (64, 64)).save(tmp_path / "copy.bmp")
        draw("circle", "red", (20, 64)).save(tmp_path / "tiny.png")
        (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:60])
        (tmp_path / "text.png").write_text("no picture")
        names = ("good.png", "copy.bmp", "tiny.png", "broken.png", "text.png")
        kept, rejected = screen([Example(tmp_path / name, "x") for name in names], min_side=32)
        assert [image.example.path.name for image in kept] == ["good.png"]
        reasons = {item.path.name: item.reason for item in rejected}
        assert reasons["copy.bmp"] == "the same picture as good.png"
        assert reasons["tiny.png"].startswith("too small (20 × 64")
        assert reasons["broken.png"].startswith("cannot be read")
        assert reasons["text.png"].startswith("cannot be read")

    def test_transparency_becomes_white_and_exif_turns_the_image(self, tmp_path: Path) -> None:
        Image.new("RGBA", (40, 20), (255, 0, 0, 0)).save(tmp_path / "clear.png")
        assert open_upright(tmp_path / "clear.png").getpixel((5, 5)) == (255, 255, 255)
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (40, 20), "red").save(tmp_path / "turned.jpg", exif=exif)
        assert open_upright(tmp_path / "turned.jpg").size == (20, 40)


class TestSelection:
    @given(st.lists(st.sampled_from("abc"), min_size=3, max_size=80), st.integers(2, 80), st.integers(0, 5))
    def test_a_sub_set_keeps_each_kind_in_its_proportion(self, strata: list[str], limit: int, seed: int) -> None:
        images = [good(number, stratum=stratum) for number, stratum in enumerate(strata)]
        chosen = stratified_sample(images, limit, seed)
        assert len(chosen) == min(limit, len(images))
        assert len(set(chosen)) == len(chosen)
        before, after = Counter(strata), Counter(image.example.stratum for image in chosen)
        for stratum, count in before.items():
            assert abs(after[stratum] - count * len(chosen) / len(images)) < 1

    @given(st.integers(2, 60), st.integers(1, 8), st.floats(0.02, 0.6), st.integers(0, 5))
    def test_no_subject_is_on_both_sides(self, count: int, subjects: int, share: float, seed: int) -> None:
        images = [good(number, subject=f"s{number % subjects}") for number in range(count)]
        parts = split_up(images, share, seed)
        assert {*parts.training, *parts.held_out} == set(images)
        assert parts.training
        assert parts.held_out
        if min(subjects, count) > 1:
            assert parts.by_subject
            sides = [{image.example.subject for image in part} for part in (parts.training, parts.held_out)]
            assert not sides[0] & sides[1]

    def test_at_least_four_are_held_out_and_of_few_none(self) -> None:
        for count, held_out in ((24, 4), (60, 4), (200, 10)):
            assert len(split_up([good(number) for number in range(count)], None, 0).held_out) == held_out
        few = split_up([good(number, subject=f"s{number // 2}") for number in range(20)], None, 0)
        assert few.is_cross_fitted
        assert (len(few.training), few.held_out) == (20, ())
        one, other = few.halves(0)
        assert {*one.training} == {*other.held_out}
        assert {*one.held_out} == {*other.training}
        assert not {image.example.subject for image in one.training} & {image.example.subject for image in one.held_out}

    def test_images_of_unknown_subjects_are_split_one_by_one(self) -> None:
        parts = split_up([good(number) for number in range(100)], 0.1, 0)
        assert len(parts.held_out) == 10
        assert not parts.by_subject

    def test_one_image_cannot_be_split(self) -> None:
        with pytest.raises(UnusableData, match="two good images"):
            split_up([good(0)], 0.1, 0)


class TestBuckets:
    @pytest.mark.parametrize(("resolution", "step"), [(1024, 64), (128, 32), (32, 4)])
    def test_sizes_are_of_about_one_area_and_even_for_the_network(self, resolution: int, step: int) -> None:
        for bucket in make_buckets(resolution, step):
            assert bucket.width % step == bucket.height % step == 0
            assert 0.7 * resolution**2 < bucket.width * bucket.height <= resolution**2
            assert max(bucket.width, bucket.height) <= 2 * min(bucket.width, bucket.height)

    def test_eleven_k_hands_images_are_hardly_cut(self) -> None:
        bucket = nearest_bucket(1600, 1200, make_buckets(1024, 64))
        assert (bucket.width, bucket.height) == (1152, 896)

    @given(st.integers(20, 300), st.integers(20, 300))
    def test_a_fitted_image_has_the_buckets_size_and_says_how_it_was_cut(self, width: int, height: int) -> None:
        bucket = nearest_bucket(width, height, make_buckets(64, 16))
        assert fit(Image.new("RGB", (width, height)), bucket).size == (bucket.width, bucket.height)
        fitting = fitting_for(width, height, bucket)
        assert fitting.time_ids[:2] == (height, width)
        assert fitting.time_ids[4:] == (bucket.height, bucket.width)
        assert min(fitting.crop) >= 0
        assert 0 in fitting.crop or 1 in fitting.crop

    def test_the_middle_is_kept(self) -> None:
        image = Image.new("RGB", (128, 64), "red")
        image.paste("blue", (32, 0, 96, 64))
        bucket = next(bucket for bucket in make_buckets(64, 16) if bucket.width == bucket.height)
        cut = fit(image, bucket)
        assert cut.getpixel((5, 32)) == cut.getpixel((58, 32)) == (0, 0, 255)


def test_the_made_data_set_has_different_pictures(tmp_path: Path) -> None:
    folder = write_imagefolder(tmp_path, count=12)
    kept, rejected = screen(list_examples(folder).examples, min_side=16)
    assert len(kept) == 12
    assert not rejected
    assert len((folder / "metadata.jsonl").read_text().splitlines()) == 12
    assert json.loads((folder / "metadata.jsonl").read_text().splitlines()[0])["subject"] == "s0"
