"""Playground is fetched once and whole from the hub, gone on with after each interruption, and what lacks is named."""

import logging
import shutil
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from diffusers import DiffusionPipeline

from core import hub as hub_module
from core import models
from core.engine import Engine
from core.errors import DownloadFailed, ModelMissing
from core.fetching import ModelFile, OfficialModel
from core.finetuning.model import network
from core.generation.factory import make_generator
from core.generation.protocol import GeneratorInfo, Loading, Painted
from core.located import Origin
from core.models import ModelStore
from core.official import PLAYGROUND, PLAYGROUND_FILES, PLAYGROUND_MODEL
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.settings import CoreSettings
from tests.hub_server import COMMIT, Fault, Hub, half, half_and_silence, other_bytes, refused, serving

UNET = "unet/diffusion_pytorch_model.fp16.safetensors"
PUBLISHED = [
    ".gitattributes",
    "LICENSE.md",
    "README.md",
    "model_index.json",
    "playground-v2.5-1024px-aesthetic.fp16.safetensors",
    "playground-v2.5-1024px-aesthetic.safetensors",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "text_encoder/model.safetensors",
    "text_encoder_2/config.json",
    "text_encoder_2/model.fp16.safetensors",
    "text_encoder_2/model.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "tokenizer_2/merges.txt",
    "tokenizer_2/special_tokens_map.json",
    "tokenizer_2/tokenizer_config.json",
    "tokenizer_2/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.safetensors",
    "vae/diffusion_pytorch_model.safetensors",
]
"""Playground's files as they are published."""


LISTED = [file.name for file in PLAYGROUND_FILES]


