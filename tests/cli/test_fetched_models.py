"""`models verify` finds what is not as it was published; `models prune` tells what no setting uses, then deletes it."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

import core.cli.pruning
import core.cli.pulling
import core.cli.verifying
from core import models
from core.fetching import HASHES, ModelFile, unpacked
from core.models import ModelStore
from core.official import ENGLISH, ENGLISH_INSIDE, PLAYGROUND_MODEL, TAESDXL, YAMNET
from core.settings import CoreSettings
from tests.cli.running import run_here
from tests.hub_server import COMMIT, Hub, serving

FILES = {"config.json": b"{}", "weights.safetensors": save({"a": np.zeros(9)})}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def hub(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on which Playground and TAESDXL are two small files each, both fetched."""
    files = tuple(map(ModelFile, FILES))
    for name, official in (("PLAYGROUND_MODEL", PLAYGROUND_MODEL), ("TAESDXL", TAESDXL)):
        for module in (models, core.cli.verifying, core.cli.pulling):
            monkeypatch.setattr(module, name, replace(official, commit=COMMIT, files=files))
    with serving(dict(FILES), tmp_path / "hub", monkeypatch) as made:
        store = ModelStore(CoreSettings())
        store.pull_into_cache(replace(TAESDXL, commit=COMMIT, files=files))
        store.pull_playground()
        yield made


def test_nothing_fetched_is_nothing_wrong(cache: Path) -> None:
    done = run_here("models", "verify")
    assert (done.returncode, done.stdout[:20]) == (0, "No model was fetched")


def test_files_from_the_hub_are_compared_with_its_list_and_mended_as_it_says(hub: Hub, cache: Path) -> None:
    well = run_here("models", "verify")
    assert (well.returncode, well.stdout) == (0, "ok    TAESDXL\nok    Playground v2.5\n")

    small, large = (
        cache / "taesdxl" / "config.json",
        ModelStore(CoreSettings()).playground().path / "weights.safetensors",
    )
    small.write_bytes(b"[]")
    blob = large.resolve()
    blob.write_bytes(FILES["weights.safetensors"][:-1] + b"x")
    wrong = run_here("models", "verify")
    assert wrong.returncode == 2
    assert wrong.stdout.splitlines() == [
        f"wrong {name}: damaged or missing: {file}; delete them and run `imagine-sound models pull {pull}`."
        for name, file, pull in (("TAESDXL", small, "taesdxl"), ("Playground v2.5", blob, "playground"))
    ]
    small.unlink()
    blob.unlink()
    assert run_here("models", "pull", "taesdxl", "playground").returncode == 0
    assert run_here("models", "verify").returncode == 0


