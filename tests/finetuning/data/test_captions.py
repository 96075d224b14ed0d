"""Captions are learnt from as they were written, and of every file it is told what became of it."""

import codecs
import json
from pathlib import Path

import pytest

from core.cli.progress import ProgressBars
from core.errors import EvaluationError, UnusableData
from core.finetuning.data.encoding import caption_length
from core.finetuning.data.prepare import PreparedData, prepare
from core.finetuning.data.sources import Listing, list_examples
from core.finetuning.hands.prompts import read_prompts
from core.finetuning.model.network import load_base
from tests.finetuning.conftest import quick_hyperparameters
from tests.finetuning.drawings import draw

WITH_MARKS = (
    codecs.BOM_UTF8 + "ein weißer Hund".encode(),
    codecs.BOM_UTF16_LE + "ein weißer Hund".encode("utf-16-le"),
    codecs.BOM_UTF16_BE + "ein weißer Hund".encode("utf-16-be"),
    "ein weißer Hund".encode(),
)
UNREADABLE = ("ein weißer Hund".encode("latin-1"), "a dog".encode("utf-16-le"))


def picture(path: Path, number: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw("circle", "red", (40 + number, 40)).save(path)
    return path


def reasons(listing: Listing) -> dict[str, str]:
    return {item.path.name: item.reason for item in listing.rejected}


class TestText:
    @pytest.mark.parametrize("raw", WITH_MARKS)
    def test_a_caption_is_read_by_its_byte_order_mark(self, raw: bytes, tmp_path: Path) -> None:
        picture(tmp_path / "dog.png")
        (tmp_path / "dog.txt").write_bytes(raw)
        assert list_examples(tmp_path).examples[0].caption == "ein weißer Hund"

    @pytest.mark.parametrize("raw", UNREADABLE)
    def test_an_image_whose_caption_is_no_utf_8_is_left_out(self, raw: bytes, tmp_path: Path) -> None:
        picture(tmp_path / "cat.png")
        (tmp_path / "cat.txt").write_text("a cat")
        picture(tmp_path / "dog.png")
        (tmp_path / "dog.txt").write_bytes(raw)
        listing = list_examples(tmp_path)
        assert [example.caption for example in listing.examples] == ["a cat"]
        assert reasons(listing)["dog.png"] == "caption of dog.txt is not UTF-8"

    @pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
    def test_tables_may_begin_with_a_mark(self, mark: bytes, tmp_path: Path) -> None:
        picture(tmp_path / "dog.png")
        (tmp_path / "metadata.jsonl").write_bytes(mark + b'{"file_name": "dog.png", "text": "a dog"}\n')
        assert list_examples(tmp_path).examples[0].caption == "a dog"
        (tmp_path / "prompts.jsonl").write_bytes(mark + b'{"text": "a person waving", "hands": 1}\n')
        assert read_prompts(tmp_path / "prompts.jsonl")[0].hands == 1

    def test_a_table_in_latin_1_is_told_in_a_sentence(self, tmp_path: Path) -> None:
        picture(tmp_path / "dog.png")
        (tmp_path / "metadata.jsonl").write_bytes('{"file_name": "dog.png", "text": "weiß"}'.encode("latin-1"))
        with pytest.raises(UnusableData, match=r"metadata\.jsonl is not UTF-8"):
            list_examples(tmp_path)
        (tmp_path / "prompts.jsonl").write_bytes('{"text": "weiß", "hands": 1}'.encode("latin-1"))
        with pytest.raises(EvaluationError, match=r"prompts\.jsonl is not UTF-8"):
            read_prompts(tmp_path / "prompts.jsonl")

    def test_a_caption_may_hold_what_python_takes_for_ends_of_lines(self, tmp_path: Path) -> None:
        picture(tmp_path / "dog.png")
        row = json.dumps({"file_name": "dog.png", "text": "a dog\u2028in\x85the sun"}, ensure_ascii=False)
        (tmp_path / "metadata.jsonl").write_text(row, encoding="utf-8")
        assert list_examples(tmp_path).examples[0].caption == "a dog in the sun"


class TestTables:
    @pytest.mark.parametrize("separator", [",", ";", "\t"])
    def test_metadata_may_be_a_csv(self, separator: str, tmp_path: Path) -> None:
        picture(tmp_path / "dog.png")
        rows = (("file_name", "text", "subject", "stratum"), ("dog.png", '"a dog, ""Rex"""', "rex", "dogs"))
        (tmp_path / "metadata.csv").write_text("\r\n".join(separator.join(row) for row in rows))
        (example,) = list_examples(tmp_path).examples
        assert (example.caption, example.subject, example.stratum) == ('a dog, "Rex"', "rex", "dogs")

    def test_a_csv_without_the_column_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "metadata.csv").write_text("picture,text\ndog.png,a dog\n")
        with pytest.raises(UnusableData, match="file_name,text"):
            list_examples(tmp_path)

    def test_images_that_the_table_does_not_name_are_told(self, tmp_path: Path) -> None:
        picture(tmp_path / "dog.png")
        picture(tmp_path / "inner" / "cat.png")
        (tmp_path / "metadata.csv").write_text("file_name,text\ndog.png,a dog\ngone.png,a ghost\n")
        listing = list_examples(tmp_path)
        assert reasons(listing) == {"cat.png": "not in metadata.csv", "gone.png": "missing"}
        assert [path.name for path in listing.descriptions] == ["metadata.csv"]


