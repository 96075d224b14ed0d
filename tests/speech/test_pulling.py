"""What speech needs is fetched once, whole and right, also by several at once; what is damaged is fetched anew."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core import speech_models
from core.cli.main import main
from core.errors import DownloadFailed, ExitCode
from core.fetching import HASHES, OfficialModel
from core.models import ModelStore
from core.official import ENGLISH, ENGLISH_INSIDE
from core.settings import CoreSettings


def _wheel() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(f"{ENGLISH_INSIDE}/config.cfg", b"config")
        archive.writestr(f"{ENGLISH_INSIDE}/vocab/strings.json", b"[]" * 10_000)
    return out.getvalue()


WHEEL = _wheel()


class Publisher:
    """A web server on this machine that hands out the pipeline's wheel, `sends` bytes of it."""

    def __init__(self) -> None:
        self.asked = 0
        self.sends = len(WHEEL)
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                publisher.asked += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(WHEEL)))
                self.end_headers()
                self.wfile.write(WHEEL[: publisher.sends])

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def pipeline(self, content: bytes = WHEEL) -> OfficialModel:
        """The pipeline as it is published, with the hash of `content`."""
        address = f"http://127.0.0.1:{self.server.server_address[1]}/pipeline.whl"
        return replace(ENGLISH, address=address, sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    made = Publisher()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(CoreSettings(model_cache=tmp_path))


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_several_at_once_fetch_the_pipeline_once(store: ModelStore, publisher: Publisher, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: store.speech.pull_language_pipeline(publisher.pipeline()), range(4)))
    assert found == [store.speech.cached_pipeline] * 4
    assert publisher.asked == 1
    assert kept(tmp_path) == [store.speech.cached_pipeline.name]
    assert (store.speech.cached_pipeline / "vocab" / "strings.json").read_bytes() == b"[]" * 10_000


def test_what_is_left_of_a_damaged_pipeline_is_replaced(store: ModelStore, publisher: Publisher) -> None:
    store.speech.pull_language_pipeline(publisher.pipeline())
    (store.speech.cached_pipeline / "config.cfg").unlink()
    (store.speech.cached_pipeline / "left over").write_bytes(b"x")
    store.speech.pull_language_pipeline(publisher.pipeline())
    assert sorted(path.name for path in store.speech.cached_pipeline.iterdir()) == ["config.cfg", HASHES, "vocab"]


def test_a_pipeline_with_a_wrong_hash_is_thrown_away(store: ModelStore, publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="SHA-256 differs"):
        store.speech.pull_language_pipeline(publisher.pipeline(content=b"something else"))
    assert kept(tmp_path) == []


def test_a_pipeline_that_breaks_off_is_no_pipeline_and_comes_the_next_time(
    store: ModelStore, publisher: Publisher, tmp_path: Path
) -> None:
    publisher.sends = len(WHEEL) // 2
    with pytest.raises(DownloadFailed, match="could not be fetched"):
        store.speech.pull_language_pipeline(publisher.pipeline())
    assert kept(tmp_path) == []
    publisher.sends = len(WHEEL)
    assert (store.speech.pull_language_pipeline(publisher.pipeline()) / "config.cfg").is_file()


def test_a_cache_that_cannot_be_written_is_said_so(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadFailed, match="set MODEL_CACHE to another place"):
        ModelStore(CoreSettings(model_cache=tmp_path / "file")).speech.pull_language_pipeline(publisher.pipeline())


def test_what_is_fetched_without_the_extra_is_fetched_whole_before_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speech_models, "find_spec", lambda name: None)
    monkeypatch.setenv("MODEL_CACHE", str(tmp_path))
    monkeypatch.setenv("SPEECH_MODEL", "base")
    for directory, names in (
        ("whisper-base", ("config.json", "model.bin", "tokenizer.json", "vocabulary.txt")),
        (Path(ENGLISH_INSIDE).name, ("config.cfg",)),
    ):
        (tmp_path / directory).mkdir()
        for name in names:
            (tmp_path / directory / name).write_bytes(b"{}")

    assert main(["models", "pull", "speech"]) == ExitCode.BAD_INPUT

    said = capsys.readouterr()
    assert f"is in {tmp_path / 'whisper-base'}" in said.out
    assert f"is in {tmp_path / Path(ENGLISH_INSIDE).name}" in said.out
    assert "`make speech` installs imagine-sound[speech]" in said.err
