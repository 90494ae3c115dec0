"""A model hub on loopback: the routes of the Hugging Face hub, its CDN, and an Ollama registry.

Two real threaded HTTP servers: the hub, and the CDN that it redirects large files to, which is
another origin as in life. Faults are scripted per path and used up one a request. Every body byte
that was sent is counted, and every request kept with its headers.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal, cast
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"
CHUNK = 16 * 1024


@dataclass(frozen=True)
class Fault:
    """What one request meets: `at` is the body byte at which it happens.

    A body that is `held` goes on when the test sets `Hub.go`.
    """

    kind: Literal[
        "reset", "truncate", "wrong", "status", "stall", "slow", "held", "no_ranges", "garbage"
    ]
    at: int = 0
    status: int = 503
    headers: tuple[tuple[str, str], ...] = ()
    seconds: float = 60.0


@dataclass(frozen=True)
class Seen:
    method: str
    path: str
    headers: dict[str, str]
    server: str


@dataclass
class Repo:
    files: dict[str, bytes]
    gated: str = ""
    private: bool = False
    members: set[str] = field(default_factory=set)
    licence: str = ""
    commits: tuple[str, ...] = ()  # further commits that may be asked for
    small: int = 1000
    claimed: dict[str, int] = field(default_factory=dict)  # sizes that the listing gives instead
    listed: list[dict[str, object]] = field(default_factory=list)  # more lines of the listing

    def lfs(self, path: str) -> bool:
        return len(self.files[path]) > self.small


@dataclass
class Hub:
    """The state behind both servers, and what tests ask it."""

    repos: dict[str, Repo] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    models: dict[str, tuple[dict[str, object], dict[str, bytes]]] = field(default_factory=dict)
    tag_lists: dict[str, object] = field(default_factory=dict)  # by NAMESPACE/MODEL
    pages: dict[str, str] = field(default_factory=dict)  # of the site, by path
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    seen: list[Seen] = field(default_factory=list)
    origin: str = ""
    cdn: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    go: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)

    def fault(self, path: str) -> Fault | None:
        with self.lock:
            return self.faults[path].pop(0) if self.faults[path] else None

    def count(self, path: str, size: int) -> None:
        with self.lock:
            self.sent[path] += size

    def asked(self, path: str) -> list[Seen]:
        return [one for one in self.seen if one.path == path]

    def add_model(self, name: str, layers: dict[str, bytes], config: dict[str, object]) -> None:
        """Add `NAMESPACE/MODEL:TAG` to the registry; `layers` by the end of their media type."""
        blobs = {sha256(data): data for data in layers.values()}
        said = json.dumps(config).encode()
        blobs[sha256(said)] = said
        manifest: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "digest": f"sha256:{sha256(said)}",
                "size": len(said),
            },
            "layers": [
                {
                    "mediaType": f"application/vnd.ollama.image.{kind}",
                    "digest": f"sha256:{sha256(data)}",
                    "size": len(data),
                }
                for kind, data in layers.items()
            ],
        }
        self.models[name] = (manifest, blobs)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_sha1(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve the hub on two free ports until the block ends."""
    servers = [_Server(hub, "hub"), _Server(hub, "cdn")]
    hub.origin, hub.cdn = (f"http://127.0.0.1:{one.server_port}" for one in servers)
    threads = [threading.Thread(target=one.serve_forever, args=(0.05,)) for one in servers]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        hub.go.set()
        for one in servers:
            one.shutdown()
            one.server_close()
        for thread in threads:
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: Hub, name: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.hub, self.name = hub, name

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        return cast("_Server", self.server).hub

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        name = cast("_Server", self.server).name
        headers = {key.lower(): value for key, value in self.headers.items()}
        self.hub.seen.append(Seen(self.command, path, headers, name))
        if name == "cdn":
            self._file(path, self._stored(path.removeprefix("/cdn/")), {})
        elif path.startswith("/api/models/"):
            self._api(path.removeprefix("/api/models/"))
        elif path.startswith("/api/datasets/"):  # data sets are kept under `datasets/ORG/NAME`
            self._api(path.removeprefix("/api/"))
        elif path.startswith("/v2/"):
            self._registry(path)
        elif path in self.hub.pages:
            self._page(self.hub.pages[path])
        else:
            self._resolve(path)

    def _api(self, path: str) -> None:
        if (fault := self._status_fault(f"/api/models/{path}")) is not None:
            return self._status(fault)
        repo, _, rest = path.partition("/revision/")
        repo, check, _ = repo.partition("/auth-check")
        if not self._may_see(repo):
            return None
        held = self.hub.repos[repo]
        if check:
            return self._json({}) if self._may_read(repo) else None
        if rest not in ("", "main", COMMIT, "v1", *held.commits):
            return self._refuse(404, "RevisionNotFound", f"Invalid rev id: {rest}")
        siblings: list[dict[str, object]] = []
        for name, data in held.files.items():
            size = held.claimed.get(name, len(data))
            one: dict[str, object] = {"rfilename": name, "size": size}
            one["blobId"] = git_sha1(data)
            if held.lfs(name):
                one["lfs"] = {"sha256": sha256(data), "size": size, "pointerSize": 134}
            siblings.append(one)
        return self._json(
            {
                "_id": "0" * 24,
                "id": repo.removeprefix("datasets/"),
                "sha": rest if rest in held.commits else COMMIT,
                "private": held.private,
                "gated": held.gated or False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [f"license:{held.licence}"] if held.licence else [],
                "siblings": siblings + held.listed,
            }
        )

    def _resolve(self, path: str) -> None:
        repo, _, rest = path.lstrip("/").partition("/resolve/")
        _, _, name = rest.partition("/")
        if not self._may_see(repo) or not self._may_read(repo):
            return
        held = self.hub.repos[repo]
        if name not in held.files:
            self._refuse(404, "EntryNotFound", "Entry not found")
            return
        data = held.files[name]
        about = {"X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if not held.lfs(name):
            self._file(path, data, {**about, "ETag": f'"{git_sha1(data)}"'})
            return
        if (fault := self._status_fault(path)) is not None:
            self._status(fault)
            return
        self.send_response(302)
        about |= {"X-Linked-Etag": f'"{sha256(data)}"', "X-Linked-Size": str(len(data))}
        about |= {"Location": f"{self.hub.cdn}/cdn/{sha256(data)}?sig=1", "Content-Length": "0"}
        self._headers(about)

    def _page(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self._headers({"Content-Type": "text/html", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _registry(self, path: str) -> None:
        if path.endswith("/tags/list"):
            if (fault := self._status_fault(path)) is not None:
                return self._status(fault)
            where = path.removeprefix("/v2/").removesuffix("/tags/list")
            if where not in self.hub.tag_lists:
                return self._json({"errors": [{"code": "NOT_FOUND"}]}, 404)
            return self._json(self.hub.tag_lists[where])
        where, kind, what = path.removeprefix("/v2/").rpartition(
            "/manifests/" if "/manifests/" in path else "/blobs/sha256:"
        )
        if "manifests" in kind:
            if (fault := self._status_fault(path)) is not None:
                return self._status(fault)
            if (found := self.hub.models.get(f"{where}:{what}")) is None:
                return self._json({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, 404)
            return self._json(found[0])
        for _, blobs in self.hub.models.values():
            if what in blobs and len(blobs[what]) > CHUNK:
                self.send_response(307)
                return self._headers(
                    {"Location": f"{self.hub.cdn}/cdn/{what}", "Content-Length": "0"}
                )
            if what in blobs:
                return self._file(path, blobs[what], {})
        return self._json({"errors": [{"code": "BLOB_UNKNOWN"}]}, 404)

    def _stored(self, digest: str) -> bytes:
        held = [data for repo in self.hub.repos.values() for data in repo.files.values()]
        held += [data for _, blobs in self.hub.models.values() for data in blobs.values()]
        return next(data for data in held if sha256(data) == digest)

    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _may_see(self, repo: str) -> bool:
        token = self._token()
        if token and token not in self.hub.tokens:
            self._refuse(401, "", "Invalid credentials in Authorization header")
            return False
        held = self.hub.repos.get(repo)
        if held is None or (held.private and token not in held.members):
            self._refuse(401 if not token else 404, "RepoNotFound", "Repository not found")
            return False
        return True

    def _may_read(self, repo: str) -> bool:
        held = self.hub.repos[repo]
        if held.gated and self._token() not in held.members:
            words = f"Access to model {repo} is restricted. You must have access to it."
            self._refuse(403 if self._token() else 401, "GatedRepo", words)
            return False
        return True

    def _refuse(self, status: int, code: str, words: str) -> None:
        self.send_response(status)
        body = json.dumps({"error": words}).encode()
        about = {"X-Error-Message": words, "Content-Length": str(len(body))}
        self._headers(about | ({"X-Error-Code": code} if code else {}))
        if self.command == "GET":
            self.wfile.write(body)

    def _json(self, found: object, status: int = 200) -> None:
        body = json.dumps(found).encode()
        self.send_response(status)
        self._headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
        if self.command == "GET":
            self.wfile.write(body)

    def _headers(self, about: dict[str, str]) -> None:
        for key, value in about.items():
            self.send_header(key, value)
        self.end_headers()

    def _status_fault(self, path: str) -> Fault | None:
        pending = self.hub.faults[path]
        mine = pending and pending[0].kind in ("status", "garbage")
        return self.hub.fault(path) if mine else None

    def _status(self, fault: Fault) -> None:
        body = b"<html>busy</html>"
        self.send_response(200 if fault.kind == "garbage" else fault.status)
        self._headers({**dict(fault.headers), "Content-Length": str(len(body))})
        self.wfile.write(body)

    def _file(self, path: str, data: bytes, about: dict[str, str]) -> None:
        fault = self.hub.fault(path) if self.command == "GET" else None
        if fault is not None and fault.kind == "status":
            self._status(fault)
            return
        start, end = 0, len(data)
        wanted = self.headers.get("Range", "")
        if wanted and not (fault is not None and fault.kind == "no_ranges"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(len(data), int(last) + 1 if last else len(data))
            if start >= len(data):
                self.send_response(416)
                self._headers({"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
                return
            self.send_response(206)
            about = {**about, "Content-Range": f"bytes {start}-{end - 1}/{len(data)}"}
        else:
            self.send_response(200)
        self._headers({**about, "Content-Length": str(end - start)})
        if self.command == "GET":
            body = data[start:end]
            if fault is not None and fault.kind == "wrong":
                body = body[: fault.at] + b"\0wrong\0"[: len(body)] + body[fault.at + 7 :]
            self._body(path, body[: end - start], fault)

    def _body(self, path: str, body: bytes, fault: Fault | None) -> None:
        kind, at = (fault.kind, fault.at) if fault else ("", 0)
        stop_at = at if kind in ("reset", "truncate", "stall") else len(body)
        if kind == "held" and fault is not None:
            self._pieces(path, body[:at])
            self.hub.go.wait(fault.seconds)
            self._pieces(path, body[at:])
        else:
            pause_s = fault.seconds if fault is not None and kind == "slow" else 0.0
            self._pieces(path, body[:stop_at], pause_s)
        if kind == "stall" and fault is not None:
            self.hub.closing.wait(fault.seconds)
        if kind in ("reset", "truncate", "stall"):
            self.wfile.flush()
            self.close_connection = True
            if kind == "reset":
                self._wait_until_read()  # a reset throws away what is unread
                hard = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
                os.close(self.connection.detach())

    def _pieces(self, path: str, body: bytes, pause_s: float = 0.0) -> None:
        for place in range(0, len(body), CHUNK):
            piece = body[place : place + CHUNK]
            self.hub.count(path, len(piece))  # first: whoever has read it may look at once
            self.wfile.write(piece)
            if pause_s:
                self.hub.closing.wait(pause_s)

    def _wait_until_read(self) -> None:
        """Wait until the client has taken every byte, as far as the system tells."""
        time.sleep(0.05)
        until = time.monotonic() + 10
        while _unread(self.connection) and time.monotonic() < until:
            time.sleep(0.01)


def _unread(connection: socket.socket) -> int:
    """Return how many bytes the peer, on this machine, has not taken; 0 where nobody tells."""
    here, there = _listed(connection.getsockname()), _listed(connection.getpeername())
    left = 0
    with suppress(OSError):
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, mine, other, _, queues, *_ = line.split()
            on_the_way, unread = (int(number, 16) for number in queues.split(":"))
            if (mine, other) == (here, there):
                left += on_the_way
            elif (mine, other) == (there, here):
                left += unread
    return left


def _listed(address: tuple[str, int]) -> str:
    """Return an address as the system lists it: the number as this machine has it in memory."""
    number = int.from_bytes(socket.inet_aton(address[0]), sys.byteorder)
    return f"{number:08X}:{address[1]:04X}"
