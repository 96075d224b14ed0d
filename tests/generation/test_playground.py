"""Painting with a real (tiny) SDXL pipeline: checks, previews, adapters, recipes, memory and other models."""

import io
import os
import queue
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    DiffusionPipeline,
    EDMEulerScheduler,
    StableDiffusionXLPipeline,
)
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image

from core.errors import Cancelled, InvalidOptions, ModelMissing, ModelUnusable, OutOfMemory
from core.generation.batcher import Batcher
from core.generation.factory import make_generator
from core.generation.loading import is_sdxl_edm, within_memory
from core.generation.preview import Previewer, normalise
from core.generation.processor import PAINTING_NICENESS, give_way
from core.generation.protocol import (
    Failed,
    GenerationEvent,
    GenerationRequest,
    ImageGenerator,
    Note,
    Painted,
    Painting,
    Picture,
)
from core.generation.stock import StockGenerator
from core.models import ModelStore
from core.pictures import read_recipe, to_png
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

REQUEST = GenerationRequest(Prompt("a dog", ""), seed=3, steps=4)


class Asked:
    """A submitted request and its events."""

    def __init__(self, generator: ImageGenerator, request: GenerationRequest) -> None:
        self.events: queue.Queue[GenerationEvent] = queue.Queue()
        self.seen: list[GenerationEvent] = []
        self.number = generator.submit(request, self.events.put)

    def next(self) -> GenerationEvent:
        self.seen.append(self.events.get(timeout=60))
        return self.seen[-1]

    def picture(self) -> Picture:
        while not isinstance(event := self.next(), Painted | Failed):
            pass
        if isinstance(event, Failed):
            raise event.error
        return event.picture


def paint(generator: ImageGenerator, request: GenerationRequest) -> Picture:
    return Asked(generator, request).picture()


