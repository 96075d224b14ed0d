"""What speech needs is found where it was fetched, and what is missing is told with what to do."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core import speech_models
from core.cli.common import load_settings
from core.cli.doctor_speech import speech
from core.errors import DownloadFailed, ModelMissing, ModelUnusable, WrongSetting
from core.fetching import HASHES, unpacked
from core.findings import Finding, Mark
from core.located import Origin
from core.models import ModelStore
from core.official import ENGLISH, ENGLISH_INSIDE, WHISPER
from core.settings import CoreSettings, Speech
from core.speech.factory import said_at_start


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(CoreSettings(model_cache=tmp_path, speech_model="base"))


def lay(directory: Path, *names: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_bytes(b"x")
    return directory


WHOLE = ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")


def test_a_recogniser_is_there_only_when_it_is_whole(store: ModelStore, tmp_path: Path) -> None:
    for count in range(len(WHOLE)):
        lay(tmp_path / "whisper-base", *WHOLE[:count])
        with pytest.raises(ModelMissing, match="models pull speech"):
            store.speech.recogniser()
    lay(tmp_path / "whisper-base", *WHOLE)
    located = store.speech.recogniser()
    assert (located.name, located.path, located.origin) == ("Whisper base", tmp_path / "whisper-base", Origin.CACHE)


def test_the_largest_recogniser_is_whole_only_with_the_number_of_its_mel_bands(tmp_path: Path) -> None:
    store = ModelStore(CoreSettings(model_cache=tmp_path, speech_model="large-v3"))
    lay(tmp_path / "whisper-large-v3", *WHOLE)
    with pytest.raises(ModelMissing, match="models pull speech"):
        store.speech.recogniser()
    lay(tmp_path / "whisper-large-v3", "preprocessor_config.json")
    assert store.speech.recogniser().name == "Whisper large-v3"


def test_a_recogniser_may_be_any_directory_with_a_whole_model(tmp_path: Path) -> None:
    own = lay(tmp_path / "own", *WHOLE)
    store = ModelStore(CoreSettings(speech_model=str(own)))
    assert store.speech.recogniser().path == own
    (own / "tokenizer.json").unlink()
    with pytest.raises(ModelMissing, match=r"it lacks tokenizer\.json"):
        store.speech.recogniser()
    with pytest.raises(ModelMissing, match="a size: tiny, base"):
        ModelStore(CoreSettings(speech_model=str(tmp_path / "nothing"))).speech.recogniser()


@pytest.mark.parametrize(("cores", "size"), [(2, "base"), (4, "small"), (None, "base")])
def test_the_recogniser_is_as_large_as_the_processor_allows(
    cores: int | None, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.speech_models.os.cpu_count", lambda: cores)
    assert ModelStore(CoreSettings()).speech.whisper is WHISPER[size]


def test_what_is_fetched_is_pinned() -> None:
    assert all(len(str(WHISPER[size].commit)) == 40 for size in ("tiny", "base", "small"))
    assert len(str(ENGLISH.sha256)) == 64


def test_without_the_extra_it_is_said_how_to_install_it(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_models, "find_spec", lambda name: None)
    for locate in (store.speech.recogniser, store.speech.language_pipeline):
        with pytest.raises(ModelMissing, match=r"`make speech` installs imagine-sound\[speech\]"):
            locate()


def wheel(*members: tuple[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def test_the_pipeline_is_unpacked_whole_and_nothing_else_of_its_wheel_is(tmp_path: Path) -> None:
    archive = tmp_path / "pipeline.whl"
    archive.write_bytes(
        wheel(
            (f"{ENGLISH_INSIDE}/config.cfg", b"config"),
            (f"{ENGLISH_INSIDE}/vocab/strings.json", b"[]"),
            (f"{ENGLISH_INSIDE}/../../../escaped", b"no"),
            ("/absolute", b"no"),
            ("en_core_web_sm/__init__.py", b"code"),
        )
    )
    target = unpacked(ENGLISH, archive, ENGLISH_INSIDE, tmp_path / "cache" / "pipeline")
    found = sorted(str(path.relative_to(target)) for path in target.rglob("*") if path.is_file())
    assert found == ["config.cfg", HASHES, "vocab/strings.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "pipeline.whl"]
    assert [path.name for path in target.parent.iterdir()] == ["pipeline"]


def test_a_wheel_that_is_none_leaves_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "pipeline.whl"
    archive.write_bytes(b"no zip")
    with pytest.raises(DownloadFailed, match="could not be unpacked"):
        unpacked(ENGLISH, archive, ENGLISH_INSIDE, tmp_path / "cache" / "pipeline")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_pipeline_that_is_installed_as_a_package_is_found_and_a_fetched_one_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("spacy")
    package = tmp_path / "site" / "en_core_web_sm"
    lay(package, "__init__.py")
    inside = lay(package / "en_core_web_sm-3.8.1", "config.cfg")
    monkeypatch.syspath_prepend(package.parent)
    store = ModelStore(CoreSettings(model_cache=tmp_path))
    located = store.speech.language_pipeline()
    assert (located.path, located.origin) == (inside, Origin.PACKAGE)
    lay(store.speech.cached_pipeline, "config.cfg")
    assert store.speech.language_pipeline().origin is Origin.CACHE


def test_at_the_start_it_is_said_what_speech_lacks_and_where_words_go(tmp_path: Path) -> None:
    def said(**settings: object) -> list[str]:
        chosen = CoreSettings(model_cache=tmp_path).model_copy(update=settings)
        return list(said_at_start(chosen, ModelStore(chosen)))

    far, near = {"scene_url": "https://api.example.com/v1"}, {"scene_url": "http://127.0.0.1:11434/v1"}
    assert said() == said(**near) == said(speech=Speech.OFF, **far) == []
    assert [line.split(",")[0] for line in said(speech=Speech.ON)] == ["SPEECH is on"] * 2
    assert [line.split(",")[0] for line in said(speech=Speech.ON, **near)] == ["SPEECH is on"]
    (line,) = said(**far)
    assert "what people say leaves this machine" in line


def test_the_doctor_says_what_is_missing_and_only_with_speech_on_that_it_is_wrong(tmp_path: Path) -> None:
    settings = CoreSettings(model_cache=tmp_path, speech_model="base")
    missing = speech(settings, ModelStore(settings))
    assert isinstance(missing, Finding)
    assert (missing.mark, "models pull speech" in missing.sentence) == (Mark.BETTER, True)
    wanted = settings.model_copy(update={"speech": Speech.ON})
    with pytest.raises(ModelMissing, match="models pull speech"):
        speech(wanted, ModelStore(wanted))
    off = speech(settings.model_copy(update={"speech": Speech.OFF}), ModelStore(settings))
    assert off == "not recognised: SPEECH is off"


def test_the_doctor_loads_what_is_there(whisper_model: Path, language_pipeline: Path, tmp_path: Path) -> None:
    (tmp_path / Path(ENGLISH_INSIDE).name).symlink_to(language_pipeline)
    settings = CoreSettings(model_cache=tmp_path, speech_model=str(whisper_model), device="cpu")
    assert speech(settings, ModelStore(settings)) == f"{whisper_model.name} (setting) on 1 thread"


OTHER_ARCHITECTURE = (b"WhisperSpec", b"WhizperSpec")


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.bin", lambda whole: whole[:1_000_000]),
        ("model.bin", lambda whole: whole.replace(*OTHER_ARCHITECTURE, 1)),
        ("tokenizer.json", lambda whole: whole[:10_000]),
        ("vocabulary.json", lambda whole: whole[:10_000]),
        ("config.json", lambda whole: b"{}"),
        ("preprocessor_config.json", lambda whole: b'{"feature_size": 128}'),
    ],
    ids=["cut off", "another architecture", "tokenizer", "vocabulary", "configuration", "mel bands"],
)
def test_the_doctor_finds_a_recogniser_that_does_not_work(
    file: str, content: Callable[[bytes], bytes], whisper_model: Path, language_pipeline: Path, tmp_path: Path
) -> None:
    (tmp_path / Path(ENGLISH_INSIDE).name).symlink_to(language_pipeline)
    spoilt = lay(tmp_path / "spoilt")
    for path in whisper_model.iterdir():
        (spoilt / path.name).symlink_to(path)
    whole = (spoilt / file).read_bytes() if (spoilt / file).exists() else b""
    (spoilt / file).unlink(missing_ok=True)
    (spoilt / file).write_bytes(content(whole))
    settings = CoreSettings(model_cache=tmp_path, speech_model=str(spoilt), device="cpu")
    with pytest.raises(ModelUnusable, match="SPEECH_MODEL"):
        speech(settings, ModelStore(settings))


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"SCENE_URL": "http://127.0.0.1:11434/v1"}, "SCENE_MODEL is wrong: SCENE_URL is set"),
        ({"SCENE_URL": "ftp://127.0.0.1", "SCENE_MODEL": "small"}, "SCENE_URL is wrong: .* http"),
        ({"SCENE_URL": "http://", "SCENE_MODEL": "small"}, "SCENE_URL is wrong: .* http"),
        ({"SPEECH": "perhaps"}, "SPEECH is wrong"),
        ({"SPEECH_LANGUAGE": "German"}, "SPEECH_LANGUAGE is wrong"),
        ({"SPEECH_PATIENCE_S": "0"}, "SPEECH_PATIENCE_S is wrong"),
        ({"SPEECH_PATIENCE_S": "61"}, "SPEECH_PATIENCE_S is wrong"),
    ],
)
def test_a_wrong_setting_is_named(environment: dict[str, str], says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting, match=f"the setting {says}"):
        load_settings()


@pytest.mark.parametrize(
    ("former", "now", "means"),
    [("on", None, Speech.ON), ("off", None, Speech.OFF), ("on", "off", Speech.OFF), (None, None, Speech.AUTO)],
)
def test_the_former_name_of_the_setting_is_still_heeded(
    former: str | None, now: str | None, means: Speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("TRANSCRIBE", former), ("SPEECH", now)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert CoreSettings().speech is means
