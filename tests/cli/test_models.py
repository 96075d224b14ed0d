"""`imagine-sound models` lists what is there and why not; `models pull` fetches what is named, or what is used here."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from core import models
from core.cli import pulling
from core.cli.main import main
from core.cli.pulling import used_here
from core.errors import DownloadFailed
from core.fetching import ModelFile
from core.models import ModelStore
from core.official import PLAYGROUND, PLAYGROUND_MODEL, TAESDXL
from core.settings import CoreSettings, Speech
from core.speech_models import SpeechModels
from tests.hub_server import COMMIT, Hub, serving

CHECK = "NSFW image detection"
FILES = {"config.json": b"{}", "model_index.json": b"{}"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with a Playground and a TAESDXL of one small file each."""
    for name, official, file in (
        ("PLAYGROUND_MODEL", PLAYGROUND_MODEL, "model_index.json"),
        ("TAESDXL", TAESDXL, "config.json"),
    ):
        small = replace(official, commit=COMMIT, files=(ModelFile(file),))
        monkeypatch.setattr(models, name, small)
        monkeypatch.setattr(pulling, name, small)
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path / "cache"))
    with serving(dict(FILES), tmp_path / "hub", monkeypatch) as made:
        yield made


@pytest.mark.parametrize(
    ("names", "fetched"),
    [(("taesdxl",), {"config.json"}), (("playground", "taesdxl", "playground"), set(FILES)), ((), set())],
)
def test_what_is_named_is_fetched_and_its_licence_and_size_are_said_first(
    names: tuple[str, ...],
    fetched: set[str],
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("YAMNET_MODEL", "mine.tflite")
    monkeypatch.setenv("SPEECH", "off")
    assert main(["models", "pull", *names]) == 0
    assert set(hub.sent) == fetched
    lines = capsys.readouterr().out.splitlines()
    if "playground" in names:
        assert lines[:2] == [
            "Playground v2.5, which paints: Playground v2.5 Community License, about 6.9 GB",
            "TAESDXL, for previews: MIT, about 10 MB",
        ]
        assert [line.split(" is in ")[0] for line in lines[2:]] == ["Playground v2.5", "TAESDXL"]
    if not names:
        assert lines == [
            "Playground v2.5 is left out: it does not paint here; `imagine-sound models pull playground` fetches it.",
            "SD-Turbo paints without a GPU (Stability AI Community License, 2.6 GB); `imagine-sound models pull "
            "sd-turbo` fetches it, and `auto` paints with it then.",
        ]


def test_all_is_all_that_the_extras_here_can_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pulled: list[str] = []

    def pull(name: str) -> Path:
        pulled.append(name)
        return tmp_path

    for name in ("yamnet", "playground", "upscaler"):
        monkeypatch.setattr(ModelStore, f"pull_{name}", staticmethod(partial(pull, name)))
    for name in ("recogniser", "language_pipeline"):
        monkeypatch.setattr(SpeechModels, f"pull_{name}", staticmethod(partial(pull, name)))
    monkeypatch.setattr(ModelStore, "pull_into_cache", lambda store, decoder: pull(decoder.name))
    monkeypatch.setattr(ModelStore, "pull_known", lambda store, known: pull(known.short_name))
    monkeypatch.setattr(pulling, "find_spec", lambda name: name)
    painters = ["playground", "z-image-turbo", "klein", "sd-turbo", "TAESD"]
    assert main(["models", "pull", "all"]) == 0
    assert pulled == ["yamnet", *painters, "TAESDXL", "recogniser", "language_pipeline", "upscaler", CHECK]
    pulled.clear()
    monkeypatch.setattr(pulling, "find_spec", lambda name: None)
    assert main(["models", "pull", "all"]) == 0
    assert pulled == ["yamnet", *painters, "TAESDXL", "upscaler", CHECK]
    assert "imagine-sound[speech]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("settings", "on_gpu", "extras", "uses"),
    [
        ({}, False, (), ["yamnet"]),
        ({"picture_check": "block"}, False, (), ["yamnet", "picture-check"]),
        ({}, True, (), ["yamnet", "playground", "taesdxl"]),
        ({}, True, ("spandrel", "faster_whisper"), ["yamnet", "playground", "taesdxl", "speech", "upscaler"]),
        ({}, False, ("spandrel", "faster_whisper"), ["yamnet", "speech"]),
        ({"speech": Speech.OFF, "yamnet_model": Path("x")}, False, ("faster_whisper",), []),
        ({"image_model": PLAYGROUND}, False, (), ["yamnet", "playground", "taesdxl"]),
        ({"image_model": "/mine"}, True, ("spandrel",), ["yamnet"]),
    ],
)
def test_without_a_name_it_is_what_the_settings_use_here(
    settings: dict[str, object], on_gpu: bool, extras: tuple[str, ...], uses: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "find_spec", lambda name: name if name in extras else None)
    assert used_here(CoreSettings().model_copy(update=settings), on_gpu=on_gpu) == uses


def test_a_name_that_there_is_not_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["models", "pull", "dall-e"])
    assert "playground" in capsys.readouterr().err
    assert main(["models", "list", "taesdxl"]) == 2
    assert "`imagine-sound models pull taesdxl`" in capsys.readouterr().err


def test_the_list_says_what_lacks(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("COLUMNS", "500")
    assert main(["models"]) == 0
    assert "Playground v2.5 was not fetched; run `imagine-sound models pull playground`." in capsys.readouterr().out

    def playground(*names: str) -> None:
        official = replace(PLAYGROUND_MODEL, commit=COMMIT, files=tuple(map(ModelFile, names)))
        monkeypatch.setattr(models, "PLAYGROUND_MODEL", official)

    playground("model_index.json", "unet/gone.json")
    with pytest.raises(DownloadFailed, match=r"The hub has no unet/gone\.json"):
        ModelStore(CoreSettings()).pull_playground()
    playground("model_index.json")
    ModelStore(CoreSettings()).pull_playground()
    main(["models"])
    assert str(tmp_path / "hub") in capsys.readouterr().out
    playground("model_index.json", "unet/gone.json")
    lacks = "1 of 2 files of Playground v2.5 is missing: unet/gone.json; run `imagine-sound models pull playground`"
    main(["models"])
    assert lacks in capsys.readouterr().out
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert f"model files: {lacks}; " in told
    assert f"GB free in {tmp_path / 'hub'} (Playground v2.5 needs 6.9 GB in the last)" in told
