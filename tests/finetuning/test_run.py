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
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from PIL import Image
from safetensors import safe_open
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from core.cli.progress import ProgressBars
from core.errors import CannotResume, InvalidHyperparameters, OutOfTrainingMemory, UnusableBase, UnusableData
from core.finetuning.data.encoding import encode_caption, encode_no_caption
from core.finetuning.data.prepare import GENERIC_PROMPTS
from core.finetuning.data.prior import PRIOR_PROMPTS
from core.finetuning.model.adapter_file import read_metadata
from core.finetuning.model.objective import DiscreteObjective
from core.finetuning.model.painting import EncodedPrompts, SamplingSettings
from core.finetuning.model.painting import paint as paint_encoded
from core.finetuning.run import FinetuneOptions, FinetuneResult, finetune
from core.finetuning.training.journal import EventEntry
from core.finetuning.training.readings import FIRST_SEED
from core.finetuning.training.trainer import Ending
from core.finetuning.watching import watching
from core.generation.fingerprint import weights_sha256
from tests.finetuning.conftest import TrainedRun, quick_hyperparameters
from tests.finetuning.drawings import draw
from tests.finetuning.pretraining import pretrain

MakeOptions = Callable[..., FinetuneOptions]


WITH_PRIOR = quick_hyperparameters(steps=1, prior_share=0.5, batch_size=8)


@pytest.fixture(scope="module")
def mixed(tiny_base: Path, drawings: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[FinetuneResult, Path]:
    """A run with the base's own pictures, and the cache that has them."""
    cache, out = tmp_path_factory.mktemp("cache"), tmp_path_factory.mktemp("adapters") / "mixed"
    options = FinetuneOptions(drawings, out, str(tiny_base), WITH_PRIOR, cache=cache, cpu=True)
    return finetune(options, ProgressBars()), cache


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
        self, trained: TrainedRun, tiny_base: Path
    ) -> None:
        result, options = trained.result, trained.options
        assert result.ending is Ending.FINISHED
        assert result.adapter == options.out / "pytorch_lora_weights.safetensors"
        assert result.kohya is not None
        base = paint(tiny_base, None)
        from_folder, from_file, from_kohya = (
            paint(tiny_base, path) for path in (options.out, result.adapter, result.kohya)
        )
        assert (base - from_file).abs().max() > 0.005
        assert torch.equal(from_folder, from_file)
        torch.testing.assert_close(from_kohya, from_file, rtol=0, atol=1e-5)

    def test_what_is_loaded_paints_what_the_guard_saw(self, trained: TrainedRun, tiny_base: Path) -> None:
        """The saved file is the network that was judged, alpha and all."""
        result, options = trained.result, trained.options
        pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_base)
        pipeline.set_progress_bar_config(disable=True)
        pipeline.load_lora_weights(options.out)
        assert result.kept is not None
        prompt = "a red apple on a wooden table"
        settings = SamplingSettings(options.hyperparameters.sample_steps, 3.0, 32, 32, batch_size=1)
        prompts = EncodedPrompts((encode_caption(pipeline, prompt),), encode_no_caption(pipeline))
        (image,) = paint_encoded(pipeline, prompts, [FIRST_SEED + 2], settings).images
        seen = Image.open(options.out / "training" / "samples" / result.kept.checkpoint / "2.png")
        assert np.abs(np.asarray(image, dtype=int) - np.asarray(seen, dtype=int)).max() <= 2

    def test_it_says_what_it_is(self, trained: TrainedRun, tiny_base: Path) -> None:
        result, options = trained.result, trained.options
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


class TestWhatElseIsThere:
    def test_samples_before_and_after_are_in_one_picture(self, trained: TrainedRun) -> None:
        assert trained.result.strip == trained.options.out / "before-after.png"
        with Image.open(trained.result.strip) as strip:
            above, below = (np.asarray(strip.convert("RGB"), dtype=int)[rows] for rows in (slice(256), slice(264, 520)))
            assert strip.size == (4 * 264 - 8, 2 * 264 - 8)
        assert np.abs(above - below).max() > 5

    def test_tensorboard_is_told_of_steps_and_looks(self, trained: TrainedRun) -> None:
        events = EventAccumulator(str(trained.options.out / "training" / "tensorboard"))
        events.Reload()
        assert [event.step for event in events.Scalars("step/loss")] == list(range(1, 9))
        assert [event.step for event in events.Scalars("look/held-out loss")] == [0, 1, 6, 8]

    def test_without_its_library_it_is_said_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tensorboard", None)
        monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
        said: list[str] = []
        with watching(tmp_path, said.append) as note:
            note(EventEntry(1, 0, "nobody listens"))
        assert "pip install 'imagine-sound[tensorboard]'" in said[0]
        assert not list(tmp_path.iterdir())


class TestCache:
    @pytest.mark.usefixtures("trained")
    def test_a_second_run_encodes_nothing(self, make_options: MakeOptions, bars: ProgressBars) -> None:
        options = make_options(hyperparameters=quick_hyperparameters(steps=1))
        assert options.cache is not None
        before = {path: path.stat().st_mtime_ns for path in options.cache.rglob("*.*")}
        assert before
        finetune(options, bars)
        assert {path: path.stat().st_mtime_ns for path in options.cache.rglob("*.*")} == before


