"""Measuring hands: the arithmetic exactly, and the whole way with the real HandLandmarker where its file is given."""

import argparse
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.cli import evaluate
from core.cli.progress import ProgressBars
from core.cli.training_arguments import HAND_MODEL_VARIABLE, add_evaluate_arguments
from core.errors import EvaluationError
from core.finetuning.hands.comparison import Comparison, compare, holm, paired_interval, sign_flips
from core.finetuning.hands.landmarks import THRESHOLDS, Hand, HandDetector
from core.finetuning.hands.measures import RealHands, bone_ratios, joint_angles, measure, stability, warps
from core.finetuning.hands.page import LIMITS
from core.finetuning.hands.prompts import hand_prompts, other_prompts, read_prompts
from core.finetuning.model.network import load_base
from core.finetuning.run import FinetuneOptions, finetune
from tests.finetuning.conftest import quick_hyperparameters
from tests.finetuning.hands.drawn_hand import drawn_hand, skeleton
from tests.tables import part

MODEL = os.environ.get(HAND_MODEL_VARIABLE, "")
needs_model = pytest.mark.skipif(not MODEL, reason=f"{HAND_MODEL_VARIABLE} names no hand_landmarker.task")


class TestPrompts:
    def test_there_are_two_hundred_different_ones_and_they_begin_with_every_gesture(self) -> None:
        prompts = hand_prompts(1000)
        assert len(prompts) == len({prompt.text for prompt in prompts}) == 200
        assert {prompt.hands for prompt in prompts} == {1, 2}
        assert hand_prompts(25) == prompts[:25]
        assert len({prompt.text.split(" ", 3)[-1] for prompt in hand_prompts(25)}) == 25

    def test_the_others_show_no_hand(self) -> None:
        prompts = other_prompts(1000)
        assert len({prompt.text for prompt in prompts}) == 50
        assert not [prompt for prompt in prompts if re.search("hand|finger|person|man", prompt.text) or prompt.hands]

    def test_own_prompts_are_read_and_a_broken_line_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "prompts.jsonl"
        path.write_text('{"text": "a wave", "hands": 1}\n\n{"text": "a lake", "hands": 0}\n')
        assert [prompt.hands for prompt in read_prompts(path)] == [1, 0]
        path.write_text('{"text": "a wave"}\n')
        with pytest.raises(EvaluationError, match=r"Line 1 of prompts\.jsonl"):
            read_prompts(path)


class TestAnatomy:
    def test_size_and_place_of_a_hand_do_not_matter(self) -> None:
        hand = skeleton(bend=0.2)
        np.testing.assert_allclose(bone_ratios(3 * hand + 5), bone_ratios(hand), atol=1e-9)
        np.testing.assert_allclose(joint_angles(3 * hand + 5), joint_angles(hand), atol=1e-6)
        assert bone_ratios(hand).shape == (19,)
        assert joint_angles(hand).shape == (15,)

    def test_angles_are_those_of_the_skeleton(self) -> None:
        straight = np.array([[0.0, bone, 0.0] for bone in range(21)])
        assert joint_angles(straight)[3:6] == pytest.approx([0, 0, 0], abs=1e-6)
        bent = straight.copy()
        bent[8] = bent[7] + [1, 0, 0]
        assert joint_angles(bent)[5] == pytest.approx(np.pi / 2)

    def test_a_real_hand_is_at_about_one_and_an_odd_one_far_away(self) -> None:
        real = RealHands.of([skeleton(bend=0.15, wobble=0.08, seed=seed) for seed in range(200)])
        usual = [real.bones.distance(bone_ratios(skeleton(bend=0.15, wobble=0.08, seed=s))) for s in range(900, 950)]
        assert np.mean(usual) == pytest.approx(1.0, abs=0.2)
        assert real.bones.distance(bone_ratios(skeleton(bend=0.15, stretch=2.0))) > 3
        assert real.angles.distance(joint_angles(skeleton(bend=0.9))) > 3

    def test_too_few_real_hands_are_refused(self) -> None:
        with pytest.raises(EvaluationError, match="Only 5 hands"):
            RealHands.of([skeleton(seed=seed) for seed in range(5)])

    def test_a_collapsed_hand_breaks_nothing(self) -> None:
        assert np.isfinite(bone_ratios(np.zeros((21, 3)))).all()
        assert np.isfinite(joint_angles(np.zeros((21, 3)))).all()


