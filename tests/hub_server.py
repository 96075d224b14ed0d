"""A Hugging Face hub on this machine with one repository, and the faults of a network on demand."""

import hashlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import constants

COMMIT = "1e032f13f2fe6db2dc49947dbdbd196e753de573"
CHUNK = 4096
"""The client keeps whole chunks only; its own are of 10 MB."""

Fault = Callable[[http.server.BaseHTTPRequestHandler, bytes], None]
"""Answers instead of the hub, given what it would have sent."""


@dataclass
class Hub:
    """What the server has in `files`, how it is to fail, and what it sent: bytes of bodies by file name."""

    files: dict[str, bytes]
    sent: dict[str, int] = field(default_factory=dict)
    starts: dict[str, list[int]] = field(default_factory=dict)
    """From which byte on files were asked for."""
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    """By file name, one for each time that it is asked for."""
    asked: int = 0
    address: str = ""

    def is_large(self, name: str) -> bool:
        """Whether it is kept outside of the repository, known by its SHA-256."""
        return name.endswith(".safetensors")

    def hash(self, name: str) -> str:
        """What the file is known by."""
        content = self.files[name]
        if self.is_large(name):
            return hashlib.sha256(content).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()

    def listing(self) -> dict[str, object]:
        """The answer to which files there are."""
        files: list[dict[str, object]] = []
        for name, content in self.files.items():
            one: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": self.hash(name)}
            if self.is_large(name):
                one["lfs"] = {"size": len(content), "sha256": self.hash(name), "pointerSize": 134}
            files.append(one)
        return {"id": "somebody/model", "sha": COMMIT, "siblings": files}


def refused(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    """503, as a hub says that is overloaded."""
    handler.send_error(503)


def half(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of the body, then the connection ends."""
    _begin(handler, content)
    _send(handler, content[: len(content) // 2 // CHUNK * CHUNK])
    handler.close_connection = True


def half_and_silence(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    """Half of the body, then nothing for longer than the client waits."""
    half(handler, content)
    time.sleep(1)


def other_bytes(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    """As many bytes, but not those."""
    _begin(handler, content)
    _send(handler, bytes(len(content)))


def _begin(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()


def _send(handler: http.server.BaseHTTPRequestHandler, content: bytes) -> None:
    handler.wfile.write(content)
    handler.wfile.flush()
    hub: Hub = handler.server.hub  # type: ignore[attr-defined]
    name = handler.path.split(f"/{COMMIT}/")[1]
    hub.sent[name] = hub.sent.get(name, 0) + len(content)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def do_HEAD(self) -> None:
        self.hub.asked += 1
        name = self.path.split(f"/{COMMIT}/")[-1]
        if name not in self.hub.files:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("ETag", f'"{self.hub.hash(name)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(self.hub.files[name])))
        self.end_headers()

    def do_GET(self) -> None:
        self.hub.asked += 1
        if self.path.startswith("/api/"):
            body = json.dumps(self.hub.listing()).encode()
            _begin(self, body)
            self.wfile.write(body)
            return
        name = self.path.split(f"/{COMMIT}/")[-1]
        content = self.hub.files[name]
        if faults := self.hub.faults.get(name):
            faults.pop(0)(self, content)
            return
        start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.hub.starts.setdefault(name, []).append(start)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        _send(self, content[start:])

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(files: dict[str, bytes], cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The hub's client asks a server with `files`, and keeps what it gets in `cache`."""
    hub = Hub(files)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.hub = hub  # type: ignore[attr-defined]
    server.daemon_threads = True
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.address)
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    )
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", CHUNK)
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02), daemon=True)
    thread.start()
    yield hub
    server.shutdown()
    server.server_close()
    thread.join()
