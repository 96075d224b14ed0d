"""A whole fine-tuning, from a folder to an adapter that other programs can load."""

import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from core.cli.progress import ProgressBars
from core.errors import CannotResume, InvalidHyperparameters, OutOfTrainingMemory, UnusableBase
from core.finetuning.data.encoding import encode_caption, encode_no_caption
from core.finetuning.data.prepare import GENERIC_PROMPTS, PRIOR_PROMPTS
from core.finetuning.model.adapter_file import read_metadata
from core.finetuning.model.network import best_precision, weights_sha256
from core.finetuning.model.painting import EncodedPrompts, SamplingSettings
from core.finetuning.model.painting import paint as paint_encoded
from core.finetuning.run import FinetuneOptions, FinetuneResult, finetune
from core.finetuning.training.readings import FIRST_SEED
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import quick_hyperparameters
from tests.finetuning.drawings import draw
from tests.tiny_pipeline import build_tiny_pipeline

MakeOptions = Callable[..., FinetuneOptions]


@pytest.fixture(scope="module")
def trained(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[FinetuneResult, FinetuneOptions]:
    """One run that several tests look at; its rate is so high that the adapter visibly does something."""
    hyperparameters = quick_hyperparameters(learning_rate=3e-2, alpha=8.0, alarm_ratio=9.0, check_every=8)
    out = tmp_path_factory.mktemp("adapters") / "shapes"
    options = FinetuneOptions(drawings, out, str(tiny_base), hyperparameters, cache=shared_cache, kohya=True, cpu=True)
    return finetune(options, ProgressBars()), options


def paint(base: Path, adapter: Path | None) -> torch.Tensor:
    pipeline = StableDiffusionXLPipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    if adapter is not None:
        pipeline.load_lora_weights(adapter)
    images: torch.Tensor = pipeline(
        "a red circle", num_inference_steps=3, generator=torch.Generator().manual_seed(0), output_type="pt"
    ).images
    return images


class TestAdapter:
    def test_stock_diffusers_loads_both_formats_and_both_paint_the_same(
        self, trained: tuple[FinetuneResult, FinetuneOptions], tiny_base: Path
    ) -> None:
        result, options = trained
        assert result.ending is Ending.FINISHED
        assert result.adapter == options.out / "pytorch_lora_weights.safetensors"
        assert result.kohya is not None
        base = paint(tiny_base, None)
        from_folder, from_file, from_kohya = (
            paint(tiny_base, path) for path in (options.out, result.adapter, result.kohya)
        )
        assert (base - from_file).abs().max() > 0.01
        assert torch.equal(from_folder, from_file)
        torch.testing.assert_close(from_kohya, from_file, rtol=0, atol=1e-5)

    def test_what_is_loaded_paints_what_the_guard_saw(
        self, trained: tuple[FinetuneResult, FinetuneOptions], tiny_base: Path
    ) -> None:
        """The saved file is the network that was judged, alpha and all."""
        _, options = trained
        pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_base)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.load_lora_weights(options.out)
        prompt = "a red apple on a wooden table"
        settings = SamplingSettings(options.hyperparameters.sample_steps, 3.0, 32, 32, batch_size=1)
        prompts = EncodedPrompts((encode_caption(pipeline, prompt),), encode_no_caption(pipeline))
        (image,) = paint_encoded(pipeline, prompts, [FIRST_SEED + 2], settings).images
        seen = Image.open(options.out / "training" / "samples" / "attempt-0-step-000008" / "2.png")
        assert np.abs(np.asarray(image, dtype=int) - np.asarray(seen, dtype=int)).max() <= 2

    def test_it_says_what_it_is(self, trained: tuple[FinetuneResult, FinetuneOptions], tiny_base: Path) -> None:
        result, options = trained
        assert result.adapter is not None
        assert result.kohya is not None
        for path in (result.adapter, result.kohya):
            assert path.stat().st_mode & 0o044 == 0o044, "the bot may run as another user"
            metadata = read_metadata(path)
            assert metadata["imagine_sound.base_unet_sha256"] == weights_sha256(tiny_base / "unet")
            assert json.loads(metadata["imagine_sound.recipe"])["rank"] == options.hyperparameters.rank
            data = json.loads(metadata["imagine_sound.data"])
            assert data["training_images"] == 9
            assert data["split_by_subject"] is True
            assert "EDM" in metadata["imagine_sound.objective"]
            assert str(options.images.parent) not in json.dumps(metadata)
        assert read_metadata(result.kohya)["ss_network_alpha"] == "8.0"

    def test_the_report_is_one_page_without_outside_files(
        self, trained: tuple[FinetuneResult, FinetuneOptions]
    ) -> None:
        page = trained[0].report.read_text(encoding="utf-8")
        sources = re.findall(r'(?:src|href)="([^"]*)"', page)
        assert len([source for source in sources if source.startswith("data:image/jpeg")]) == 8
        assert all(source.startswith(("data:", "#")) for source in sources)
        assert page.count("<svg") == 3
        assert "http" not in re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL)
        for text in ("Before and after", "a mountain lake at sunrise", "9 to learn from, 3 held out", "learning_rate"):
            assert text in page


