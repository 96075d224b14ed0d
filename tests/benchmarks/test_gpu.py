"""The command for the first hour on a GPU: all its stages work, here on the processor, and none can spoil another."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.__main__ import main
from benchmarks.gpu.stages import OtherRun, Record, Records, Stage, Status, due, rounded, run

ROOT = Path(__file__).parents[2]
NOT_ON_A_RENTED_GPU = (
    "aiohttp", "alembic", "discord", "dotenv", "imageio_ffmpeg", "matplotlib", "mediapipe", "platformdirs", "pooch",
    "pydantic_settings", "pydub", "scipy", "sqlalchemy", "stamina",
)  # fmt: skip
"""What the product needs, and neither torch, diffusers, transformers, accelerate, peft nor rich brings along."""
ALONE = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({NOT_ON_A_RENTED_GPU}))
runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
"""
STAGES = [
    "0 machine", "1 load", "2 right", "3 memory", "4 eager", "5 compiled", "5 compiled again", "6 less work",
    "7 crowd", "8 where the time goes", "9 compiled whole",
]  # fmt: skip


def begin(out: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ALONE, "--miniature", "--out", str(out), "--work", str(out.parent), *options]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def lines_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Of a whole run that was killed after its first stage, and gone on with."""
    out = tmp_path_factory.mktemp("gpu") / "miniature.jsonl"
    with begin(out) as process:
        while len(lines_of(out)) < 2:
            assert process.poll() is None
            time.sleep(0.1)
        process.kill()
    with begin(out, "--resume") as process:
        output, _ = process.communicate(timeout=900)
    header, *stages = lines_of(out)
    assert header["run"]["model"] == "miniature"
    assert [(stage["stage"], stage["status"]) for stage in stages] == [(name, "done") for name in STAGES], output
    assert "0 machine: done before" in output
    return {stage["stage"]: stage["figures"] for stage in stages}


def test_all_stages_go_through_without_what_a_rented_gpu_lacks(figures: dict[str, dict[str, Any]]) -> None:
    limits = [figure for stage in figures.values() for figure in stage.values() if isinstance(figure, dict)]
    assert sum("ok" in figure for figure in limits) > 10
    assert all(figure.get("ok", True) for figure in limits)


def test_bfloat16_is_nearer_to_float32_than_the_stock_pipeline_s(figures: dict[str, dict[str, Any]]) -> None:
    right = figures["2 right"]
    assert right["bfloat16, ours, dB to float32"]["is"] > right["bfloat16, stock, dB to float32"] > 40


def test_each_simulated_card_gets_a_plan_of_its_own_and_loses_nobody(figures: dict[str, dict[str, Any]]) -> None:
    cards = [figure for name, figure in figures["3 memory"].items() if name.startswith("on a card")]
    assert len({json.dumps(card["plan"]) for card in cards}) == len(cards) == 4
    assert [(card["painted"], card["lost"]) for card in cards] == [(3, [])] * 4


def test_who_asks_for_much_delays_the_others_least_in_the_product(figures: dict[str, dict[str, Any]]) -> None:
    shares = {name: figure["others / greedy"] for name, figure in figures["7 crowd"].items() if "all at once" in name}
    assert min(shares, key=lambda name: shares[name]) == "all at once, this engine"


def fine(bench: str) -> Iterator[tuple[str, Any]]:
    yield "bench", bench
    for _ in range(2):
        logging.getLogger("core.generation.batcher").warning("no memory for %d pictures", 8)
    yield "third", {"of": [1 / 3]}


def fails(bench: str) -> Iterator[tuple[str, Any]]:
    yield "first", 1
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def dies(bench: str) -> Iterator[tuple[str, Any]]:
    yield "first", 1
    os._exit(3)


def hangs(bench: str) -> Iterator[tuple[str, Any]]:
    yield "helper", subprocess.Popen(["sleep", "60"]).pid
    time.sleep(60)


def says_who_it_is(bench: str) -> Iterator[tuple[str, Any]]:
    Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
    time.sleep(60)
    yield "never", 0


def is_gone(process: int) -> bool:
    """Within ten seconds: what it belonged to ends first, and whoever adopts it has to bury it."""
    for _ in range(100):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def ran(measure: Any, seconds: float = 60.0) -> Record:
    return run(Stage("a stage", "", measure), "the bench", seconds, fork=False, tell=lambda name, figure: None)


def test_a_stage_s_figures_are_kept_and_what_the_product_warned_of() -> None:
    record = ran(fine)
    assert (record.status, record.error) == (Status.DONE, "")
    assert record.figures == {
        "bench": "the bench",
        "warning 1": "no memory for 8 pictures",
        "third": {"of": [0.3333]},
    }
    assert rounded(float("inf")) == "inf", "which JSON has no number for"


def test_a_stage_that_fails_keeps_what_it_had_found() -> None:
    record = ran(fails)
    assert (record.status, record.figures) == (Status.FAILED, {"first": 1})
    assert "illegal memory access" in record.error


def test_a_stage_whose_process_dies_is_recorded() -> None:
    record = ran(dies)
    assert (record.status, record.error) == (Status.FAILED, "its process ended with 3")


def test_a_stage_that_hangs_is_ended_with_all_that_it_has_started() -> None:
    started = time.monotonic()
    record = ran(hangs, seconds=8)
    assert record.status is Status.OUT_OF_TIME
    assert time.monotonic() - started < 30
    assert is_gone(record.figures["helper"])


def test_a_run_is_gone_on_with_where_it_was_killed(tmp_path: Path) -> None:
    """What was never begun comes before what has failed; half a line is no line."""
    out = tmp_path / "gpu.jsonl"
    stages = [Stage(name, "", fine) for name in ("one", "two", "three")]
    before = Records(out, {"model": "random"}, resume=False)
    before.add(Record("one", Status.OUT_OF_TIME, 480.0, {"first": 1}))
    before.add(Record("two", Status.DONE, 1.0))
    with out.open("a") as file:
        file.write('{"stage": "three", "sta')

    records = Records(out, {"model": "random"}, resume=True)

    assert [stage.name for stage in due(stages, records)] == ["three", "one"]
    records.add(Record("one", Status.DONE, 1.0))
    assert [line.get("status") for line in lines_of(out)] == [None, "out of time", "done", "done"]


def test_no_run_is_written_over_or_mixed_with_another(tmp_path: Path) -> None:
    out = tmp_path / "gpu.jsonl"
    Records(out, {"model": "random"}, resume=False)
    before = out.read_bytes()
    with pytest.raises(FileExistsError):
        Records(out, {"model": "random"}, resume=False)
    with pytest.raises(OtherRun):
        Records(out, {"model": "mine"}, resume=True)
    assert main(["--miniature", "--out", str(out), "--work", str(tmp_path)]) == 2
    assert out.read_bytes() == before


def test_without_a_gpu_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--out", str(tmp_path / "gpu.jsonl"), "--work", str(tmp_path)]) == 2
    assert "--miniature" in capsys.readouterr().out


def test_a_run_that_is_killed_leaves_nothing_that_measures_on(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    code = "from tests.benchmarks.test_gpu import ran, says_who_it_is; ran(says_who_it_is)"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=os.environ | {"PID_FILE": str(file)})
    while not file.exists() or not file.read_text():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert is_gone(int(file.read_text()))