class TestStability:
    @given(st.floats(0, 200), st.floats(0, 100))
    def test_a_warp_can_be_undone(self, x: float, y: float) -> None:
        for warp in warps(200, 100):
            moved = warp.matrix[:, :2] @ np.array([x, y]) + warp.matrix[:, 2]
            np.testing.assert_allclose(warp.undo(moved[None])[0], [x, y], atol=1e-9)

    def test_pixels_and_points_move_alike(self) -> None:
        image = Image.new("RGB", (200, 100))
        image.paste("white", (140, 30, 146, 36))
        for warp in warps(200, 100):
            pixels = np.asarray(warp.image(image).convert("L"), dtype=float)
            pixels[pixels < 200] = 0
            rows, columns = np.nonzero(pixels)
            found = warp.undo(np.array([[columns.mean() + 0.5, rows.mean() + 0.5]]))[0]
            np.testing.assert_allclose(found, [143, 33], atol=1.0)

    def test_a_detector_that_follows_the_picture_is_perfectly_stable(self) -> None:
        """A made detector: it finds the same bright square in each picture, as 21 points."""
        image = Image.new("RGB", (100, 100))
        image.paste("white", (40, 40, 60, 60))

        def follows(picture: Image.Image) -> list[Hand]:
            rows, columns = np.nonzero(np.asarray(picture.convert("L")) > 200)
            middle = np.array([columns.mean() + 0.5, rows.mean() + 0.5])
            return [Hand(1.0, middle + 10 * skeleton()[:, :2], skeleton())]

        steady = stability(image, follows(image), follows)
        assert steady is not None
        assert steady.found_again == 1.0
        assert steady.jitter == pytest.approx(0, abs=0.35)

    def test_a_detector_that_jumps_or_loses_the_hand_is_not(self) -> None:
        hand = Hand(1.0, 50 + 10 * skeleton()[:, :2], skeleton())
        lost = stability(Image.new("RGB", (100, 100)), [hand], lambda picture: [])
        assert lost is not None
        assert (lost.found_again, lost.jitter) == (0.0, None)
        assert stability(Image.new("RGB", (100, 100)), [], lambda picture: [hand]) is None


