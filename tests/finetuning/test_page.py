"""The page of a run: what it tells from the first minute on, and that it can be read on a telephone in the dark."""

import re
from pathlib import Path

from core.finetuning.charts import HEIGHT, LEFT, TOP, WIDTH, Point, chart, ticks
from core.finetuning.report import seconds_left
from core.finetuning.training.journal import EventEntry, StepEntry
from tests.finetuning.conftest import TrainedRun
from tests.web.chromium import launched, needs_chromium, visiting


def without_pictures(page: str) -> str:
    return re.sub(r"data:image/jpeg;base64,[^\"]*", "", page)


class TestWhileItRuns:
    def test_it_reads_itself_again_until_the_run_has_ended(self, trained: TrainedRun) -> None:
        assert all('<meta http-equiv="refresh"' in page for page in trained.pages)
        assert "http-equiv" not in trained.result.report.read_text(encoding="utf-8")

    def test_before_the_first_step_it_shows_the_base(self, trained: TrainedRun) -> None:
        page = trained.pages[0]
        assert "0 of 8 steps" in page
        assert page.count("data:image/jpeg") == 4
        assert "9 to learn from, 3 held out" in page

    def test_each_look_adds_a_row_beneath_the_base_and_what_the_guard_says(self, trained: TrainedRun) -> None:
        page = trained.pages[7]
        assert re.findall(r"<strong>(base|step \d+)</strong>", page) == ["base", "step 6", "step 1"]
        assert "The guard, after step 6: all is well" in page
        assert re.search(r"About \d+ s left", page)
        assert page.count('class="band"') == 2, "held-out and generic curves have intervals"

    def test_it_is_not_written_again_between_looks(self, trained: TrainedRun) -> None:
        assert trained.pages[2] == trained.pages[5]


class TestReport:
    def test_it_is_one_page_without_outside_files(self, trained: TrainedRun) -> None:
        page = trained.result.report.read_text(encoding="utf-8")
        sources = re.findall(r'(?:src|href)="([^"]*)"', page)
        assert len(sources) == 2 * 4 + 4 * 4, "before and after, the base and three looks"
        assert all(source.startswith("data:image/jpeg") for source in sources)
        assert "http" not in without_pictures(page)
        for text in ("Before and after", "a mountain lake at sunrise", "9 to learn from, 3 held out", "learning_rate"):
            assert text in page
        assert "imagine-sound imagine dog.m4a --adapter shapes" in page

    @needs_chromium
    async def test_nothing_is_wrong_with_it_on_a_telephone_light_and_dark(
        self, trained: TrainedRun, tmp_path: Path
    ) -> None:
        running = tmp_path / "running.html"
        running.write_text(trained.pages[-1], encoding="utf-8")
        async with launched(Path("/dev/null")) as chromium, visiting(chromium, 390) as (visit, _):
            await visit.page.goto(trained.result.report.as_uri())
            assert await visit.findings() == []
            await visit.page.goto(running.as_uri())
            found = await visit.findings()
            assert [one for one in found if "meta-refresh" not in one] == [], "that it refreshes itself is meant"


class TestCharts:
    def test_axes_have_round_numbers(self) -> None:
        assert ticks(0, 600) == [0, 200, 400, 600]
        assert ticks(0.93, 1.27) == [1.0, 1.1, 1.2]
        assert ticks(0, 3) == [0, 1, 2, 3]

    def test_a_curve_goes_from_the_first_step_to_the_last_and_its_interval_around_it(self) -> None:
        drawn = chart([[Point(0, 1.0), Point(10, 2.0, 1.5, 3.0)]], reference=1.0)
        (line,), (band,) = drawn.lines, drawn.bands
        places = [tuple(map(float, place.split(","))) for place in line.split()]
        assert places[0][0] == LEFT
        assert places[1][1] < places[0][1] == drawn.reference
        assert len(band.split()) == 4
        assert all(LEFT <= x <= WIDTH and TOP <= y <= HEIGHT for x, y in places)

    def test_it_breaks_where_a_value_is_not_finite(self) -> None:
        drawn = chart([[Point(step, float("nan") if step == 2 else 1.0) for step in range(5)]])
        assert [len(line.split()) for line in drawn.lines] == [2, 2]
        assert len(drawn.points) == 4

    def test_nothing_to_show_is_no_error(self) -> None:
        assert chart([[]]).lines == chart([[Point(0, float("inf"))]]).lines == ()


def test_the_time_that_is_left_is_that_of_the_steps_before() -> None:
    entries = [StepEntry(number, 0, 0.5, 1e-4, 1.0, seconds, True) for number, seconds in ((1, 3.0), (2, 1.0))]
    assert seconds_left([*entries, EventEntry(2, 0, "said")], steps=12) == 20.0
    assert seconds_left([], steps=12) is None
