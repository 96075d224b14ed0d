"""Models are found in order (setting, cache, download, miniature); a download is whole and right, or not there."""

import hashlib
import http.server
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import DownloadFailed, ModelMissing
from core.fetching import OfficialModel
from core.located import Origin
from core.models import ModelStore
from core.official import PLAYGROUND, YAMNET
from core.settings import CoreSettings

CONTENT = b"a model" * 1000


class Web:
    """A small web server on this machine that hands out one file."""

    def __init__(self) -> None:
        self.asked = 0
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.asked += 1
                if self.path != "/yamnet.tflite":
                    self.send_error(404)
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(CONTENT)))
                self.end_headers()
                self.wfile.write(CONTENT)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"

    def model(self, path: str = "/yamnet.tflite", content: bytes = CONTENT) -> OfficialModel:
        return replace(YAMNET, address=self.address + path, sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_the_student_is_the_second_ear_and_the_only_one_where_it_stands_in(tmp_path: Path) -> None:
    alone = ModelStore(CoreSettings()).ears()
    assert [path.name for path in alone] == ["yamnet-mini.tflite"]
    other = tmp_path / "yamnet.tflite"
    other.write_bytes(CONTENT)
    assert ModelStore(CoreSettings(yamnet_model=other, allow_miniatures=False)).ears() == (other, *alone)
    assert ModelStore(CoreSettings(yamnet_model=alone[0])).ears() == alone


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(CoreSettings(model_cache=tmp_path / "cache"))


def test_the_setting_comes_first(tmp_path: Path) -> None:
    mine = tmp_path / "mine.tflite"
    mine.write_bytes(b"x")
    located = ModelStore(CoreSettings(yamnet_model=mine)).yamnet()
    assert (located.path, located.origin) == (mine, Origin.SETTING)


def test_a_setting_that_names_nothing_is_an_error_not_a_fallback(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="YAMNET_MODEL"):
        ModelStore(CoreSettings(yamnet_model=tmp_path / "missing.tflite")).yamnet()


def test_the_cache_comes_before_the_miniature(store: ModelStore) -> None:
    store.cached_yamnet.parent.mkdir()
    store.cached_yamnet.write_bytes(b"x")
    assert store.yamnet().origin is Origin.CACHE


def test_without_anything_the_miniature_stands_in_and_one_line_says_so(
    store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    located = store.yamnet()
    assert located.origin is Origin.BUNDLED
    assert located.is_miniature
    assert located.path.is_file()
    assert not caplog.records, "nothing is loaded yet"
    store.ears()
    [line] = [record.getMessage() for record in caplog.records]
    assert "imagine-sound models pull" in line


def test_a_setting_forbids_the_miniature() -> None:
    with pytest.raises(ModelMissing, match="ALLOW_MINIATURES"):
        ModelStore(CoreSettings(allow_miniatures=False)).yamnet()
    with pytest.raises(ModelMissing, match="ALLOW_MINIATURES"):
        ModelStore(CoreSettings(allow_miniatures=False)).image_model(on_gpu=False)


def test_a_download_arrives_whole_and_once(store: ModelStore, web: Web) -> None:
    assert store.pull_yamnet(web.model()).read_bytes() == CONTENT
    assert store.pull_yamnet(web.model()).read_bytes() == CONTENT
    assert web.asked == 1


def test_two_at_once_fetch_it_once(store: ModelStore, web: Web) -> None:
    threads = [threading.Thread(target=store.pull_yamnet, args=(web.model(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert web.asked == 1
    assert store.cached_yamnet.read_bytes() == CONTENT


def test_a_wrong_hash_is_thrown_away(store: ModelStore, web: Web) -> None:
    with pytest.raises(DownloadFailed, match="SHA-256 differs"):
        store.pull_yamnet(web.model(content=b"something else"))
    assert not store.cached_yamnet.exists()


def test_a_file_that_is_not_there_is_said_so(store: ModelStore, web: Web) -> None:
    with pytest.raises(DownloadFailed, match="check the network"):
        store.pull_yamnet(web.model(path="/gone"))


def test_no_network_is_said_so(store: ModelStore) -> None:
    with pytest.raises(DownloadFailed, match="check the network"):
        store.pull_yamnet(replace(YAMNET, address="http://127.0.0.1:9/yamnet.tflite"))


def test_no_disk_space_is_said_so(store: ModelStore, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.makedirs

    def full(path: str, mode: int = 0o777, exist_ok: bool = False) -> None:
        if "cache" in str(path):
            raise OSError(28, "No space left on device")
        real(path, mode, exist_ok)

    monkeypatch.setattr(Path, "mkdir", lambda self, **_: full(str(self)))
    with pytest.raises(DownloadFailed, match="No space left on device"):
        store.pull_yamnet(web.model())


@pytest.mark.usefixtures("spandrel")
def test_the_bundled_upscaler_is_for_the_bundled_painter_only(store: ModelStore) -> None:
    located = store.upscaler("playground-mini")
    assert (located.name, located.origin) == ("upscaler-mini", Origin.BUNDLED)
    assert located.path.stat().st_size < 100_000
    with pytest.raises(ModelMissing, match="models pull upscaler"):
        store.upscaler(PLAYGROUND)
    with pytest.raises(ModelMissing):
        ModelStore(CoreSettings(allow_miniatures=False)).upscaler("playground-mini")


@pytest.mark.usefixtures("spandrel")
def test_a_fetched_upscaler_is_for_every_painter_and_a_setting_comes_before_it(
    store: ModelStore, web: Web, tmp_path: Path
) -> None:
    store.pull_upscaler(web.model())
    for painter in ("playground-mini", PLAYGROUND):
        assert store.upscaler(painter).path == store.cached_upscaler

    mine = tmp_path / "mine.pth"
    with pytest.raises(ModelMissing, match="UPSCALE_MODEL"):
        ModelStore(CoreSettings(upscale_model=mine)).upscaler(PLAYGROUND)
    mine.write_bytes(b"x")
    assert ModelStore(CoreSettings(upscale_model=mine)).upscaler(PLAYGROUND).origin is Origin.SETTING


def test_an_upscaler_with_a_wrong_hash_is_thrown_away(store: ModelStore, web: Web) -> None:
    with pytest.raises(DownloadFailed, match="SHA-256 differs"):
        store.pull_upscaler(web.model(content=b"something else"))
    with pytest.raises(ModelMissing):
        store.upscaler(PLAYGROUND)


def test_without_its_library_nothing_is_enlarged(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.models.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)  # another test may have imported it
    with pytest.raises(ModelMissing, match=r"imagine-sound\[upscale\]"):
        store.upscaler("playground-mini")


def test_on_a_gpu_without_playground_and_without_downloads_the_miniature_stands_in() -> None:
    located = ModelStore(CoreSettings(download_models=False)).image_model(on_gpu=True)
    assert located.is_miniature
    assert "not fetched" in located.why
