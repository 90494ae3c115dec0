"""A server of embeddings on a real socket, that answers as it is told to."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from steelyard.scripted import vectors


@dataclass
class Asked:
    """What came in: the texts of each request, and the keys."""

    texts: list[list[str]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


Reply = Callable[[int, list[str]], tuple[int, Any]]


def rows(texts: list[str], size: int = vectors.SIZE) -> dict[str, Any]:
    """Answer as the API does; the order is told by the indices alone."""
    found = [{"index": n, "embedding": vectors.vector(t)[:size]} for n, t in enumerate(texts)]
    return {"data": found[::-1]}


@contextmanager
def serving(reply: Reply, models: tuple[str, ...] = ("embedder",)) -> Iterator[tuple[str, Asked]]:
    """Serve; `reply` is given the number of the request and its texts."""
    asked = Asked()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": name} for name in models]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.keys.append(self.headers["Authorization"])
            if body["model"] not in models:
                self._send(404, {"error": {"message": f"model {body['model']} not found"}})
                return
            asked.texts.append(body["input"])
            self._send(*reply(len(asked.texts) - 1, body["input"]))

        def _send(self, status: int, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep still."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
