"""What a picture of SD-Turbo takes on this processor, and what is told before it: `python -m benchmarks.turbo`.

The network has its true shapes and random weights (2.5 GB of memory in two-byte floats, twice that in others), so that
nothing is fetched; its pictures are noise. Told and taken are measured in turns, both in this thread's processor time,
and the quickest of each is compared.
`--dtype` and `--own-decoder` show what two-byte floats and the tiny decoder save.
"""

import argparse
import time

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from core.catalogue import catalogue
from core.generation.checkpoint import best_values
from core.generation.limits import recipe_for
from core.generation.processor import give_way, picture_seconds, quickest_dtype
from core.generation.protocol import GenerationRequest
from core.generation.stock import StockModel
from core.models import ModelStore
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

SD_TURBO = catalogue()["sd-turbo"]


def random_turbo(dtype: torch.dtype, *, own_decoder: bool) -> StableDiffusionPipeline:
    """SD-Turbo's shapes, with random weights."""
    words = ModelStore(CoreSettings(image_model="auto", download_models=False)).image_model(on_gpu=False).path
    blocks = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            attention_head_dim=(5, 10, 20, 20),
            cross_attention_dim=1024,
            use_linear_projection=True,
        )
        own = AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, **blocks)
    text = CLIPTextConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=23, num_attention_heads=16)
    parts = {"unet": unet, "vae": own if own_decoder else AutoencoderTiny()}
    for name, part in parts.items():
        parts[name] = part.to(dtype).to_empty(device="cpu").eval()
        for weight in parts[name].state_dict().values():
            if weight.is_floating_point():
                weight.normal_(std=0.02)
    pipeline = StableDiffusionPipeline(
        **parts,
        text_encoder=CLIPTextModel(text).to(dtype).eval(),
        tokenizer=CLIPTokenizer.from_pretrained(words / "tokenizer", model_max_length=77),
        scheduler=EulerDiscreteScheduler(timestep_spacing="trailing", steps_offset=1, beta_schedule="scaled_linear"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    if not own_decoder:
        pipeline.vae.to(memory_format=torch.channels_last)
    return pipeline


def main() -> None:
    """Measure in turns, as the painting thread does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--dtype", choices=("bfloat16", "float32"))
    parser.add_argument("--own-decoder", action="store_true")
    chosen = parser.parse_args()
    dtype = getattr(torch, chosen.dtype) if chosen.dtype else quickest_dtype()
    give_way(torch.device("cpu"))
    pipeline = random_turbo(dtype, own_decoder=chosen.own_decoder)
    values = best_values(pipeline, SD_TURBO.official.address, None)
    assert values.size is not None
    model = StockModel(pipeline, SD_TURBO.official.address, "random", values)
    recipe = recipe_for(GenerationRequest(Prompt("a dog", ""), seed=0), model.info())
    told, taken = [], []
    for _ in range(chosen.turns):
        told.append(picture_seconds(pipeline, values.size, steps=values.steps, guided=False) or 0)
        began = time.thread_time()
        model.paint(recipe, lambda step: None)
        taken.append(time.thread_time() - began)
    print(
        f"{dtype}, {torch.get_num_threads()} threads: told {min(told):.1f} s, taken {min(taken):.1f} s: "
        f"{min(taken) / min(told):.2f} times as long"
    )


if __name__ == "__main__":
    main()