class TestComparison:
    def test_a_clear_gain_is_clear_and_none_is_not(self) -> None:
        prompts = [f"p{number // 2}" for number in range(200)]
        draw = np.random.default_rng(0)
        base = [{"detected_0.5": float(draw.random() < 0.5), "jitter": None, "confidence": 0.4} for _ in prompts]
        same = [dict(row) for row in base]
        better = [{**row, "detected_0.5": 1.0 if draw.random() < 0.5 else row["detected_0.5"]} for row in base]
        unchanged = {comparison.name: comparison for comparison in compare(prompts, base, same)}
        assert unchanged["detected_0.5"].interval == (0.0, 0.0)
        assert unchanged["detected_0.5"].p_value == 1.0
        assert not unchanged["detected_0.5"].is_clear
        assert "jitter" not in unchanged
        gained = {comparison.name: comparison for comparison in compare(prompts, base, better)}["detected_0.5"]
        assert gained.is_clear
        assert gained.p_value <= 1e-3
        assert gained.difference == pytest.approx(gained.adapter - gained.base)

    def test_values_that_are_missing_on_one_side_leave_the_pair_out(self) -> None:
        (found,) = compare(["a", "b", "c"], [{"x": 1.0}, {"x": None}, {"x": 3.0}], [{"x": 2.0}, {"x": 9.0}, {"x": 4.0}])
        assert (found.pairs, found.difference) == (2, 1.0)

    def test_up_to_twenty_prompts_the_test_is_exact(self) -> None:
        """Of ten prompts that changed by as much, eight or more went one way: the binomial test's number."""
        changes = [1.0] * 8 + [-1.0] * 2 + [0.0] * 50
        p_value = sign_flips([(f"p{number}", change) for number, change in enumerate(changes)])
        assert p_value == pytest.approx(2 * (1 + 10 + 45) / 2**10)
        assert sign_flips([("a", 0.0), ("b", 0.0)]) == 1.0
        assert sign_flips([("a", 3.0)]) == 1.0, "one prompt tells nothing"

    def test_the_seeds_of_a_prompt_go_one_way_together(self) -> None:
        """Ten seeds of one prompt are one draw: McNemar's test took them for ten."""
        assert sign_flips([("a", 1.0)] * 10 + [("b", 1.0)] * 10) == 0.5

    def test_drawn_signs_come_near_to_all(self) -> None:
        draw = np.random.default_rng(4)
        differences = [(f"p{number}", float(value)) for number, value in enumerate(0.3 + draw.standard_normal(20))]
        exact, drawn = sign_flips(differences), sign_flips([*differences, ("more", 1e-6)])
        assert drawn == pytest.approx(exact, rel=0.15)

    @pytest.mark.table
    @pytest.mark.parametrize("seeds", part([2, 8, 1, 4], every=2))
    def test_without_an_effect_one_in_twenty_is_significant(self, seeds: int) -> None:
        """An adapter that changes prompts but helps none on average: 3 to 6 % at 5 %, however many seeds."""
        draw = np.random.default_rng(seeds)
        names = [f"p{number}" for number in range(100) for _ in range(seeds)]
        hits = 0
        for _ in range(1000):
            chance = draw.uniform(0.25, 0.75, 100)
            changed = chance + 0.25 * draw.choice([-1, 1], 100)
            before, after = (draw.random((100, seeds)) < each[:, None] for each in (chance, changed))
            differences = (after.astype(float) - before).ravel().tolist()
            hits += sign_flips(list(zip(names, differences, strict=True))) < 0.05
        assert 30 <= hits <= 60

    def test_several_measures_are_corrected_for(self) -> None:
        assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
        assert holm([0.5, 0.9]) == [1.0, 1.0]
        assert holm([]) == []

    def test_a_difference_is_clear_only_where_interval_and_test_agree(self) -> None:
        interval, wide = (0.1, 0.3), (-0.1, 0.3)
        clear = [
            Comparison("x", 0.5, 0.7, 0.2, bounds, 12, p_value, adjusted).is_clear
            for bounds in (interval, wide, None)
            for p_value, adjusted in ((0.001, 0.01), (0.01, 0.1))
        ]
        assert clear == [True, False, False, False, False, False]

    def test_pictures_of_one_prompt_count_as_one_draw(self) -> None:
        """Ten copies of the same ten differences must not look like a hundred independent ones."""
        draw = np.random.default_rng(1).standard_normal(10)
        copied = paired_interval([(f"p{number}", value) for number, value in enumerate(draw) for _ in range(10)])
        apart = paired_interval(
            [(f"p{number}-{copy}", value) for number, value in enumerate(draw) for copy in range(10)]
        )
        assert copied is not None
        assert apart is not None
        assert copied[1] - copied[0] > 2 * (apart[1] - apart[0])

    def test_the_interval_covers_the_truth_as_often_as_it_says(self) -> None:
        draw = np.random.default_rng(2)
        hits = 0
        for trial in range(60):
            values = 0.3 + draw.standard_normal(40)
            interval = paired_interval([(str(number), float(value)) for number, value in enumerate(values)], seed=trial)
            assert interval is not None
            hits += interval[0] <= 0.3 <= interval[1]
        assert 50 <= hits <= 60

    def test_one_prompt_gives_no_interval(self) -> None:
        assert paired_interval([("a", 1.0), ("a", 2.0)]) is None


class TestModelFile:
    def test_a_missing_model_is_told_with_what_to_do(self, tmp_path: Path) -> None:
        with pytest.raises(EvaluationError, match="--hand-model"):
            HandDetector(tmp_path / "none.task")

    def test_a_file_that_is_no_model_is_told_too(self, tmp_path: Path) -> None:
        (tmp_path / "no.task").write_bytes(b"no model")
        with pytest.raises(EvaluationError, match="no hand model"), HandDetector(tmp_path / "no.task"):
            pass