@pytest.fixture(scope="module")
def adapters(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters of different rank, one in a folder, and two files that are none."""
    directory = tmp_path_factory.mktemp("adapters")
    for number, (name, rank) in enumerate((("hands", 4), ("paws", 8))):
        torch.manual_seed(number)
        pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
        targets = ["to_q", "to_k", "to_v", "to_out.0"]
        pipeline.unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights=False, target_modules=targets))
        layers = get_peft_model_state_dict(pipeline.unet)
        StableDiffusionXLPipeline.save_lora_weights(directory / name, unet_lora_layers=layers)
    (directory / "hands" / "pytorch_lora_weights.safetensors").rename(directory / "hands.safetensors")
    (directory / "broken.safetensors").write_bytes(b"not weights")
    (directory / "notes.txt").write_text("keep")
    return directory


@pytest.fixture(scope="module")
def generator(tiny_pipeline: Path, adapters: Path) -> Iterator[ImageGenerator]:
    settings = CoreSettings(image_model=str(tiny_pipeline), adapters_dir=adapters, device="cpu", preview_every=2)
    made = make_generator(settings, ModelStore(settings))
    yield made
    made.close()


def test_sdxl_with_edm_is_painted_by_the_batching_engine(generator: ImageGenerator) -> None:
    assert isinstance(generator, Batcher)
    info = generator.info()
    assert (info.model, info.steps, info.guidance, info.size) == ("tiny", 50, 3.0, (32, 32))
    assert set(info.adapters) == {"broken", "hands", "paws"}
    assert info.most_tokens == 77
    assert info.words is None, "it is not limited to some"
    assert info.count_tokens is not None
    assert info.count_tokens("a dog") == 6, "the tiny tokenizer has letters only"


def test_a_picture_knows_how_it_was_made(generator: ImageGenerator) -> None:
    picture = paint(generator, replace(REQUEST, heard=("Dog (0.90)",)))
    assert picture.image.size == (32, 32)
    assert (picture.recipe.seed, picture.recipe.steps, picture.recipe.guidance) == (3, 4, 3.0)
    assert picture.recipe.heard == ("Dog (0.90)",)
    assert picture.seconds > 0


def test_steps_are_told_with_a_preview_now_and_then(generator: ImageGenerator) -> None:
    asked = Asked(generator, REQUEST)
    asked.picture()
    steps = [event for event in asked.seen if isinstance(event, Painting)]
    assert [event.step for event in steps] == [0, 1, 2, 3, 4], "none yet: it is the picture's turn"
    previews = [event.preview for event in steps[1:]]
    assert previews[0] is None
    assert previews[3] is None, "the picture itself comes then"
    assert previews[1] is not None
    with Image.open(io.BytesIO(previews[1])) as image:
        assert image.format == "JPEG"
        assert image.size == (256, 256)
    assert len(previews[1]) < 30_000
    assert b"trainedAlgorithmicMedia" in previews[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"steps": 0}, "Steps must be"),
        ({"steps": 10_000}, "Steps must be"),
        ({"guidance": 0.5}, "Guidance must be"),
        ({"guidance": 100.0}, "Guidance must be"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 2**32}, "seed must be"),
        ({"size": (33, 32)}, "multiples of 4"),
        ({"size": (4096, 4096)}, "multiples of 4"),
        ({"size": (4, 4)}, "multiples of 4"),
        ({"prompt": Prompt("  ", "")}, "prompt is empty"),
        ({"adapter": "feet"}, "no adapter called feet"),
        ({"adapter": "broken"}, "broken cannot be loaded"),
    ],
)
def test_what_is_out_of_range_is_said_and_disturbs_nobody(
    change: dict[str, object], says: str, generator: ImageGenerator
) -> None:
    good = Asked(generator, REQUEST)
    with pytest.raises(InvalidOptions, match=says):
        paint(generator, replace(REQUEST, **change))  # type: ignore[arg-type]
    assert good.picture().image.size == (32, 32)


def test_a_prompt_beyond_the_model_s_length_is_cut_and_said_so(generator: ImageGenerator) -> None:
    long = " ".join(["dog"] * 40)
    picture = paint(generator, replace(REQUEST, prompt=Prompt(long, "")))
    assert len(picture.recipe.prompt.text) < len(long)
    [note] = picture.notes
    assert note == Note("prompt_cut", {"end": picture.recipe.prompt.text[-40:]})
    assert not paint(generator, REQUEST).notes


def test_the_recipe_in_the_png_paints_the_same_bytes(generator: ImageGenerator, tmp_path: Path) -> None:
    request = replace(REQUEST, prompt=Prompt("a dog", "text"), guidance=4.5, size=(48, 32), heard=("Dog (0.90)",))
    picture = paint(generator, request)
    (tmp_path / "dog.png").write_bytes(to_png(picture))
    recipe = read_recipe(tmp_path / "dog.png")
    assert recipe == picture.recipe
    again = paint(
        generator,
        GenerationRequest(
            recipe.prompt, recipe.seed, recipe.steps, recipe.guidance, recipe.size, recipe.adapter, heard=recipe.heard
        ),
    )
    assert to_png(again) == to_png(picture)


def test_adapters_change_the_picture_and_leaving_them_restores_it(
    generator: ImageGenerator, tiny_pipeline: Path, adapters: Path
) -> None:
    bare = to_pixels(paint(generator, REQUEST))
    hands = to_pixels(paint(generator, replace(REQUEST, adapter="hands")))
    paws = to_pixels(paint(generator, replace(REQUEST, adapter="paws")))
    assert len({bare, hands, paws}) == 3
    assert to_pixels(paint(generator, replace(REQUEST, adapter="hands"))) == hands
    assert to_pixels(paint(generator, REQUEST)) == bare
    stock = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    stock.set_progress_bar_config(disable=True)
    stock.load_lora_weights(adapters / "hands.safetensors")
    theirs = stock(
        "a dog",
        num_inference_steps=4,
        guidance_scale=3.0,
        width=32,
        height=32,
        generator=torch.Generator().manual_seed(3),
    ).images[0]
    difference = max(abs(a - b) for a, b in zip(theirs.tobytes(), hands, strict=True))
    assert difference <= 1


def test_a_compiled_model_swaps_adapters_without_recompiling(tiny_pipeline: Path, adapters: Path) -> None:
    from core.generation.adapters import Adapters

    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    choices = Adapters(pipeline, adapters, hot_swap=True)
    choices.use("hands")
    compiled: Callable[..., tuple[torch.Tensor]] = torch.compile(pipeline.unet, backend="eager")

    def run() -> torch.Tensor:
        with torch.inference_mode():
            return compiled(
                torch.ones(1, 4, 16, 16),
                torch.tensor([0.1]),
                encoder_hidden_states=torch.ones(1, 77, 64),
                added_cond_kwargs={"text_embeds": torch.ones(1, 32), "time_ids": torch.ones(1, 6)},
                return_dict=False,
            )[0]

    hands = run()
    with torch._dynamo.config.patch(error_on_recompile=True):
        choices.use("paws")
        paws = run()
        choices.use("hands")
        assert torch.allclose(run(), hands, atol=1e-5)
    assert (paws - hands).abs().max() > 1e-3
    with pytest.raises(InvalidOptions):
        choices.use("broken")
    choices.use("hands")
    assert torch.allclose(run(), hands, atol=1e-5), "a broken adapter changes nothing"


def to_pixels(picture: Picture) -> bytes:
    return picture.image.tobytes()


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("CUDA error: out of memory")]
)
def test_the_device_s_out_of_memory_becomes_ours_and_holds_no_tensors(error: RuntimeError) -> None:
    def work() -> None:
        raise error

    with pytest.raises(OutOfMemory) as told:
        within_memory(work)
    assert told.value.__context__ is None


def test_the_preview_map_knows_colours() -> None:
    """Fitted to the bundled autoencoder, it turns the latents of plain red and plain blue into red and blue."""
    miniature = ModelStore(CoreSettings()).image_model(on_gpu=False)
    vae = AutoencoderKL.from_pretrained(miniature.path / "vae", torch_dtype=torch.float32)
    previewer = Previewer(vae)
    for colour in ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0)):
        plain = torch.tensor(colour).view(1, 3, 1, 1).expand(1, 3, 64, 64)
        with torch.inference_mode():
            latent = normalise(vae, vae.encode(plain).latent_dist.mean)[0]
        shown = previewer.colours(latent).mean(dim=(1, 2))
        assert shown.argmax() == torch.tensor(colour).argmax()
        assert (shown - torch.tensor(colour)).abs().max() < 0.6


def test_previews_come_out_of_mist() -> None:
    """Half of the latent's pixels are white at random: the nearer its end, the more of that is seen."""
    miniature = ModelStore(CoreSettings()).image_model(on_gpu=False)
    previewer = Previewer(AutoencoderKL.from_pretrained(miniature.path / "vae", torch_dtype=torch.float32))
    latent = torch.randn(4, 32, 32, generator=torch.Generator().manual_seed(0))
    contrasts = []
    for share in (0.1, 0.5, 0.9):
        with Image.open(io.BytesIO(previewer.jpeg(latent, share))) as shown:
            contrasts.append(float(np.asarray(shown.convert("L")).std()))
    assert contrasts == sorted(contrasts)
    assert contrasts[2] > 1.2 * contrasts[0]


def test_a_prompt_without_spaces_is_cut_as_well_and_quickly(generator: ImageGenerator) -> None:
    for text in ("d" * 5000, "dog " * 2000):
        picture = paint(generator, replace(REQUEST, prompt=Prompt(text, ""), steps=1))
        assert picture.notes
        info = generator.info()
        assert info.count_tokens is not None
        assert 70 <= info.count_tokens(picture.recipe.prompt.text) <= 77


def _save_with(scheduler: object, tiny_pipeline: Path, directory: Path) -> Path:
    pipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    pipeline.scheduler = scheduler
    pipeline.save_pretrained(directory)
    return directory


def test_another_scheduler_goes_through_its_own_pipeline(tiny_pipeline: Path, tmp_path: Path) -> None:
    directory = _save_with(DDPMScheduler(), tiny_pipeline, tmp_path / "ddpm")
    settings = CoreSettings(image_model=str(directory), device="cpu")
    made = make_generator(settings, ModelStore(settings))
    try:
        assert isinstance(made, StockGenerator)
        assert (made.info().steps, made.info().guidance) == (50, 5.0), "what diffusers' SDXL pipeline states"
        asked = Asked(made, REQUEST)
        assert asked.picture().image.size == (32, 32)
        assert [event.step for event in asked.seen if isinstance(event, Painting)] == [0, 1, 2, 3, 4]
        with pytest.raises(InvalidOptions):
            paint(made, replace(REQUEST, size=(33, 33)))
        cancelled = Asked(made, replace(REQUEST, steps=100))
        while not isinstance(cancelled.next(), Painting):
            pass
        made.cancel(cancelled.number)
        with pytest.raises(Cancelled):
            cancelled.picture()
        assert paint(made, REQUEST).recipe.seed == 3
    finally:
        made.close()


def test_which_pipelines_the_sampler_implements(tiny_pipeline: Path) -> None:
    pipeline: DiffusionPipeline = StableDiffusionXLPipeline.from_pretrained(tiny_pipeline)
    assert is_sdxl_edm(pipeline)
    pipeline.scheduler = EDMEulerScheduler()
    assert not is_sdxl_edm(pipeline)


def test_a_directory_that_is_no_model_is_said_so(tmp_path: Path) -> None:
    settings = CoreSettings(image_model=str(tmp_path), device="cpu")
    with pytest.raises(ModelUnusable, match="IMAGE_MODEL"):
        make_generator(settings, ModelStore(settings))


def test_damaged_weights_are_said_so(tiny_pipeline: Path, tmp_path: Path) -> None:
    directory = _save_with(DDPMScheduler(), tiny_pipeline, tmp_path / "damaged")
    weights = directory / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    settings = CoreSettings(image_model=str(directory), device="cpu")
    with pytest.raises(ModelUnusable):
        make_generator(settings, ModelStore(settings))


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "just-a-word"])
def test_a_path_that_is_not_there_is_said_so(name: str) -> None:
    settings = CoreSettings(image_model=name, device="cpu")
    with pytest.raises(ModelMissing, match="IMAGE_MODEL"):
        make_generator(settings, ModelStore(settings))


def test_a_hub_model_that_is_not_here_is_said_so_when_downloads_are_off() -> None:
    settings = CoreSettings(image_model="nobody/nothing", device="cpu", download_models=False)
    with pytest.raises(ModelMissing, match="models pull"):
        make_generator(settings, ModelStore(settings))


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own elsewhere")
def test_painting_on_a_processor_goes_after_hearing_and_talking() -> None:
    def niceness() -> int:
        give_way(torch.device("cpu"))
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    threads = torch.get_num_threads()
    with ThreadPoolExecutor(1) as painting:
        assert painting.submit(niceness).result() == PAINTING_NICENESS
    torch.set_num_threads(threads)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) < PAINTING_NICENESS