@pytest.fixture(scope="session")
def published(tiny_pipeline: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The published layout, with the weights and words of the tiny pipeline."""
    directory = tmp_path_factory.mktemp("published")
    DiffusionPipeline.from_pretrained(tiny_pipeline).save_pretrained(directory, variant="fp16")
    for tokenizer in ("tokenizer", "tokenizer_2"):
        (directory / tokenizer / "special_tokens_map.json").write_text("{}")
        for name in ("vocab.json", "merges.txt"):
            shutil.copy(tiny_pipeline / "vocabulary" / name, directory / tokenizer)
    for path in (directory / "tokenizer_2").iterdir():  # or the hub's client would fetch them once for both
        path.write_text(path.read_text().replace("0.2", "0.3") + "\n" * (path.suffix == ".json"))
    return {name: (directory / name).read_bytes() if name in LISTED else b"not to be fetched" for name in PUBLISHED}


@pytest.fixture
def hub(published: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with it, and a Playground whose UNet is as large as it is there."""
    sized = [ModelFile(file.name, len(published[file.name]) if file.size else None) for file in PLAYGROUND_FILES]
    monkeypatch.setattr(models, "PLAYGROUND_MODEL", replace(PLAYGROUND_MODEL, files=tuple(sized)))
    with serving(dict(published), tmp_path / "hub", monkeypatch) as made:
        yield made


@pytest.fixture
def online() -> CoreSettings:
    return CoreSettings(image_model="auto", download_models=True, adapters_dir=Path("nowhere"))


@pytest.fixture
def offline(online: CoreSettings) -> CoreSettings:
    return online.model_copy(update={"download_models": False})


def listed_bytes(hub: Hub) -> dict[str, int]:
    return {name: len(hub.files[name]) for name in LISTED}


def test_the_list_is_what_a_pipeline_in_half_precision_needs_and_each_weight_once() -> None:
    assert PLAYGROUND_MODEL.commit == COMMIT
    assert set(LISTED) <= set(PUBLISHED)
    wanted = [name for name in PUBLISHED if name.endswith(".fp16.safetensors") and "/" in name]
    assert [name for name in LISTED if name.endswith(".safetensors")] == wanted
    assert [name for name in PUBLISHED if name.endswith((".json", ".txt")) and name not in LISTED] == []
    assert {file.name: file.size for file in PLAYGROUND_FILES}[UNET] == 5_135_149_760


def test_the_listed_bytes_are_fetched_once_and_paint_without_a_network(
    hub: Hub, online: CoreSettings, offline: CoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    located = ModelStore(online, tell=told.append).image_model(on_gpu=True)
    assert hub.sent == listed_bytes(hub)
    assert (located.name, located.origin, located.revision) == (PLAYGROUND, Origin.HUB, COMMIT)
    assert told == sorted(set(told))
    assert told[-1] == 1

    asked = hub.asked
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    named = offline.model_copy(update={"image_model": PLAYGROUND})
    with make_generator_closing(named) as info:
        assert (info.model, info.revision, info.is_miniature) == (PLAYGROUND, COMMIT, False)
    assert ModelStore(offline).image_model(on_gpu=True) == replace(located)
    assert hub.asked == asked


@pytest.mark.parametrize("fault", [half, half_and_silence])
def test_a_connection_that_breaks_is_taken_up_where_it_broke(fault: Fault, hub: Hub, online: CoreSettings) -> None:
    hub.faults[UNET] = [fault]
    assert ModelStore(online).image_model(on_gpu=True).origin is Origin.HUB
    assert hub.sent == listed_bytes(hub)


@pytest.mark.parametrize("name", [UNET, "vae/config.json", "model_index.json"])
def test_a_fetch_that_failed_is_gone_on_with_by_the_next(
    name: str, hub: Hub, online: CoreSettings, offline: CoreSettings
) -> None:
    hub.faults[name] = [refused] * 3
    located = ModelStore(online).image_model(on_gpu=True)
    assert located.is_miniature
    missing = LISTED[LISTED.index(name) :]
    assert "check the network" in located.why
    assert located.why.startswith(says(missing))
    assert ModelStore(offline).image_model(on_gpu=True).why == f"{says(missing)}; run `imagine-sound models pull`."

    hub.faults.clear()
    assert ModelStore(online).image_model(on_gpu=True).origin is Origin.HUB
    assert hub.sent == listed_bytes(hub)


def says(missing: list[str]) -> str:
    if len(missing) == len(LISTED):
        return "Playground v2.5 was not fetched"
    are = "is" if len(missing) == 1 else "are"
    return f"{len(missing)} of 18 files of Playground v2.5 {are} missing: {', '.join(missing)}"


def test_somebody_who_ends_it_in_the_middle_loses_nothing(hub: Hub, online: CoreSettings) -> None:
    class Ended(BaseException):
        """Control-C, say."""

    def end(share: float) -> None:
        if share > 0.5:
            raise Ended

    with pytest.raises(Ended):
        ModelStore(online).pull_playground(end)
    ModelStore(online).pull_playground()
    begun, gone_on = hub.starts[UNET]
    assert begun == 0
    assert gone_on > 0.1 * len(hub.files[UNET])


def test_what_is_not_what_was_published_is_thrown_away(hub: Hub, online: CoreSettings) -> None:
    hub.faults[UNET] = [other_bytes]
    with pytest.raises(DownloadFailed, match="SHA-256 differs"):
        ModelStore(online).pull_playground()
    ModelStore(online).pull_playground()
    assert ModelStore(online).playground().revision == COMMIT


@pytest.mark.parametrize("name", [UNET, "vae/diffusion_pytorch_model.fp16.safetensors", "tokenizer/vocab.json"])
def test_a_file_that_was_cut_is_named_and_fetched_anew(
    name: str, hub: Hub, online: CoreSettings, offline: CoreSettings
) -> None:
    directory = ModelStore(online).pull_playground()
    whole = (directory / name).read_bytes()
    (directory / name).write_bytes(whole[: len(whole) // 2] if name != "tokenizer/vocab.json" else b"")
    assert ModelStore(offline).image_model(on_gpu=True).why == f"{says([name])}; run `imagine-sound models pull`."
    hub.sent.clear()
    ModelStore(online).pull_playground()
    assert hub.sent == {name: len(whole)}
    assert (directory / name).read_bytes() == whole


def test_without_room_nothing_is_fetched(hub: Hub, online: CoreSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    needed = sum(listed_bytes(hub).values())
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("core.fetching.shutil.disk_usage", lambda place: usage(needed * 1.04))
    with pytest.raises(DownloadFailed, match=r"needs 0\.00 GB and a little more in .*; make room, or set HF_HOME"):
        ModelStore(online).pull_playground()
    assert hub.sent == {}
    monkeypatch.setattr("core.fetching.shutil.disk_usage", lambda place: usage(needed * 1.06))
    ModelStore(online).pull_playground()
    assert hub.sent == listed_bytes(hub)


def test_a_hub_that_lists_another_size_is_not_believed(hub: Hub, online: CoreSettings) -> None:
    hub.files[UNET] += b"more"
    with pytest.raises(DownloadFailed, match="instead of"):
        ModelStore(online).pull_playground()
    assert hub.sent == {}


def test_without_any_network_a_named_playground_says_what_lacks(
    online: CoreSettings, offline: CoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    named = {"image_model": PLAYGROUND}
    with pytest.raises(DownloadFailed, match=r"Playground v2\.5 was not fetched\. .* check the network"):
        ModelStore(online.model_copy(update=named)).image_model(on_gpu=False)
    with pytest.raises(ModelMissing, match=r"was not fetched; run `imagine-sound models pull`\."):
        ModelStore(offline.model_copy(update=named)).image_model(on_gpu=False)


def test_a_service_logs_every_tenth_of_what_arrives(
    hub: Hub, online: CoreSettings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "core.arrival")
    ModelStore(online).pull_playground()
    lines = [record.getMessage() for record in caplog.records if record.name == "core.arrival"]
    assert 1 <= len(lines) <= 10
    assert lines[-1] == "Playground v2.5: 100 % of 0.00 GB have arrived"


def test_a_model_in_a_directory_of_ours_is_fetched_likewise(hub: Hub, tmp_path: Path) -> None:
    files = ("unet/config.json", "unet/*.fp16.safetensors")
    official = OfficialModel("Part", PLAYGROUND, 1, "MIT", commit=COMMIT, files=tuple(map(ModelFile, files)))
    hub.faults[UNET] = [refused]
    with pytest.raises(DownloadFailed):
        hub_module.pull(official, COMMIT, into=tmp_path / "part")
    hub.faults[UNET] = [half]
    assert hub_module.pull(official, COMMIT, into=tmp_path / "part") == tmp_path / "part"
    part = tmp_path / "part" / f"{UNET}.incomplete"
    assert (tmp_path / "part" / UNET).read_bytes() == hub.files[UNET]
    assert hub.sent == {name: len(hub.files[name]) for name in (UNET, "unet/config.json")}
    assert hub_module.lacks(official, tmp_path / "part", COMMIT) == ()

    (tmp_path / "part" / UNET).unlink()
    part.write_bytes(hub.files[UNET] + b"of another version")
    hub_module.pull(official, COMMIT, into=tmp_path / "part")
    assert (tmp_path / "part" / UNET).read_bytes() == hub.files[UNET]
    assert not part.exists()


def test_fine_tuning_takes_what_was_fetched(
    hub: Hub, online: CoreSettings, offline: CoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = ModelStore(online).pull_playground()
    monkeypatch.setattr(network, "PLAYGROUND_MODEL", models.__dict__["PLAYGROUND_MODEL"])
    asked = hub.asked
    name, revision = network.default_base(offline, cpu=False)
    base = network.load_base(name, revision, "fp32")
    assert (base.name, base.directory) == (PLAYGROUND, directory)
    assert hub.asked == asked


@contextmanager
def make_generator_closing(settings: CoreSettings) -> Iterator[GeneratorInfo]:
    generator = make_generator(settings, ModelStore(settings))
    try:
        yield generator.info()
    finally:
        generator.close()


async def test_whoever_waits_for_the_painter_is_told_how_much_of_it_has_arrived(hub: Hub, online: CoreSettings) -> None:
    hub.faults[UNET] = [half_and_silence]
    few = ImagineOptions(steps=1, seed=1)
    async with Engine(online.model_copy(update={"image_model": PLAYGROUND})) as engine:
        events = [event async for event in engine.paint(Prompt("a dog", ""), few)]
        again = [event async for event in engine.paint(Prompt("a dog", ""), few)]
    loading = [event for event in events if isinstance(event, Loading)]
    shares = [event.arrived for event in loading if event.arrived is not None]
    assert loading[0] == loading[-1] == Loading()
    assert shares == sorted(set(shares))
    assert 0 < max(shares) < 1
    assert isinstance(events[-1], Painted)
    assert events[-1].picture.recipe.model == PLAYGROUND
    assert Loading() not in again


async def test_a_painter_that_cannot_be_fetched_is_tried_once_a_request(
    hub: Hub, online: CoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.faults["model_index.json"] = [refused] * 9
    pull = Mock(wraps=hub_module.pull)
    monkeypatch.setattr(hub_module, "pull", pull)
    async with Engine(online.model_copy(update={"image_model": PLAYGROUND})) as engine:
        with pytest.raises(DownloadFailed, match="was not fetched"):
            [event async for event in engine.paint(Prompt("a dog", ""))]
    assert pull.call_count == 1
