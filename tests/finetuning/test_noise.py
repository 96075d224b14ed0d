"""No path through the trainer writes an adapter that paints noise: what the directory claims is tested."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import diffusers
import pytest
import torch
from diffusers import SchedulerMixin, UNet2DConditionModel

from core.cli.main import main
from core.cli.progress import ProgressBars
from core.errors import ExitCode, ObjectiveMismatch, UnusableBase, UnusableData
from core.finetuning.model.adapter_file import read_metadata
from core.finetuning.model.candidates import LatentSpace, edm, noised, paint
from core.finetuning.model.claim import candidates_beside, claim_of
from core.finetuning.run import FinetuneOptions, finetune
from core.finetuning.training.evidence import BaseEvidence, Finding, judge_base, judge_pictures
from docs.finetuning_example import MINIATURE
from tests.finetuning.conftest import quick_hyperparameters
from tests.finetuning.drawings import write_imagefolder
from tests.tables import WHOLE, part

MakeOptions = Callable[..., FinetuneOptions]
ONE_STEP = quick_hyperparameters(steps=1, check_every=1)
Config = dict[str, object]

SDXL_STATISTICS: Config = {
    "latents_mean": [-1.6574, 1.886, -1.383, 2.5155],
    "latents_std": [8.4927, 5.9022, 6.5498, 5.2299],
}
"""Of SDXL's VAE, as Playground's configuration gives them; the tests' models have VAEs of their own."""


def of_other_families() -> list[str]:
    """Every scheduler class of diffusers that has a configuration and is none of EDM's."""
    found = []
    for name in sorted(dir(diffusers.schedulers)):
        kind = getattr(diffusers, name, None)
        if isinstance(kind, type) and issubclass(kind, SchedulerMixin) and "EDM" not in name:
            found.append(name)
    return found


