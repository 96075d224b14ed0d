"""Without a GPU: SD-Turbo is fetched with its tiny decoder, paints from then on, and tells first how long it takes."""

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderTiny,
    EDMDPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from core import catalogue, models, official
from core.cli import pulling
from core.cli.main import main
from core.engine import Engine
from core.errors import DownloadFailed
from core.events import Event
from core.fetching import ModelFile
from core.generation import processor
from core.generation.factory import make_generator
from core.generation.processor import (
    PLAYGROUND_OPERATIONS,
    SD_TURBO_OPERATIONS,
    operations_a_second,
    operations_of_picture,
)
from core.generation.protocol import Painted, Painting, Picture, Queued, about
from core.generation.stock import StockGenerator
from core.located import Origin
from core.models import ModelStore
from core.official import PLAYGROUND, TAESD
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.settings import CoreSettings
from tests.generation.scripted import Asker
from tests.hub_server import COMMIT, Hub, serving
from tests.tiny_pipeline import build_tiny_tokenizer
from tests.tiny_turbo import build_tiny_taesd, build_tiny_turbo

SD_TURBO = catalogue.catalogue()["sd-turbo"]
DOG = Prompt("a dog", "")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All files of both, at the names that they are published under."""
    place = tmp_path_factory.mktemp("turbo")
    turbo, taesd = build_tiny_turbo(place / "turbo"), build_tiny_taesd(place / "taesd")
    listed = {file.name: (turbo / file.name).read_bytes() for file in SD_TURBO.official.files}
    return listed | {file.name: (taesd / file.name).read_bytes() for file in TAESD.files}


@pytest.fixture
def hub(published: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with both; nothing else is known of them than of the real ones but their commit, and TAESD's size."""
    small = replace(SD_TURBO, official=replace(SD_TURBO.official, commit=COMMIT))
    monkeypatch.setattr(catalogue, "catalogue", lambda: {"sd-turbo": small})
    taesd = replace(TAESD, commit=COMMIT, files=tuple(ModelFile(file.name) for file in TAESD.files))
    for module in (official, models, pulling):
        monkeypatch.setattr(module, "TINY_DECODERS", {"taesd": taesd})
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
    with serving(dict(published), tmp_path / "hub", monkeypatch) as made:
        yield made


def painted(settings: CoreSettings) -> tuple[Picture, StockGenerator]:
    generator = make_generator(settings, ModelStore(settings))
    assert isinstance(generator, StockGenerator)
    with closing(generator):
        asker = Asker(generator, "a dog")
        event = asker.end()
    assert isinstance(event, Painted)
    assert [event for event in asker.seen if isinstance(event, Painting)] == [Painting(0, 1), Painting(1, 1)]
    return event.picture, generator


