"""On a model that can paint: the bundled miniature learns a subject that it has never seen, and keeps what it knew."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from core.cli.progress import ProgressBars
from core.finetuning.run import FinetuneOptions, finetune
from docs.finetuning_example import MINIATURE, SCARVES, draw_snowman
from tests.finetuning.conftest import quick_hyperparameters

pytestmark = pytest.mark.skipif(not (MINIATURE / "unet").is_dir(), reason="the bundled miniature is not there")


@pytest.fixture
def snowmen(tmp_path: Path) -> Path:
    folder = tmp_path / "snowmen"
    folder.mkdir()
    draw = random.Random(0)
    for number in range(18):
        colour = list(SCARVES)[number % len(SCARVES)]
        draw_snowman(SCARVES[colour], draw).save(folder / f"{number:02d}.png")
        (folder / f"{number:02d}.txt").write_text(f"a snowman with a {colour} scarf")
    return folder


def paint(pipeline: StableDiffusionXLPipeline, prompt: str) -> np.ndarray:
    image: np.ndarray = pipeline(
        prompt,
        num_inference_steps=8,
        guidance_scale=3.0,
        generator=torch.Generator().manual_seed(1),
        output_type="np",
    ).images[0]
    return image


def test_a_few_steps_teach_the_miniature_what_a_snowman_is(snowmen: Path, tmp_path: Path, bars: ProgressBars) -> None:
    hyperparameters = quick_hyperparameters(
        steps=30,
        rank=16,
        alpha=16.0,
        targets="captions",
        learning_rate=4e-3,
        warmup_steps=5,
        batch_size=8,
        ema_decay=0.8,
        held_out=0.12,
        check_every=1000,
    )
    out = tmp_path / "adapters" / "snowman"
    result = finetune(FinetuneOptions(snowmen, out, str(MINIATURE), hyperparameters, cpu=True), bars)

    assert result.adapter is not None
    assert result.state.base is not None
    assert result.state.best_loss < 0.6 * result.state.base.reading.held_out_mean, "it has learnt what it was shown"

    pipeline = StableDiffusionXLPipeline.from_pretrained(MINIATURE, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    prompts = ("a snowman with a red scarf", "a dog on a beach")
    before = [paint(pipeline, prompt) for prompt in prompts]
    pipeline.load_lora_weights(out)
    after = [paint(pipeline, prompt) for prompt in prompts]
    snowman = np.mean(
        [np.asarray(draw_snowman(SCARVES["red"], random.Random(n)).resize((256, 256))) for n in range(8)], 0
    )
    distances = [float(np.abs(image - snowman / 255).mean()) for image in (before[0], after[0])]
    assert distances[1] < 0.9 * distances[0], "its snowman looks more like one"
    changes = [float(np.abs(one - two).mean()) for one, two in zip(before, after, strict=True)]
    assert changes[1] < changes[0], "a dog changed less than a snowman"