def test_without_the_hub_nothing_is_called_wrong(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.files.clear()
    monkeypatch.setattr("core.hub.listed", _away)
    done = run_here("models", "verify")
    assert done.returncode == 1
    assert done.stdout.startswith("?     TAESDXL: TAESDXL cannot be compared: the hub, which lists it, is away.\n")


def _away(*_: object) -> None:
    raise ConnectionError("no network")


def test_a_single_file_is_compared_with_its_published_hash(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.cli.verifying, "YAMNET", replace(YAMNET, sha256=sha256(b"model").hexdigest()))
    (cache / "yamnet.tflite").write_bytes(b"model")
    assert run_here("models", "verify").stdout == "ok    YamNet\n"
    (cache / "yamnet.tflite").write_bytes(b"modem")
    assert run_here("models", "verify").returncode == 2


def test_what_was_unpacked_is_compared_with_what_was_in_the_archive(cache: Path, tmp_path: Path) -> None:
    inside = tmp_path / "archive" / ENGLISH_INSIDE
    inside.mkdir(parents=True)
    (inside / "config.cfg").write_text("[nlp]")
    archive = Path(shutil.make_archive(str(tmp_path / "english"), "zip", tmp_path / "archive"))
    pipeline = unpacked(ENGLISH, archive, ENGLISH_INSIDE, ModelStore(CoreSettings()).speech.cached_pipeline)
    assert run_here("models", "verify").stdout == "ok    en_core_web_sm\n"
    (pipeline / "config.cfg").write_text("[pln]")
    assert f"damaged or missing: {pipeline / 'config.cfg'}; " in run_here("models", "verify").stdout
    (pipeline / HASHES).unlink()
    old = run_here("models", "verify")
    assert (old.returncode, "fetched before hashes were kept" in old.stdout) == (1, True)


@pytest.fixture
def fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of each, as far as its name goes."""
    monkeypatch.setattr("core.cli.pruning.hub_cache", lambda: cache / "hub")
    playground = cache / "hub" / "models--playgroundai--playground-v2.5-1024px-aesthetic"
    for name in (
        "whisper-small",
        "whisper-base",
        "taesdxl",
        "taesd",
        "en_core_web_sm-3.7.0",
        "en_core_web_sm-3.8.0",
        "mine",
    ):
        (cache / name).mkdir()
        (cache / name / "file").write_bytes(bytes(1_000_000))
    turbo = cache / "hub" / "models--stabilityai--sd-turbo"
    for painter in (playground, turbo):
        painter.mkdir(parents=True)
        (painter / ".fetching.lock").touch()
    for name in ("yamnet.tflite", "realesr-general-x4v3.pth"):
        (cache / name).write_bytes(bytes(500_000))
    return cache


@pytest.mark.parametrize(
    ("settings", "goes"),
    [
        ({"SPEECH_MODEL": "base"}, {"whisper-small", "en_core_web_sm-3.7.0"}),
        ({"SPEECH_MODEL": "small", "PREVIEW_EVERY": "0"}, {"whisper-base", "taesdxl", "en_core_web_sm-3.7.0"}),
        (
            {"SPEECH": "off", "YAMNET_MODEL": "/elsewhere", "UPSCALE_MODEL": "/elsewhere", "IMAGE_MODEL": "/elsewhere"},
            {
                "whisper-small", "whisper-base", "en_core_web_sm-3.7.0", "en_core_web_sm-3.8.0", "yamnet.tflite",
                "realesr-general-x4v3.pth", "models--playgroundai--playground-v2.5-1024px-aesthetic",
                "models--stabilityai--sd-turbo", "taesd",
            },
        ),
        (
            {
                "SPEECH_MODEL": "{cache}/whisper-base", "YAMNET_MODEL": "{cache}/yamnet.tflite",
                "IMAGE_MODEL": "{cache}/hub/models--playgroundai--playground-v2.5-1024px-aesthetic/snapshots/1",
            },
            {"whisper-small", "en_core_web_sm-3.7.0", "models--stabilityai--sd-turbo", "taesd"},
        ),
        (
            {"SPEECH_MODEL": "base", "IMAGE_MODEL": "sd-turbo"},
            {"whisper-small", "en_core_web_sm-3.7.0", "models--playgroundai--playground-v2.5-1024px-aesthetic"},
        ),
    ],
)  # fmt: skip
def test_what_no_setting_uses_is_told_and_then_deleted(
    settings: dict[str, str], goes: set[str], fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value.format(cache=fetched))
    before = _files(fetched)

    told = run_here("models", "prune")
    assert told.returncode == 0
    assert {Path(line.split(" (")[0]).name for line in told.stdout.splitlines()[:-1]} == goes
    assert "nothing was deleted yet" in told.stdout
    assert _files(fetched) == before

    done = run_here("models", "prune", "--yes")
    assert done.returncode == 0
    assert before - _files(fetched) == {file for file in before if set(Path(file).parts) & goes}
    assert run_here("models", "prune", "--yes").stdout.startswith("There is nothing")


def test_only_prune_takes_a_yes_and_it_takes_no_names() -> None:
    assert run_here("models", "--yes").returncode == 2
    assert run_here("models", "verify", "yamnet").returncode == 2


def _files(directory: Path) -> set[str]:
    return {os.path.relpath(path, directory) for path in directory.rglob("*") if path.is_file()}


def test_a_list_of_hashes_that_is_damaged_is_no_list(cache: Path) -> None:
    pipeline = ModelStore(CoreSettings()).speech.cached_pipeline
    pipeline.mkdir()
    (pipeline / HASHES).write_text(json.dumps([1]))
    assert run_here("models", "verify").returncode == 1