class TestCache:
    def test_a_second_run_encodes_nothing(
        self, make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        finetune(make_options(hyperparameters=quick_hyperparameters(steps=1)), bars)

        def never(*_: object, **__: object) -> None:
            raise AssertionError("the VAE was used to encode again")

        monkeypatch.setattr(AutoencoderKL, "encode", never)
        finetune(make_options(hyperparameters=quick_hyperparameters(steps=1), out=tmp_path / "second"), bars)


class TestPrior:
    def test_the_bases_own_pictures_are_mixed_in_and_painted_once(
        self, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        hyperparameters = quick_hyperparameters(steps=1, prior_share=0.5, batch_size=8)
        result = finetune(make_options(hyperparameters=hyperparameters, cache=tmp_path / "cache"), bars)
        assert result.adapter is not None
        data = json.loads(read_metadata(result.adapter)["imagine_sound.data"])
        assert (data["training_images"], data["prior_images"]) == (9, 9)
        painted = sorted((tmp_path / "cache" / "prior").rglob("*.png"))
        assert len(painted) == len(PRIOR_PROMPTS)
        written = [path.stat().st_mtime_ns for path in painted]
        finetune(make_options(hyperparameters=hyperparameters, cache=tmp_path / "cache", out=tmp_path / "again"), bars)
        assert [path.stat().st_mtime_ns for path in painted] == written

    def test_another_vae_means_other_pictures_of_the_base(
        self, make_options: MakeOptions, bars: ProgressBars, tiny_base: Path, tmp_path: Path
    ) -> None:
        hyperparameters = quick_hyperparameters(steps=1, prior_share=0.5, batch_size=8)
        changed = shutil.copytree(tiny_base, tmp_path / "changed")
        vae = AutoencoderKL.from_pretrained(changed / "vae")
        torch.nn.init.zeros_(vae.decoder.conv_out.weight)
        vae.save_pretrained(changed / "vae")
        for number, base in enumerate((tiny_base, changed)):
            out, cache = tmp_path / f"adapter {number}", tmp_path / "cache"
            finetune(make_options(base=str(base), hyperparameters=hyperparameters, cache=cache, out=out), bars)
        assert len(list((tmp_path / "cache" / "prior").iterdir())) == 2

    def test_the_guard_measures_on_other_prompts(self) -> None:
        assert not set(PRIOR_PROMPTS) & set(GENERIC_PROMPTS)


class TestOtherModels:
    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' Euler scheduler
    def test_an_sdxl_base_model_is_trained_with_its_own_objective(
        self, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        base = build_tiny_pipeline(tmp_path / "sdxl")
        EulerDiscreteScheduler(beta_schedule="scaled_linear").save_pretrained(base / "scheduler")
        config = json.loads((base / "vae" / "config.json").read_text())
        (base / "vae" / "config.json").write_text(
            json.dumps({**config, "latents_mean": None, "latents_std": None, "scaling_factor": 0.13025})
        )
        index = json.loads((base / "model_index.json").read_text())
        index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
        (base / "model_index.json").write_text(json.dumps(index))
        result = finetune(
            make_options(base=str(base), hyperparameters=quick_hyperparameters(steps=2, check_every=2)), bars
        )
        assert result.adapter is not None
        assert read_metadata(result.adapter)["imagine_sound.objective"] == "SDXL, epsilon"

    def test_a_folder_that_is_no_model_is_refused_in_a_sentence(
        self, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        with pytest.raises(UnusableBase, match="cannot be loaded"):
            finetune(make_options(base=str(tmp_path)), bars)


class TestSettings:
    def test_accumulation_aspects_gradient_checkpointing_and_wide_targets_work_together(
        self, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        folder = tmp_path / "mixed"
        folder.mkdir()
        for number, size in enumerate([(40, 40), (60, 40), (40, 60), (64, 40), (40, 44), (48, 48)]):
            draw("circle", "red", size, offset=number).save(folder / f"{number}.png")
            (folder / f"{number}.txt").write_text(f"circle number {number}")
        hyperparameters = quick_hyperparameters(
            steps=3, accumulation=2, gradient_checkpointing=True, targets="attention+ff"
        )
        result = finetune(make_options(images=folder, hyperparameters=hyperparameters), bars)
        assert result.adapter is not None
        assert "ff.net" in " ".join(_keys(result.adapter))
        assert len(re.findall(r"\d+ × \d+ \(\d+\)", result.report.read_text())) >= 3

    def test_bf16_trains_the_adapter_in_fp32(self, make_options: MakeOptions, bars: ProgressBars) -> None:
        result = finetune(make_options(hyperparameters=quick_hyperparameters(steps=2, precision="bf16")), bars)
        assert result.adapter is not None
        assert {value.dtype for value in load_file(result.adapter).values()} == {torch.float32}

    def test_a_rate_is_found_and_kept_when_resuming(self, make_options: MakeOptions, bars: ProgressBars) -> None:
        asked = iter([False, False, True])
        options = make_options(hyperparameters=quick_hyperparameters(steps=4), find_rate=True, rate_steps=40)
        stopped = finetune(options, bars, lambda: next(asked))
        assert stopped.ending is Ending.STOPPED
        found = json.loads((options.out / "training" / "learning_rate.json").read_text())["learning_rate"]
        assert 1e-6 < found < 1e-2
        finished = finetune(replace(options, resume=True), bars)
        assert finished.ending is Ending.FINISHED
        assert finished.adapter is not None
        assert json.loads(read_metadata(finished.adapter)["imagine_sound.recipe"])["learning_rate"] == found

    def test_eight_bit_adam_without_its_library_is_refused(
        self, make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "bitsandbytes", None)
        monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
        with pytest.raises(InvalidHyperparameters, match="pip install bitsandbytes"):
            finetune(make_options(hyperparameters=quick_hyperparameters(optimizer="adamw8bit")), bars)

    def test_a_resolution_that_does_not_fit_the_network_is_refused(
        self, make_options: MakeOptions, bars: ProgressBars
    ) -> None:
        with pytest.raises(InvalidHyperparameters, match="multiple of 4"):
            finetune(make_options(hyperparameters=quick_hyperparameters(resolution=34)), bars)

    def test_too_little_memory_is_told_with_what_to_do(
        self, make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def too_large(*_: object, **__: object) -> None:
            raise torch.OutOfMemoryError("no memory left")

        monkeypatch.setattr("core.finetuning.model.painting.StableDiffusionXLPipeline.__call__", too_large)
        with pytest.raises(OutOfTrainingMemory, match="--gradient-checkpointing"):
            finetune(make_options(), bars)

    def test_without_a_gpu_the_cpu_must_be_wanted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(InvalidHyperparameters, match="--cpu"):
            best_precision("auto", cpu=False)
        assert best_precision("auto", cpu=True) == "fp32"


class TestPlace:
    def test_a_finished_run_is_not_overwritten_by_accident(self, make_options: MakeOptions, bars: ProgressBars) -> None:
        options = make_options(hyperparameters=quick_hyperparameters(steps=1))
        finetune(options, bars)
        with pytest.raises(CannotResume, match="--restart"):
            finetune(options, bars)
        assert finetune(replace(options, restart=True), bars).ending is Ending.FINISHED

    def test_there_must_be_something_to_resume(self, make_options: MakeOptions, bars: ProgressBars) -> None:
        with pytest.raises(CannotResume, match="no run to resume"):
            finetune(make_options(resume=True), bars)


def _keys(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())