def with_scheduler(base: Path, copy: Path, name: str | None, config: Config) -> Path:
    """A copy of a model whose directory claims another scheduler; None: it has none."""
    shutil.copytree(base, copy)
    index = json.loads((copy / "model_index.json").read_text())
    if name is None:
        shutil.rmtree(copy / "scheduler")
    else:
        index["scheduler"][1] = name
        (copy / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": name, **config}))
    (copy / "model_index.json").write_text(json.dumps(index))
    return copy


def changed(base: Path, copy: Path, file: str, **changes: object) -> Path:
    shutil.copytree(base, copy)
    path = copy / file
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return copy


SDXL: Config = {
    "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
}  # fmt: skip

OF_ITS_FAMILY: tuple[tuple[str, Config], ...] = (
    ("EDMDPMSolverMultistepScheduler", {"solver_type": "heun"}),
    ("EDMEulerScheduler", {}),
    ("EDMEulerScheduler", {"sigma_schedule": "exponential"}),
)


def assert_refused(base: Path, images: Path, out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """`imagine-sound finetune` ends with exit code 2 and one sentence, before it has written anything."""
    words = ["finetune", "--images", str(images), "--out", str(out), "--base", str(base), "--cpu", "--steps", "4"]
    assert main([*words, "--batch-size", "2", "--prior-share", "0", *more]) == ExitCode.BAD_INPUT
    assert not out.exists()
    return capsys.readouterr().err


class TestTheDirectoryIsNotBelieved:
    @pytest.mark.table
    @pytest.mark.parametrize("name", part(of_other_families(), every=24))
    def test_no_scheduler_of_another_family_gets_an_edm_network_trained(
        self, name: str, tiny_base: Path, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        base = with_scheduler(tiny_base, tmp_path / "swapped", name, SDXL)
        told = assert_refused(base, drawings, tmp_path / "out", capsys)
        assert "The weights are those of an EDM model" in told
        assert name in told

    def test_an_sdxl_scheduler_is_told_with_the_figures_and_what_to_do(
        self, tiny_base: Path, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """People put one in, to "use Euler"."""
        base = with_scheduler(tiny_base, tmp_path / "swapped", "EulerDiscreteScheduler", SDXL)
        told = assert_refused(base, drawings, tmp_path / "out", capsys)
        assert "but scheduler_config.json says EulerDiscreteScheduler, epsilon (" in told
        assert "Take the complete model, or say --objective edm." in told

    def test_another_prediction_type_is_refused(
        self, tiny_base: Path, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = "scheduler/scheduler_config.json"
        base = changed(tiny_base, tmp_path / "changed", file, prediction_type="v_prediction")
        assert "says EDMDPMSolverMultistepScheduler, v_prediction" in assert_refused(
            base, drawings, tmp_path / "out", capsys
        )

    @pytest.mark.table
    @pytest.mark.parametrize("changes", part([SDXL_STATISTICS, {"latents_mean": None}, {"latents_std": None}], every=2))
    def test_missing_latent_statistics_or_anothers_are_refused(
        self, changes: Config, tiny_base: Path, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        base = changed(tiny_base, tmp_path / "changed", "vae/config.json", **changes)
        assert "latents_mean" in assert_refused(base, drawings, tmp_path / "out", capsys)

    def test_a_person_may_correct_the_claim_but_not_the_evidence(
        self, tiny_base: Path, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        told = assert_refused(tiny_base, drawings, tmp_path / "out", capsys, "--objective", "discrete")
        assert "but --objective says discrete" in told

    def test_random_weights_are_not_trained(
        self, tiny_base: Path, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        base = shutil.copytree(tiny_base, tmp_path / "random")
        torch.manual_seed(0)
        UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(base / "unet")).save_pretrained(base / "unet")
        assert "predicts nothing that I know" in assert_refused(base, drawings, tmp_path / "out", capsys)


class TestWhatIsRightIsTrained:
    @pytest.mark.table
    @pytest.mark.parametrize(("name", "config"), part(OF_ITS_FAMILY, every=2))
    def test_any_scheduler_of_its_family_will_do(
        self, name: str, config: Config, tiny_base: Path, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        base = with_scheduler(tiny_base, tmp_path / "other", name, config)
        assert finetune(make_options(base=str(base), hyperparameters=ONE_STEP), bars).adapter is not None

    @pytest.mark.table
    @pytest.mark.parametrize("name", part([None, "EulerDiscreteScheduler"], every=2))
    def test_without_a_scheduler_or_with_a_wrong_one_the_person_can_say_what_it_is(
        self, name: str | None, tiny_base: Path, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        base = with_scheduler(tiny_base, tmp_path / "other", name, SDXL)
        with pytest.raises(ObjectiveMismatch, match="say --objective edm"):
            finetune(make_options(base=str(base)), bars)
        result = finetune(make_options(base=str(base), objective="edm", hyperparameters=ONE_STEP), bars)
        assert result.adapter is not None

    def test_the_figures_go_into_the_report_and_the_adapter(
        self, make_options: MakeOptions, bars: ProgressBars
    ) -> None:
        result = finetune(make_options(hyperparameters=ONE_STEP), bars)
        assert result.adapter is not None
        figures = json.loads(read_metadata(result.adapter)["imagine_sound.evidence"])
        assert figures["candidates"]["EDM, epsilon, sigma_data 0.5"] < 0.7
        assert figures["candidates"]["SDXL, epsilon, scaled linear"] > 1
        assert max(figures["pictures"]) < 0.9
        assert "What the weights were trained for" in result.report.read_text(encoding="utf-8")


@pytest.mark.table
@pytest.mark.skipif(not WHOLE, reason="half a minute each; make tables")
class TestTheMiniature:
    """A better painter than the tests' own: it tells another sigma_data from its own as well."""

    @pytest.mark.parametrize("sigma_data", [0.25, 1.0, 2.0])
    def test_another_sigma_data_is_refused(
        self, sigma_data: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        base = changed(MINIATURE, tmp_path / "mini", "scheduler/scheduler_config.json", sigma_data=sigma_data)
        images = write_imagefolder(tmp_path / "images", count=6, size=(160, 160))
        assert "sigma_data 0.5" in assert_refused(base, images, tmp_path / "out", capsys)

    @pytest.mark.parametrize(
        "changes", [SDXL_STATISTICS, {"latents_std": [0.6, 0.6, 0.67, 0.67]}, {"latents_std": [2.5, 2.4, 2.66, 2.66]}]
    )
    def test_another_vaes_statistics_are_refused(
        self, changes: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        base = changed(MINIATURE, tmp_path / "mini", "vae/config.json", **changes)
        images = write_imagefolder(tmp_path / "images", count=6, size=(160, 160))
        assert "do not survive the VAE" in assert_refused(base, images, tmp_path / "out", capsys)

    def test_an_sdxl_scheduler_is_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        base = with_scheduler(MINIATURE, tmp_path / "mini", "EulerDiscreteScheduler", SDXL)
        images = write_imagefolder(tmp_path / "images", count=6, size=(160, 160))
        assert "those of an EDM model (0.1" in assert_refused(base, images, tmp_path / "out", capsys)


class TestJudgement:
    def finding(self, ratio: float, name: str = "EDM", family: str = "EDM") -> Finding:
        return Finding(name, family, (ratio,) * 5)

    def base(self, claimed: Finding | None, *others: Finding, **changes: float) -> BaseEvidence:
        return BaseEvidence(claimed, others, **{"returned": 0.2, "std": 1.0, "high_frequency": 0.3, **changes})

    def test_a_near_tie_goes_to_the_claim_and_is_told(self) -> None:
        remark = judge_base(self.base(self.finding(0.26), self.finding(0.2, "EDM, sigma_data 1")), "it says so")
        assert remark is not None
        assert "EDM, sigma_data 1 fits the weights as well (0.20, 0.26" in remark
        assert judge_base(self.base(self.finding(0.2), self.finding(0.2, "the same")), "it says so") is None

    def test_beyond_it_the_better_candidate_wins(self) -> None:
        with pytest.raises(ObjectiveMismatch, match="EDM, sigma_data 1 model"):
            judge_base(self.base(self.finding(0.27), self.finding(0.2, "EDM, sigma_data 1")), "it says so")

    def test_one_good_level_does_not_make_up_for_bad_ones(self) -> None:
        """Rectified flow on the miniature, as measured."""
        with pytest.raises(UnusableBase, match="nothing that I know"):
            judge_base(self.base(Finding("flow", "rectified flow", (1.6, 0.05, 0.9, 0.99, 1.3))), "it says so")

    def test_a_flow_model_is_told_apart_though_it_cannot_be_trained(self) -> None:
        flow = self.finding(0.2, "rectified flow", "rectified flow")
        with pytest.raises(ObjectiveMismatch, match=r"a rectified flow model .* Take the complete model\."):
            judge_base(self.base(self.finding(1.2), flow), "it says so")

    @pytest.mark.parametrize("changes", [{"std": 0.4}, {"std": 2.1}, {"high_frequency": 0.7}])
    def test_a_base_that_paints_no_pictures_is_refused(self, changes: dict[str, float]) -> None:
        with pytest.raises(UnusableBase, match="no picture"):
            judge_base(self.base(self.finding(0.2), **changes), "it says so")

    def test_what_is_not_finite_never_wins(self) -> None:
        assert self.finding(float("nan")).ratio == float("inf")
        assert not self.finding(float("inf")).knows

    def test_pictures_that_look_like_noise_are_refused_with_the_worst_named(self) -> None:
        with pytest.raises(UnusableData, match=r"look like noise .* the worst are c.png, b.png, a.png"):
            judge_pictures([(0.95, 0.91), (0.99, 0.97), (1.4, 1.2)], ["a.png", "b.png", "c.png"])
        assert judge_pictures([(0.5, 1.5), (0.7, 1.7)], ["a.png", "b.png"]) == pytest.approx((0.6, 1.6))

    def test_it_survives_json(self) -> None:
        found = self.base(self.finding(0.2), self.finding(float("inf")))
        assert BaseEvidence.from_dict(json.loads(json.dumps(found.as_dict()))) == found


class TestCandidates:
    """Written without diffusers; held against the objectives that train, and against what each must paint."""

    VAE: ClassVar[Config] = {"scaling_factor": 0.13, "latent_channels": 4, **SDXL_STATISTICS}
    SCHEDULERS: ClassVar[tuple[Config, ...]] = (
        {"_class_name": "EDMEulerScheduler", "sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5},
        {"_class_name": "EDMEulerScheduler", "sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5,
         "prediction_type": "v_prediction"},
        {"_class_name": "EulerDiscreteScheduler", **SDXL},
        {"_class_name": "EulerDiscreteScheduler", **SDXL, "prediction_type": "v_prediction"},
    )  # fmt: skip

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_a_candidate_asks_what_its_objective_asks(self, scheduler: Config) -> None:
        claim = claim_of(scheduler, self.VAE, None, log_sigma_mean=-0.4, log_sigma_std=1.2)
        assert claim.objective is not None
        candidate = claim.objective.candidate()
        raw = claim.objective.raw_from_samples(torch.randn(2, 4, 8, 8))
        noise = torch.randn(2, 4, 8, 8)
        for level in candidate.levels:
            question = claim.objective.question(raw, torch.full((2,), level), noise)
            seen, target = noised(candidate, candidate.space.enter(raw), noise, level)
            torch.testing.assert_close(seen, question.seen, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(target, question.target, rtol=1e-4, atol=1e-5)
            assert candidate.condition(level) == pytest.approx(float(question.condition[0]), rel=1e-5)
        torch.testing.assert_close(candidate.space.leave(candidate.space.enter(raw)), raw)

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_the_claim_is_not_weighed_twice(self, scheduler: Config) -> None:
        claim = claim_of(scheduler, self.VAE, None, log_sigma_mean=-0.4, log_sigma_std=1.2)
        assert len(candidates_beside(claim, self.VAE)) == 8

    def test_a_perfect_network_paints_the_picture_that_it_knows(self) -> None:
        space = LatentSpace((0.0,) * 4, (1.0,) * 4)
        for candidate in (edm("EDM", space, sigma_data=0.5, sign=1.0), edm("EDM", space, sigma_data=0.5, sign=-1.0)):
            picture = 0.5 * torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))

            def network(seen: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
                mix = candidate.mixing(float(torch.exp(4 * time[0])))  # noqa: B023
                return mix.p * picture + mix.q * (seen - mix.a * picture) / mix.b  # noqa: B023

            painted = paint(candidate, network, torch.randn(1, 4, 8, 8), 10)
            torch.testing.assert_close(painted, picture, rtol=1e-3, atol=1e-3)
