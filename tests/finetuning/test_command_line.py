"""`imagine-sound finetune`: its arguments, what it tells, and how spans of time are read."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from core.cli import finetune, stopping
from core.cli.training_arguments import add_finetune_arguments
from core.errors import CannotResume, InvalidHyperparameters, WrongSetting
from core.finetuning.training.settings import read_settings


class TestCommandLine:
    def parse(self, *arguments: str) -> argparse.Namespace:
        parser = argparse.ArgumentParser()
        add_finetune_arguments(parser)
        return parser.parse_args(arguments)

    def test_the_short_form_has_sensible_defaults(self) -> None:
        options = finetune.options_from(self.parse("--images", "photos", "--out", "adapters/hands", "--cpu"))
        assert options.hyperparameters.precision == "fp32"
        assert options.hyperparameters.alpha == options.hyperparameters.rank == 16
        assert options.hyperparameters.learning_rate == 1e-4
        assert not options.find_rate

    def test_one_folder_is_enough(self) -> None:
        options = finetune.options_from(self.parse("some/photos/", "--cpu"))
        assert (options.images, options.out) == (Path("some/photos"), Path("adapters/photos"))
        assert options.choose_steps
        assert not finetune.options_from(self.parse("photos", "--cpu", "--steps", "500")).choose_steps
        with pytest.raises(InvalidHyperparameters, match="imagine-sound finetune photos/"):
            finetune.options_from(self.parse("--cpu"))

    def test_a_run_from_the_command_line_tells_where_things_are(
        self, tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "adapters" / "shapes"
        words = f"--images {drawings} --out {out} --base {tiny_base} --cache {shared_cache} --cpu --steps 4 --rank 4"
        words += " --batch-size 2 --held-out 0.25 --sample-steps 2 --check-every 2 --stop-after 11h --prompt circle"
        assert finetune.run(self.parse(*words.split())) == 0
        told = capsys.readouterr().err.replace("\n", "")
        assert "pytorch_lora_weights.safetensors" in told
        assert "watch it: " in told
        assert "index.html" in told
        assert "before-after.png" in told
        assert "9 pictures to learn from, 3 held out, 4 steps" in told
        assert "imagine-sound imagine dog.m4a --adapter shapes" in told

        options = finetune.options_from(self.parse("--resume", str(out), "--cpu", "--check-every", "3", "--steps", "6"))
        assert options.images == drawings
        assert options.prompts == ("circle",)
        assert (options.hyperparameters.rank, options.hyperparameters.alpha) == (4, 4.0)
        assert (options.hyperparameters.steps, options.hyperparameters.earlier_steps) == (6, (4,))
        assert finetune.run(self.parse("--resume", str(out), "--cpu", "--check-every", "3", "--steps", "6")) == 0
        assert "resumed at step 4" in capsys.readouterr().err
        settings = read_settings(out / "training")
        assert settings is not None
        assert settings.changes == ({"steps": 4, "earlier_steps": [], "check_every": 2},)
        with pytest.raises(CannotResume, match="--rank was 4"):
            finetune.run(self.parse("--resume", str(out), "--cpu", "--rank", "8"))

    def test_without_settings_there_is_nothing_to_resume(self, tmp_path: Path) -> None:
        with pytest.raises(CannotResume, match="no run to resume"):
            finetune.options_from(self.parse("--resume", str(tmp_path), "--cpu"))
        (tmp_path / "training").mkdir()
        (tmp_path / "training" / "settings.json").write_text("{")
        with pytest.raises(CannotResume, match="cannot be understood"):
            finetune.options_from(self.parse("--resume", str(tmp_path), "--cpu"))

    def test_a_plan_trains_nothing(
        self, tiny_base: Path, drawings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "shapes"
        assert (
            finetune.run(self.parse(str(drawings), "--base", str(tiny_base), "--out", str(out), "--cpu", "--plan")) == 0
        )
        told = capsys.readouterr().out
        assert "12 pictures to learn from, none held out, 300 steps" in told
        assert "on a GPU, GiB: encode" in told
        assert not out.exists()

    def test_memory_is_chosen_by_the_card_or_by_the_person(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (23 * 2**30, 24 * 2**30))

        def card(*arguments: str) -> float | None:
            return finetune.options_from(self.parse("photos", "--base", "x", *arguments)).card

        assert card() == card("--vram", "auto") == 23
        assert card("--vram", "12") == 12
        assert card("--batch-size", "2") is None
        assert card("--gradient-checkpointing") is None
        with pytest.raises(InvalidHyperparameters, match="--vram does not go with --batch-size"):
            card("--vram", "12", "--batch-size", "2")
        with pytest.raises(InvalidHyperparameters, match="--vram does not go with --cpu"):
            card("--vram", "12", "--cpu")

    def test_a_rate_or_time_that_is_none_is_refused(self) -> None:
        arguments = ("--images", "a", "--out", "b", "--cpu")
        with pytest.raises(InvalidHyperparameters, match="number such as 1e-4"):
            finetune.options_from(self.parse(*arguments, "--learning-rate", "fast"))
        with pytest.raises(InvalidHyperparameters, match="--stop-after"):
            finetune.run(self.parse(*arguments, "--stop-after", "soon"))

    def test_a_wrong_setting_is_told_in_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the base model is not given it comes from the settings, and these may be wrong."""
        monkeypatch.setenv("MAX_SECONDS", "long")
        with pytest.raises(WrongSetting, match="MAX_SECONDS is wrong"):
            finetune.options_from(self.parse("--images", "a", "--out", "b", "--cpu"))

    def test_help_loads_no_model_library(self) -> None:
        code = (
            "import argparse, sys; from core.cli import arguments;"
            "arguments.add_finetune_arguments(argparse.ArgumentParser());"
            "arguments.add_evaluate_arguments(argparse.ArgumentParser());"
            "assert not {'torch', 'diffusers', 'mediapipe', 'scipy'} & set(sys.modules)"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("text", "seconds"), [("11h", 39600), ("90m", 5400), ("1h30m", 5400), ("45s", 45), ("0.5h", 1800)]
)
def test_spans_of_time_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert stopping.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "11", "h", "0h", "-1h", "eleven hours"])
def test_anything_else_is_no_span_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        stopping.seconds_of(text)