@pytest.fixture(scope="module")
def detector() -> Iterator[HandDetector]:
    with HandDetector(Path(MODEL)) as detector:
        yield detector


@needs_model
class TestWithMediaPipe:
    def test_one_drawn_hand_is_found_at_every_threshold_and_is_stable(self, detector: HandDetector) -> None:
        found = measure(drawn_hand(), 1, detector, None)
        assert found.detected == (True,) * len(THRESHOLDS)
        assert found.count_is_right
        assert found.confidence > 0.5
        assert found.found_again is not None
        assert found.found_again >= 0.5
        assert found.jitter is not None
        assert found.jitter < 0.2
        assert found.bone_distance is None

    def test_two_drawn_hands_are_counted(self, detector: HandDetector) -> None:
        both = Image.new("RGB", (1280, 640))
        both.paste(drawn_hand(), (0, 0))
        both.paste(drawn_hand(), (640, 0))
        assert measure(both, 2, detector, None).count_is_right
        assert not measure(both, 1, detector, None).count_is_right

    def test_no_hand_is_found_where_there_is_none(self, detector: HandDetector) -> None:
        found = measure(Image.new("RGB", (256, 256), "grey"), 1, detector, None)
        assert found.detected == (False,) * len(THRESHOLDS)
        assert (found.count, found.confidence, found.jitter) == (0, 0.0, None)

    def test_a_whole_evaluation_writes_numbers_page_and_contact_sheet(
        self,
        tiny_base: Path,
        drawings: Path,
        shared_cache: Path,
        tmp_path: Path,
        bars: ProgressBars,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        out = tmp_path / "adapters" / "shapes"
        hyperparameters = quick_hyperparameters(steps=1)
        finetune(FinetuneOptions(drawings, out, str(tiny_base), hyperparameters, cache=shared_cache, cpu=True), bars)
        photos = tmp_path / "real"
        photos.mkdir()
        for number in range(45):
            drawn_hand(share=0.55 + number / 450).save(photos / f"{number}.png")
        monkeypatch.setenv(HAND_MODEL_VARIABLE, MODEL)
        parser = argparse.ArgumentParser()
        add_evaluate_arguments(parser)
        words = f"--adapter {out} --base {tiny_base} --prompts 3 --other-prompts 2 --seeds 1 --steps 1 --cpu"
        assert evaluate.run(parser.parse_args(["hands", *words.split(), "--real", str(photos)])) == 0

        document = json.loads((out / "evaluation" / "hands.json").read_text())
        assert len(document["pairs"]) == 5
        assert document["real_hands"] >= 30
        names = {row["name"] for row in document["prompts_with_hands"]}
        assert {"detected_0.3", "detected_0.5", "detected_0.7", "count_is_right", "confidence"} <= names
        assert len(document["prompts_without_hands"]) > 0
        assert document["cannot_see"] == list(LIMITS)
        page = (out / "evaluation" / "hands.html").read_text()
        assert "sixth finger" in page
        assert all(source.startswith("data:image/") for source in re.findall(r'src="([^"]*)"', page))
        with Image.open(out / "evaluation" / "contact-sheet.png") as sheet:
            assert sheet.width > 500

        painted: list[object] = []
        monkeypatch.setattr("core.finetuning.model.painting.StableDiffusionXLPipeline.__call__", painted.append)
        assert evaluate.run(parser.parse_args(["hands", *words.split()])) == 0
        assert not painted, "pictures that are there are not painted again"


def test_the_evaluation_needs_a_model_and_an_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_base: Path
) -> None:
    from core.finetuning.hands.painting import adapter_sha256

    monkeypatch.delenv(HAND_MODEL_VARIABLE, raising=False)
    parser = argparse.ArgumentParser()
    add_evaluate_arguments(parser)
    with pytest.raises(EvaluationError, match="HAND_LANDMARKER_MODEL"):
        evaluate.run(parser.parse_args(["hands", "--adapter", str(tmp_path)]))
    with pytest.raises(EvaluationError, match="no adapter"):
        adapter_sha256(tmp_path)
    assert load_base(str(tiny_base), None, "fp32").native_resolution == 32
