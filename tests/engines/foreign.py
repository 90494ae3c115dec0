"""Servers as other people run them: real sockets, answers laid down beforehand."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ONE_MODEL = {"object": "list", "data": [{"id": "small", "owned_by": "somebody"}]}


@dataclass
class Reply:
    """What is answered on one route; `body` is sent as JSON unless it is bytes."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Foreign:
    """A server that is up, and what it was asked: method, path, headers, JSON."""

    port: int
    asked: list[tuple[str, str, dict[str, str], Any]]

    def url(self, rest: str = "", scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{rest}"

    def last(self, path: str) -> tuple[dict[str, str], Any]:
        return next((h, body) for _, at, h, body in reversed(self.asked) if at == path)


@contextlib.contextmanager
def serving(
    routes: Mapping[str, Any], *, tls: Path | None = None, header: str = "foreign/1"
) -> Iterator[Foreign]:
    """Serve these routes; a route's value is JSON, a `Reply`, or a function of the asked JSON."""
    asked: list[tuple[str, str, dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            wish = json.loads(raw) if raw else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append((self.command, self.path, headers, wish))
            found = routes.get(self.path, Reply({"detail": "Not Found"}, 404))
            found = found(wish) if callable(found) else found
            reply = found if isinstance(found, Reply) else Reply(found)
            body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815

        def version_string(self) -> str:
            return header

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass  # a client that hangs up on us is what some tests are about

    server = Quiet(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Foreign(server.server_address[1], asked)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def saying(*pieces: bytes, pause_s: float = 0.0) -> Iterator[Foreign]:
    """Say these bytes on every connection, whatever is asked; `asked` counts the pieces."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Foreign(listener.getsockname()[1], [])
    over = threading.Event()

    def talk() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock, contextlib.suppress(OSError):
                sock.recv(65_536)
                for piece in pieces:
                    sock.sendall(piece)
                    server.asked.append(("", "", {}, piece))
                    over.wait(pause_s)

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield server
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a self-signed certificate for `localhost`, made for this test run alone."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key)),
            *("-addext", "subjectAltName=DNS:localhost", "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    return both