def test_after_it_was_pulled_auto_paints_with_it_in_one_step_of_512(
    hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = CoreSettings()
    assert ModelStore(settings).image_model(on_gpu=False).is_miniature
    assert main(["models", "pull", "sd-turbo"]) == 0
    assert set(hub.sent) == set(hub.files)
    assert capsys.readouterr().out.splitlines()[:2] == [
        "SD-Turbo, which paints with about 4 GB of a GPU or without one: Stability AI Community License, about 2.6 GB",
        "TAESD, which decodes its pictures on a processor: MIT, about 10 MB",
    ]
    located = ModelStore(settings).image_model(on_gpu=False)
    assert (located.name, located.origin, located.revision) == ("stabilityai/sd-turbo", Origin.HUB, COMMIT)
    picture, generator = painted(settings)
    recipe = picture.recipe
    assert picture.image.size == recipe.size == (512, 512)
    assert (recipe.steps, recipe.guidance) == (1, 0)
    assert (recipe.model, recipe.revision) == ("stabilityai/sd-turbo", f"{COMMIT}+taesd")
    assert generator.info().picture_s is None  # so small a network is done before it could be told


def test_on_a_gpu_it_is_no_playground_and_has_to_be_named(hub: Hub) -> None:
    ModelStore(CoreSettings()).pull_known(catalogue.catalogue()["sd-turbo"])
    assert ModelStore(CoreSettings()).image_model(on_gpu=True).is_miniature


def test_without_its_tiny_decoder_it_decodes_with_its_own_and_the_log_says_what_lacks(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    ModelStore(CoreSettings()).pull_known(catalogue.catalogue()["sd-turbo"])
    picture, _ = painted(CoreSettings())
    assert picture.recipe.revision == COMMIT
    assert "TAESD is not here" in caplog.text
    assert "`imagine-sound models pull sd-turbo` fetches it." in caplog.text


def test_a_broken_tiny_decoder_is_not_used(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    assert main(["models", "pull", "sd-turbo"]) == 0
    (CoreSettings().model_cache / "taesd" / "config.json").write_text("{")
    picture, _ = painted(CoreSettings())
    assert picture.recipe.revision == COMMIT
    assert "cannot load taesd; pictures are decoded more slowly" in caplog.text


def test_in_two_byte_floats_a_seed_paints_the_same_picture(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["models", "pull", "sd-turbo"]) == 0
    pictures = []
    for has in (True, False):
        monkeypatch.setattr(processor, "has_bf16", lambda has=has: has)
        pictures.append(np.asarray(painted(CoreSettings())[0].image, np.float64))
    difference = np.abs(pictures[0] - pictures[1])
    assert 0 < difference.mean() < 0.05 * np.std(pictures[1])


def test_bfloat16_is_for_processors_that_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for abilities, dtype in (
        ({"avx2": True}, torch.float32),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": False, "avx512_bf16": False}, torch.float32),
        ({"neon": True, "bf16": True}, torch.bfloat16),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda abilities=abilities: abilities)
        assert processor.quickest_dtype() is dtype


async def test_how_long_a_picture_takes_is_told_before_the_first(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the tiny network were worth it, on a processor that does a billion operations a second."""
    assert main(["models", "pull", "sd-turbo"]) == 0
    monkeypatch.setattr(processor, "LARGE", 0)
    monkeypatch.setattr(processor, "operations_a_second", lambda dtype: 1e9)
    async with Engine(CoreSettings()) as engine:
        events: list[Event] = [event async for event in engine.paint(DOG, ImagineOptions(seed=1))]
        expected = (await engine.info()).picture_s
    assert expected is not None
    assert expected == pytest.approx(run_operations() / 1e9, rel=0.03)  # encoding the prompt is left out
    begun = next(index for index, event in enumerate(events) if isinstance(event, Painting))
    assert Queued(1, expected) in events[:begun]


def run_operations() -> int:
    """What is counted while the pipeline paints as it does here."""
    store = ModelStore(CoreSettings())
    pipeline = StableDiffusionPipeline.from_pretrained(store.image_model(on_gpu=False).source, variant="fp16")
    pipeline.vae = AutoencoderTiny.from_pretrained(store.tiny_decoder(catalogue.catalogue()["sd-turbo"]).source)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # the others are not counted
        pipeline("a dog", num_inference_steps=1, guidance_scale=0.0)
    return int(counter.get_total_flops())


def test_the_command_line_tells_it_too(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["models", "pull", "sd-turbo"]) == 0
    monkeypatch.setattr(processor, "LARGE", 0)
    monkeypatch.setattr(processor, "operations_a_second", lambda dtype: 1e6)
    assert main(["imagine", "--prompt", "a dog", "--out", str(tmp_path / "dog.png")]) == 0
    assert "Time:   about " in capsys.readouterr().out
    assert main(["imagine", "--prompt", "a dog", "--json", "--out", str(tmp_path / "again.png")]) == 0
    assert '"picture_s": ' in capsys.readouterr().out
    monkeypatch.setenv("IMAGE_MODEL", "sd-turbo")
    monkeypatch.setattr(processor, "operations_a_second", lambda dtype: 0.0945e12)
    main(["doctor"])
    assert "a picture takes about 10 s here" in capsys.readouterr().out.replace("\n", " ")


def test_whoever_names_playground_on_a_processor_is_told_the_hours_before_anything_is_fetched(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[dict[str, int]] = []

    def rate(dtype: torch.dtype) -> float:
        sent.append(dict(hub.sent))
        return 100e9

    monkeypatch.setattr(processor, "operations_a_second", rate)
    settings = CoreSettings(image_model=PLAYGROUND, download_models=True)
    with pytest.raises(DownloadFailed):  # this hub has none
        make_generator(settings, ModelStore(settings))
    assert sent == [{}]
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("on this processor a picture will take about 1.9 hours" in line for line in warned)
    assert any("models pull sd-turbo" in line for line in warned)


@pytest.mark.parametrize(
    ("seconds", "says"),
    [(0.2, "about 1 s"), (12.4, "about 12 s"), (200, "about 3 minutes"), (6870, "about 1.9 hours")],
)
def test_it_is_told_no_more_exactly_than_it_is_known(seconds: float, says: str) -> None:
    assert about(seconds) == says


def test_the_speed_of_this_processor_is_plausible() -> None:
    assert 1e8 < operations_a_second(torch.float32) < 1e14


def test_operations_are_those_of_the_true_shapes(tmp_path: Path) -> None:
    tokenizer = build_tiny_tokenizer(tmp_path)
    turbo, playground = true_turbo(tokenizer), true_playground(tokenizer)
    assert operations_of_picture(turbo, (512, 512), steps=1, guided=False) == pytest.approx(3.32e12, rel=0.01)
    assert operations_of_picture(playground, (1024, 1024), steps=50, guided=True) == pytest.approx(
        PLAYGROUND_OPERATIONS, rel=0.01
    )
    with torch.device("meta"):
        turbo.vae = AutoencoderTiny()
    assert operations_of_picture(turbo, (512, 512), steps=1, guided=False) == pytest.approx(
        SD_TURBO_OPERATIONS, rel=0.01
    )
    assert pytest.approx(700, rel=0.05) == PLAYGROUND_OPERATIONS / SD_TURBO_OPERATIONS


def true_turbo(tokenizer: CLIPTokenizer) -> StableDiffusionPipeline:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64,
            block_out_channels=(320, 640, 1280, 1280),
            attention_head_dim=(5, 10, 20, 20),
            cross_attention_dim=1024,
            use_linear_projection=True,
        )
        vae = true_autoencoder()
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=None,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=EulerDiscreteScheduler(timestep_spacing="trailing", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def true_playground(tokenizer: CLIPTokenizer) -> StableDiffusionXLPipeline:
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=128,
            block_out_channels=(320, 640, 1280),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 2, 10),
            attention_head_dim=(5, 10, 20),
            cross_attention_dim=2048,
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=256,
            projection_class_embeddings_input_dim=2816,
        )
        vae = true_autoencoder()
        encoder = CLIPTextModelWithProjection(CLIPTextConfig(projection_dim=1280, num_hidden_layers=1))
    return StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=None,
        text_encoder_2=encoder,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=EDMDPMSolverMultistepScheduler(),
        add_watermarker=False,
    )


def true_autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
    )
