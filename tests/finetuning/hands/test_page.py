"""What the evaluation of hands shows: pairs with the points that were found, and a page that needs no other file."""

from pathlib import Path

import numpy as np
from PIL import Image

from core.finetuning.hands.comparison import Comparison
from core.finetuning.hands.landmarks import Hand
from core.finetuning.hands.page import MAX_ROWS, TILE, contact_sheet, write_page


def picture(path: Path, size: tuple[int, int] = (64, 32)) -> Path:
    Image.new("RGB", size, "teal").save(path)
    return path


def hand(x: float, y: float) -> Hand:
    return Hand(0.9, np.full((21, 2), (x, y)), np.zeros((21, 3)))


def red_at(sheet: Image.Image, x: int, y: int) -> bool:
    red, green, blue = sheet.convert("RGB").getpixel((x, y))  # type: ignore[misc]
    return bool(red > 200 and green < 100 and blue < 100)


def test_points_lie_where_they_were_found_in_the_picture(tmp_path: Path) -> None:
    before, after = picture(tmp_path / "before.png"), picture(tmp_path / "after.png")
    sheet = contact_sheet([(before, [], after, [hand(32, 16)])])
    assert red_at(sheet, TILE + 2 + TILE // 2, TILE // 2), "the middle of a wide picture is the middle of its tile"
    assert not red_at(sheet, TILE // 2, TILE // 2), "nothing was found before"


def test_no_more_pairs_than_the_sheet_holds(tmp_path: Path) -> None:
    one = picture(tmp_path / "one.png")
    few, many = (contact_sheet([(one, [], one, [])] * count) for count in (MAX_ROWS, MAX_ROWS + 10))
    assert many.size == few.size
    assert contact_sheet([]).height > 0


def test_page_says_of_each_measure_whether_it_is_better(tmp_path: Path) -> None:
    def compared(name: str, difference: float, interval: tuple[float, float], adjusted: float = 0.01) -> Comparison:
        return Comparison(name, 0.5, 0.5 + difference, difference, interval, 12, adjusted / 4, adjusted)

    page = tmp_path / "hands.html"
    write_page(
        page,
        title="Hands <of> ours",
        facts=[("model", "a & b")],
        on_hands=[
            compared("detected_0.5", 0.2, (0.1, 0.3)),
            compared("jitter", 0.2, (0.1, 0.3)),
            compared("hands", -0.2, (-0.3, -0.1)),
            compared("confidence", 0.2, (0.1, 0.3), adjusted=0.06),
        ],
        on_others=[compared("detected_0.5", 0.2, (0.1, 0.3))],
        sheet=picture(tmp_path / "sheet.png"),
        anatomy_note=None,
    )
    html = page.read_text(encoding="utf-8")
    assert "Hands &lt;of&gt; ours" in html
    assert "a &amp; b" in html
    assert "data:image" in html
    verdicts = [word for word in ("better", "worse", "fewer", "no clear difference") if f">{word}<" in html]
    assert verdicts == ["better", "worse", "fewer", "no clear difference"]
    assert html.count(">worse<") == 2, "a hand that is found where none belongs is no gain"
