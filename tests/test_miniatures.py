"""Out of the box: a made sound is heard, told in words and painted by the models that come in the package."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image

from core.engine import Engine
from core.generation.protocol import Painted, Picture
from core.hearing.audio import Samples
from core.hearing.samples import birdsong, siren, thunderstorm, write_wav
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

MINIATURES = Path(__file__).parents[1] / "core" / "miniatures"


async def _imagine(engine: Engine, sound: Callable[[], Samples], directory: Path) -> Picture:
    recording = write_wav(directory / f"{sound.__name__}.wav", sound())
    events = [event async for event in engine.imagine(recording, ImagineOptions(seed=7))]
    assert isinstance(events[-1], Painted)
    return events[-1].picture


def fine_detail(image: Image.Image) -> float:
    """The share of an image's energy above a quarter of the sampling rate, at 128 pixels: white noise has 0.8."""
    grey = np.asarray(image.convert("L").resize((128, 128), Image.Resampling.BOX), np.float64)
    spectrum = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    frequency = np.abs(np.fft.fftfreq(128))
    fine = np.maximum(frequency[:, None], frequency[None, :]) > 0.25
    return float(spectrum[fine].sum() / spectrum.sum())


def test_the_measure_tells_noise_from_pictures() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    assert fine_detail(Image.fromarray(noise)) > 0.6
    assert fine_detail(Image.radial_gradient("L")) < 0.01


async def test_made_sounds_become_pictures_of_what_made_them(tmp_path: Path) -> None:
    async with Engine(CoreSettings()) as engine:
        pictures = {
            sound.__name__: await _imagine(engine, sound, tmp_path) for sound in (siren, birdsong, thunderstorm)
        }
        words = (await engine.info()).words or frozenset()
    assert {"bird", "police car", "rain"} <= words, "it says which words it knows"
    assert any(word in pictures["siren"].recipe.prompt.text for word in ("siren", "car", "ambulance", "engine"))
    assert "bird" in pictures["birdsong"].recipe.prompt.text
    assert "rain" in pictures["thunderstorm"].recipe.prompt.text
    for picture in pictures.values():
        assert picture.is_miniature
        assert picture.image.size == (512, 512)
        assert fine_detail(picture.image) < 0.05, "not noise"
        assert np.asarray(picture.image).std() > 25, "not one colour"
    pixels = [np.asarray(picture.image, np.float64) for picture in pictures.values()]
    for one in range(3):
        for other in range(one):
            assert np.abs(pixels[one] - pixels[other]).mean() > 15


async def test_the_same_sound_with_another_seed_is_another_picture_of_the_same_thing(tmp_path: Path) -> None:
    async with Engine(CoreSettings()) as engine:
        recording = write_wav(tmp_path / "birds.wav", birdsong())
        pictures = []
        for seed in (1, 2):
            events = [event async for event in engine.imagine(recording, ImagineOptions(seed=seed))]
            assert isinstance(events[-1], Painted)
            pictures.append(events[-1].picture)
    assert pictures[0].recipe.prompt == pictures[1].recipe.prompt
    assert pictures[0].image.tobytes() != pictures[1].image.tobytes()


async def test_an_adapter_made_for_the_first_revision_still_works(tmp_path: Path) -> None:
    first = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(64, 128),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        cross_attention_dim=384,
        addition_embed_type="text_time",
        addition_time_embed_dim=16,
        projection_class_embeddings_input_dim=6 * 16 + 128,
        norm_num_groups=16,
    )
    targets = ["to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2"]
    first.add_adapter(LoraConfig(r=4, lora_alpha=4, init_lora_weights=False, target_modules=targets))
    layers = get_peft_model_state_dict(first)
    StableDiffusionXLPipeline.save_lora_weights(tmp_path / "adapters" / "old", unet_lora_layers=layers)
    async with Engine(CoreSettings(adapters_dir=tmp_path / "adapters")) as engine:
        pictures = []
        for adapter in (None, "old"):
            options = ImagineOptions(seed=7, steps=4, adapter=adapter)
            events = [event async for event in engine.paint(Prompt("a dog", ""), options)]
            assert isinstance(events[-1], Painted)
            pictures.append(np.asarray(events[-1].picture.image, np.float64))
    assert np.abs(pictures[0] - pictures[1]).mean() > 1


@pytest.mark.parametrize(
    ("name", "most"), [("yamnet-mini", 2_000_000), ("playground-mini", 25_000_000), ("upscaler-mini", 100_000)]
)
def test_a_miniature_is_small_and_says_what_it_is(name: str, most: int) -> None:
    directory = MINIATURES / name
    weights = [file for file in directory.rglob("*") if file.suffix in {".tflite", ".safetensors", ".json", ".txt"}]
    assert sum(file.stat().st_size for file in weights) <= most
    card = (directory / "MODEL_CARD.md").read_text()
    for word in ("licen", "train", "weakness"):
        assert word in card.lower()