class TestPrior:
    def test_the_bases_own_pictures_are_mixed_in_and_painted_once(
        self, mixed: tuple[FinetuneResult, Path], make_options: MakeOptions, bars: ProgressBars
    ) -> None:
        result, cache = mixed
        assert result.adapter is not None
        data = json.loads(read_metadata(result.adapter)["imagine_sound.data"])
        assert (data["training_images"], data["prior_images"]) == (9, 9)
        painted = sorted((cache / "prior").rglob("*.png"))
        assert len(painted) == len(PRIOR_PROMPTS)
        written = [path.stat().st_mtime_ns for path in painted]
        finetune(make_options(hyperparameters=WITH_PRIOR, cache=cache), bars)
        assert [path.stat().st_mtime_ns for path in painted] == written

    def test_another_vae_means_other_pictures_of_the_base(
        self,
        mixed: tuple[FinetuneResult, Path],
        make_options: MakeOptions,
        bars: ProgressBars,
        tiny_base: Path,
        tmp_path: Path,
    ) -> None:
        cache = shutil.copytree(mixed[1], tmp_path / "cache")
        changed = shutil.copytree(tiny_base, tmp_path / "changed")
        vae = AutoencoderKL.from_pretrained(changed / "vae")
        torch.nn.init.zeros_(vae.decoder.conv_out.weight)
        vae.save_pretrained(changed / "vae")
        finetune(make_options(base=str(changed), hyperparameters=WITH_PRIOR, cache=cache), bars)
        assert len(list((cache / "prior").iterdir())) == 2

    def test_the_guard_measures_on_other_prompts(self) -> None:
        assert not set(PRIOR_PROMPTS) & set(GENERIC_PROMPTS)


class TestOtherModels:
    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' Euler scheduler
    def test_an_sdxl_base_model_is_trained_with_its_own_objective(
        self, tiny_base: Path, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        base = shutil.copytree(tiny_base, tmp_path / "sdxl")
        scheduler = EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction"
        )
        scheduler.save_pretrained(base / "scheduler")
        config = json.loads((base / "vae" / "config.json").read_text())
        factor = 1 / float(np.mean(config["latents_std"]))
        vae = {**config, "latents_mean": None, "latents_std": None, "scaling_factor": factor}
        (base / "vae" / "config.json").write_text(json.dumps(vae))
        index = json.loads((base / "model_index.json").read_text())
        index["scheduler"] = ["diffusers", "EulerDiscreteScheduler"]
        (base / "model_index.json").write_text(json.dumps(index))
        torch.manual_seed(0)
        UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(base / "unet")).save_pretrained(base / "unet")
        pretrain(base, DiscreteObjective.from_configs({**scheduler.config, "_class_name": "Euler"}, vae), steps=150)
        result = finetune(
            make_options(base=str(base), hyperparameters=quick_hyperparameters(steps=2, check_every=2)), bars
        )
        assert result.adapter is not None
        assert read_metadata(result.adapter)["imagine_sound.objective"] == "SDXL, v_prediction"

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
        for number, size in enumerate([(40, 40), (60, 40), (40, 60)] * 6):
            draw("circle", "red", size, offset=number).save(folder / f"{number}.png")
            (folder / f"{number}.txt").write_text(f"circle number {number}")
        hyperparameters = quick_hyperparameters(
            steps=3, accumulation=2, gradient_checkpointing=True, targets="attention+ff"
        )
        result = finetune(make_options(images=folder, hyperparameters=hyperparameters), bars)
        assert result.adapter is not None
        assert "ff.net" in " ".join(_keys(result.adapter))
        assert len(re.findall(r"\d+ × \d+ \(\d+\)", result.report.read_text())) >= 3

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
        with pytest.raises(OutOfTrainingMemory, match="--vram"):
            finetune(make_options(), bars)


class TestPlace:
    def test_a_finished_run_is_not_overwritten_by_accident(
        self, trained: TrainedRun, make_options: MakeOptions, bars: ProgressBars
    ) -> None:
        options = make_options(hyperparameters=quick_hyperparameters(steps=1))
        shutil.copytree(trained.options.out, options.out)
        with pytest.raises(CannotResume, match="--restart"):
            finetune(options, bars)
        assert finetune(replace(options, restart=True), bars).ending is Ending.FINISHED

    def test_its_own_pictures_are_not_learnt_from(self, make_options: MakeOptions, drawings: Path) -> None:
        for place in ({"out": drawings / "adapter"}, {"cache": drawings / "cache"}):
            with pytest.raises(UnusableData, match="would be learnt from"):
                make_options(**place)

    def test_a_run_of_an_older_version_is_not_resumed(self, make_options: MakeOptions, bars: ProgressBars) -> None:
        options = make_options()
        (options.out / "training" / "checkpoints").mkdir(parents=True)
        with pytest.raises(CannotResume, match="--restart"):
            finetune(options, bars)
        with pytest.raises(CannotResume, match="older version; --restart begins anew"):
            finetune(replace(options, resume=True), bars)

    def test_there_must_be_something_to_resume(self, make_options: MakeOptions, bars: ProgressBars) -> None:
        with pytest.raises(CannotResume, match="no run to resume"):
            finetune(make_options(resume=True), bars)


def _keys(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())
