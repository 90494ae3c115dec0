"""The same models put into each kind of store, and a web server that counts what it sends."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from steelyard.models.stores import http_index
from steelyard.models.stores.api import Entry, Store
from steelyard.models.stores.folder import FolderStore
from steelyard.models.stores.http_store import HttpStore
from steelyard.models.stores.hugging_face import HuggingFaceStore
from steelyard.models.stores.ollama_store import OllamaStore

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass(frozen=True)
class Goods:
    """Models as plain files: what every store is filled with as far as it can hold it."""

    file: Path
    shards: tuple[Path, ...]
    folder: Path


@dataclass(frozen=True)
class Shelf:
    """A filled store: the store, its root, and the sources of each entry by its name there."""

    store: Store
    root: Path
    sources: dict[str, tuple[Path, ...]]
    claims: bool
    local: bool = True

    def entry(self, source: Path) -> Entry:
        """Return the entry made of a source."""
        name = next(name for name, files in self.sources.items() if source in files)
        return next(entry for entry in self.store.list().entries if entry.name == name)

    def weights(self, entry: Entry) -> Path:
        """Return where an entry's only weight file lies."""
        return entry.files[0].path or self.root / entry.files[0].name


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def folder(goods: Goods, root: Path) -> Iterator[Shelf]:
    (root / "deep").mkdir(parents=True)
    shutil.copy(goods.file, root / "deep")
    for shard in goods.shards:
        shutil.copy(shard, root)
    shutil.copytree(goods.folder, root / "soft")
    sources = {"deep/one": (goods.file,), "two": goods.shards, "soft": (goods.folder,)}
    yield Shelf(FolderStore(str(root)), root, sources, claims=False)


@contextmanager
def hugging_face(goods: Goods, root: Path) -> Iterator[Shelf]:
    cached(root, "org/one-GGUF", {"one-F16.gguf": goods.file})
    cached(root, "org/two-GGUF", {path.name: path for path in goods.shards})
    cached(root, "org/soft", {path.name: path for path in sorted(goods.folder.iterdir())})
    sources = {
        "org/one-GGUF:F16": (goods.file,),
        "org/two-GGUF:two": goods.shards,
        "org/soft": (goods.folder,),
    }
    yield Shelf(HuggingFaceStore(str(root)), root, sources, claims=True)


def cached(root: Path, repo: str, files: dict[str, Path], commit: str = COMMIT) -> Path:
    """Put files into a Hugging Face cache as its own client does; return the snapshot."""
    home = root / f"models--{repo.replace('/', '--')}"
    snapshot = home / "snapshots" / commit
    for place in (home / "blobs", home / "refs", snapshot):
        place.mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text(commit)
    for name, source in files.items():
        large = source.suffix in (".gguf", ".safetensors")
        digest = sha256(source) if large else hashlib.sha1(source.read_bytes()).hexdigest()
        shutil.copy(source, home / "blobs" / digest)
        (snapshot / name).symlink_to(Path("../../blobs") / digest)
    return snapshot


@contextmanager
def ollama(goods: Goods, root: Path) -> Iterator[Shelf]:
    texts = {"template": b"{{ .Prompt }}", "params": b'{"stop": ["x"]}', "license": b"MIT"}
    pulled(root, "one:f16", goods.file.read_bytes(), texts)
    yield Shelf(OllamaStore(str(root)), root, {"one:f16": (goods.file,)}, claims=True)


def pulled(root: Path, name: str, model: bytes, texts: dict[str, bytes] | None = None) -> Path:
    """Put a model into an Ollama store as Ollama does; return its manifest."""
    blobs, (short, _, tag) = root / "blobs", name.partition(":")
    blobs.mkdir(parents=True, exist_ok=True)

    def layer(kind: str, data: bytes) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / f"sha256-{digest}").write_bytes(data)
        media = f"application/vnd.ollama.image.{kind}"
        return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}

    config = layer("x", json.dumps({"model_format": "gguf", "file_type": "F16"}).encode())
    config["mediaType"] = "application/vnd.docker.container.image.v1+json"
    layers = [layer("model", model), *(layer(k, text) for k, text in (texts or {}).items())]
    path = root / "manifests" / "registry.ollama.ai" / "library" / short / tag
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 2, "config": config, "layers": layers}))
    return path


@dataclass
class Server:
    """What is served, what was sent of each path, and what goes wrong with some of them."""

    root: Path
    origin: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    breaks_at: dict[str, list[int]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    leads_to: dict[str, str] = field(default_factory=dict)
    ranges: bool = True


@contextmanager
def served(root: Path) -> Iterator[Server]:
    """Serve a folder over a real socket, with ranges."""
    state, closing = Server(root), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = unquote(self.path).lstrip("/")
            path = state.root / name
            if name in state.silent:
                closing.wait(20)
                self.close_connection = True
            elif name in state.leads_to:
                self.send_response(302)
                self.send_header("Location", state.leads_to[name])
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif not path.is_file():
                self.send_error(404)
            else:
                self._send(name, path)

        def _send(self, name: str, path: Path) -> None:
            size, start = path.stat().st_size, 0
            wanted = self.headers.get("Range", "") if state.ranges else ""
            if wanted:
                start = int(wanted.removeprefix("bytes=").partition("-")[0])
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(size - start))
            self.end_headers()
            stops = state.breaks_at.get(name)
            stop = stops.pop(0) if stops else size
            with path.open("rb") as file:
                file.seek(start)
                while start < stop and (data := file.read(min(1 << 16, stop - start))):
                    try:
                        self.wfile.write(data)
                    except OSError:
                        self.close_connection = True
                        return
                    start += len(data)
                    state.sent[name] = state.sent.get(name, 0) + len(data)
            if stop < size:
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.origin = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def http(goods: Goods, root: Path) -> Iterator[Shelf]:
    with folder(goods, root) as shelf, served(root) as server:
        write_index(root)
        store = HttpStore(server.origin, stall_s=5.0, retries=1)
        yield Shelf(store, root, shelf.sources, claims=True, local=False)


def write_index(root: Path) -> None:
    listing = FolderStore(str(root)).list()
    every = [file for entry in listing.entries for file in (*entry.files, *entry.beside)]
    digests = {file.path: sha256(file.path) for file in every if file.path is not None}
    (root / "index.json").write_text(http_index.write(listing.entries, root, digests))


KINDS: dict[str, Callable[[Goods, Path], AbstractContextManager[Shelf]]] = {
    "folder": folder,
    "http": http,
    "huggingface": hugging_face,
    "ollama": ollama,
}