class TestOneCaption:
    def test_a_folder_of_photos_needs_one_caption_only(self, tmp_path: Path) -> None:
        for number in range(3):
            picture(tmp_path / f"{number}.png", number)
        listing = list_examples(tmp_path, "a photo of Rex  the dog")
        assert [example.caption for example in listing.examples] == ["a photo of Rex the dog"] * 3
        assert listing.layout == "one caption for all"

    def test_an_image_keeps_the_caption_of_its_own(self, tmp_path: Path) -> None:
        picture(tmp_path / "a.png")
        picture(tmp_path / "b.png", 1)
        (tmp_path / "a.txt").write_text("Rex in the snow")
        assert [example.caption for example in list_examples(tmp_path, "Rex").examples] == ["Rex in the snow", "Rex"]


class TestEveryFile:
    def test_it_is_used_or_told_why_not(self, tmp_path: Path) -> None:
        picture(tmp_path / "dog.png")
        (tmp_path / "dog.TXT").write_text("a dog")
        picture(tmp_path / "._dog.png", 1)
        picture(tmp_path / ".cache" / "cat.png", 2)
        (tmp_path / "notes.txt").write_text("buy milk")
        (tmp_path / "video.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
        picture(tmp_path / "unknown.png", 3)
        listing = list_examples(tmp_path)
        assert [example.path.name for example in listing.examples] == ["dog.png"]
        assert reasons(listing) == {
            "._dog.png": "a hidden file",
            ".cache": "a hidden folder",
            "notes.txt": "no caption of an image",
            "video.mp4": "no picture that I know",
            "unknown.png": "no caption",
        }
        assert [path.name for path in listing.descriptions] == ["dog.TXT"]

    def test_the_summary_has_each_once(self, prepared: tuple[PreparedData, Path]) -> None:
        data, folder = prepared
        names = [file.name for file in data.summary.files]
        assert sorted(names) == sorted(path.relative_to(folder).as_posix() for path in folder.iterdir())
        fates = {file.name: file.fate for file in data.summary.files}
        assert fates["0.txt"] == "read for captions"
        assert sorted(fates[f"{number}.png"] for number in range(8)) == ["held out"] * 2 + ["learnt from"] * 6
        assert fates["broken.png"].startswith("cannot be read")


class TestLength:
    def test_the_end_that_is_not_read_is_quoted(
        self, prepared: tuple[PreparedData, Path], bars: ProgressBars, tiny_base: Path
    ) -> None:
        data, _ = prepared
        lengths = {caption.caption: caption for caption in data.summary.captions}
        short, long = lengths["picture number 0"], lengths[LONG]
        assert short.tokens > 0
        assert not short.unread
        assert long.tokens > 75
        assert LONG.replace(" ", "").endswith(long.unread.replace(" ", ""))
        assert data.summary.cut == (long,)

    def test_what_is_read_is_as_long_as_the_encoders_take(self, tiny_base: Path) -> None:
        pipeline = load_base(str(tiny_base), None, "fp32").pipeline
        words = [caption_length(pipeline, "a " * count) for count in (75, 76)]
        assert [bool(length.unread) for length in words] == [length.tokens > 75 for length in words]


LONG = "a very long caption, " + "and so on " * 40 + "to the bitter end"


@pytest.fixture(scope="module")
def prepared(
    tiny_base: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[PreparedData, Path]:
    """Eight pictures with captions, the last of which is too long, and a broken one."""
    folder = tmp_path_factory.mktemp("photos")
    for number in range(8):
        picture(folder / f"{number}.png", number)
        (folder / f"{number}.txt").write_text(LONG if number == 7 else f"picture number {number}")
    (folder / "broken.png").write_bytes((folder / "0.png").read_bytes()[:60])
    (folder / "broken.txt").write_text("a broken picture")
    base = load_base(str(tiny_base), None, "fp32")
    data = prepare(list_examples(folder), base, quick_hyperparameters(), shared_cache, (), ProgressBars())
    return data, folder
