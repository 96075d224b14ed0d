"""The catalogue knows checkpoints by their names, and directories by what is in them."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core import catalogue
from core.catalogue import KnownModel, named, recognised, recommended
from core.cli.main import main
from core.cli.pulling import size_says, used_here
from core.errors import DownloadFailed, ModelMissing
from core.fetching import ModelFile
from core.located import Origin
from core.models import ModelStore
from core.official import pinned
from core.settings import CoreSettings, Speech
from tests.hub_server import COMMIT, Hub, refused, serving

KNOWN = tuple(catalogue.catalogue().values())
TO_PULL = tuple(known for known in KNOWN if known.can_be_pulled)
TRAILING = {"timestep_spacing": "trailing"}


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.short_name)
def test_what_is_known_is_plausible(known: KnownModel) -> None:
    assert named(known.short_name) is known
    assert named(known.official.address) is known
    assert 1 <= known.steps <= (known.most_steps or 100)
    assert known.guidance > 1 if known.is_guided else known.guidance <= 1
    assert all(side % 16 == 0 for side in known.size)
    assert known.official.licence
    assert known.official.commit is None or re.fullmatch("[0-9a-f]{40}", known.official.commit)
    assert pinned(known.official.address) == known.official.commit


@pytest.mark.parametrize("known", TO_PULL, ids=lambda known: known.short_name)
def test_what_is_fetched_is_pinned_and_each_part_of_it_has_its_weights(known: KnownModel) -> None:
    names = {file.name for file in known.official.files}
    assert known.official.commit is not None
    assert known.official.about_bytes > 2e9
    assert {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/tokenizer_config.json"} <= names
    for part in ("text_encoder", "vae", "unet" if "unet/config.json" in names else "transformer"):
        assert f"{part}/config.json" in names
        weights = [name for name in names if name.startswith(part) and name.endswith(".safetensors")]
        several = {int(of) for name in weights for of in re.findall(r"-of-(\d+)", name)}
        assert len(weights) == (several.pop() if several else 1)


@pytest.mark.parametrize(
    ("pipeline", "config", "scheduler", "short_name"),
    [
        ("ZImagePipeline", {}, {"shift": 3.0}, "z-image-turbo"),
        ("ZImagePipeline", {}, {"shift": 6.0}, "z-image"),
        ("ZImagePipeline", {}, {"shift": 1.0}, None),
        ("Flux2KleinPipeline", {"is_distilled": True}, {"shift": 3.0}, "klein"),
        ("Flux2KleinPipeline", {"is_distilled": False}, {"shift": 3.0}, "klein-base"),
        ("StableDiffusionPipeline", {}, {"_class_name": "EulerDiscreteScheduler", **TRAILING}, "sd-turbo"),
        ("StableDiffusionPipeline", {}, {"_class_name": "PNDMScheduler", "timestep_spacing": "leading"}, None),
        ("StableDiffusionXLPipeline", {}, {"_class_name": "EulerAncestralDiscreteScheduler", **TRAILING}, "sdxl-turbo"),
        ("StableDiffusionXLPipeline", {}, {"_class_name": "EulerDiscreteScheduler", **TRAILING}, None),
        ("QwenImagePipeline", {}, {}, "qwen-image"),
        ("SanaPipeline", {}, {}, None),
    ],
)
def test_a_directory_is_known_by_its_pipeline_and_scheduler(
    pipeline: str, config: dict[str, object], scheduler: dict[str, object], short_name: str | None
) -> None:
    found = recognised(pipeline, config, scheduler)
    assert (found.short_name if found else None) == short_name


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.short_name)
def test_the_documents_say_what_the_catalogue_says(known: KnownModel) -> None:
    lines = (Path(__file__).parents[2] / "docs" / "models.md").read_text().splitlines()
    [row] = [line for line in lines if line.startswith(f"| `{known.short_name}` |")]
    _, _, licence, fetched, steps, guidance, size, gigabytes, painted, version, _ = map(str.strip, row.split("|"))
    assert licence == known.official.licence
    assert fetched == (size_says(known.official) if known.can_be_pulled else "by the hub's client")
    assert steps == (f"{known.steps} to {known.most_steps}" if known.most_steps else str(known.steps))
    assert (float(guidance), float(gigabytes)) == (known.guidance, known.gigabytes)
    assert known.size == (int(size), int(size))
    assert version == (f"`{known.official.commit[:10]}`" if known.official.commit else "the newest")
    assert painted == ("in batches" if known.short_name.startswith(("z-image", "klein")) else "one by one")


SD_TURBO = catalogue.catalogue()["sd-turbo"]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with an SD-Turbo of two small files, which decodes itself."""
    files = {"model_index.json": b"{}", "unet/config.json": b"[]"}
    small = replace(
        SD_TURBO,
        official=replace(SD_TURBO.official, commit=COMMIT, files=tuple(map(ModelFile, sorted(files)))),
        tiny_decoder="",
    )
    monkeypatch.setattr(catalogue, "catalogue", lambda: {"sd-turbo": small})
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
    with serving(files, tmp_path / "hub", monkeypatch) as made:
        yield made


