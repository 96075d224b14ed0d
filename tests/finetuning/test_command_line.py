"""`imagine-sound finetune`: its arguments, what it tells, and how spans of time are read."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from core.cli import finetune
from core.cli.arguments import add_finetune_arguments
from core.errors import InvalidHyperparameters, WrongSetting


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

    def test_a_run_from_the_command_line_tells_where_things_are(
        self, tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        out = tmp_path / "adapters" / "shapes"
        words = f"--images {drawings} --out {out} --base {tiny_base} --cache {shared_cache} --cpu --steps 2 --rank 4"
        words += " --batch-size 2 --held-out 0.25 --sample-steps 2 --check-every 2 --stop-after 11h --prompt circle"
        assert finetune.run(self.parse(*words.split())) == 0
        told = capsys.readouterr().err
        assert "pytorch_lora_weights.safetensors" in told.replace("\n", "")
        assert "report.html" in told.replace("\n", "")

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
    assert finetune.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "11", "h", "0h", "-1h", "eleven hours"])
def test_anything_else_is_no_span_of_time(text: str) -> None:
    with pytest.raises(ValueError, match="no span of time"):
        finetune.seconds_of(text)