@pytest.mark.parametrize("wanted", ["sd-turbo", "stabilityai/sd-turbo"])
def test_its_short_name_or_its_name_on_the_hub_fetches_it_and_it_paints_offline(wanted: str, hub: Hub) -> None:
    settings = CoreSettings(image_model=wanted, download_models=True)
    offline = settings.model_copy(update={"download_models": False})
    with pytest.raises(ModelMissing, match=r"SD-Turbo was not fetched; run `imagine-sound models pull sd-turbo`\."):
        ModelStore(offline).image_model(on_gpu=False)
    told: list[float] = []
    located = ModelStore(settings, tell=told.append).image_model(on_gpu=False)
    assert set(hub.sent) == set(hub.files)
    assert told[-1] == 1
    assert (located.name, located.origin, located.revision) == ("stabilityai/sd-turbo", Origin.HUB, COMMIT)
    assert ModelStore(offline).image_model(on_gpu=False) == located


def test_a_broken_fetch_says_what_lacks_and_nothing_else_paints_instead(hub: Hub) -> None:
    hub.faults["unet/config.json"] = [refused] * 3
    settings = CoreSettings(image_model="sd-turbo", download_models=True)
    with pytest.raises(DownloadFailed, match=r"1 of 2 files of SD-Turbo is missing: unet/config\.json\. .*network"):
        ModelStore(settings).image_model(on_gpu=False)


def test_it_is_pulled_by_its_short_name_and_listed_whether_or_not_it_is_there(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    assert main(["models"]) == 0
    assert "SD-Turbo was not fetched; run `imagine-sound models pull sd-turbo`." in capsys.readouterr().out
    assert main(["models", "pull", "sd-turbo"]) == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == (
        "SD-Turbo, which paints with about 4 GB of a GPU or without one: Stability AI Community License, about 2.6 GB"
    )
    assert last.startswith(f"SD-Turbo is in {tmp_path / 'hub'}")
    main(["models"])
    lines = capsys.readouterr().out.splitlines()
    [row] = [line for line in lines if "Stability AI Community License" in line]
    assert f"cache: {tmp_path / 'hub'}" in row
    assert any("stabilityai/sd-turbo" in line and "IMAGE_MODEL is auto, there is no CUDA GPU" in line for line in lines)


def test_what_the_setting_names_is_pulled_without_a_name(hub: Hub) -> None:
    for wanted in ("sd-turbo", "stabilityai/sd-turbo"):
        settings = CoreSettings(image_model=wanted, yamnet_model=Path("x"), speech=Speech.OFF)
        assert used_here(settings, on_gpu=False) == ["sd-turbo"]


@pytest.mark.parametrize(
    ("gigabytes", "first"),
    [
        (80, "Playground"),
        (23.6, "Playground"),
        (15.6, "Z-Image"),
        (11.7, "Playground"),
        (7.8, "Playground"),
        (5.8, "Playground"),
        (3.9, "SD-Turbo"),
        (None, "SD-Turbo"),
    ],
)
def test_painters_are_recommended_by_card(gigabytes: float | None, first: str) -> None:
    says = recommended(gigabytes)
    assert says.startswith(first)
    wanted = re.findall(r"IMAGE_MODEL=([\w-]+)", says)
    assert all(named(name) for name in wanted)
    assert ("klein" in wanted) == (gigabytes in (11.7, 7.8))


def test_doctor_tells_what_is_known_of_a_painter(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IMAGE_MODEL", "sd-turbo")
    monkeypatch.setenv("DEVICE", "cpu")
    ModelStore(CoreSettings()).pull_known(catalogue.catalogue()["sd-turbo"])
    main(["doctor"])
    told = capsys.readouterr().out
    assert "stabilityai/sd-turbo on the processor: IMAGE_MODEL names it; 1 steps, guidance 0, about 4 GB" in told
    assert "recommended: SD-Turbo (IMAGE_MODEL=sd-turbo, or auto once `imagine-sound models pull sd-turbo`" in told
    assert "Stability AI Community License; a picture takes about " in told


def test_a_revision_that_is_set_is_that_of_the_model_that_is_set(hub: Hub) -> None:
    other = "0" * 40
    located = ModelStore(CoreSettings(image_model="qwen-image", image_model_revision=other))
    assert located.pull_known(catalogue.catalogue()["sd-turbo"]).name == COMMIT
