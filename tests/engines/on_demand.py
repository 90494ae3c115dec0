"""A server that loads its model when it is asked and forgets it when it is told, on a real socket.

It speaks Ollama's own routes, and those of llama-server as a router, as far as their documentation
lays them down (docs/api.md of Ollama 0.40; tools/server/README.md of llama.cpp at 00dc8057). How
long it loads is planted. `FORGETFUL` False is a llama-server that was started with its model.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

OLLAMA = "llama3.2:latest"
ROUTED = "gemma-Q4_K_M.gguf"
PACE_S = 0.002


@dataclass
class OnDemand:
    """What it is, what it was asked, and whether it has its model in memory."""

    kind: str
    load_s: float
    port: int = 0
    loaded: bool = True
    forgetful: bool = True
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def load(self) -> float:
        """Load where that is needed; return the seconds that it took."""
        if self.loaded:
            return 0.0
        time.sleep(self.load_s)
        self.loaded = True
        return self.load_s

    def answer(self, route: str, body: Mapping[str, Any]) -> object | None:
        """Answer a control call; None where there is no such route."""
        return self._ollama(route, body) if self.kind == "ollama" else self._router(route, body)

    def _ollama(self, route: str, body: Mapping[str, Any]) -> object | None:
        here = [{"name": OLLAMA, "digest": "ab" * 32, "context_length": 4096}]
        match route:
            case "GET /v1/models":
                return {"data": [{"id": OLLAMA, "owned_by": "library"}]}
            case "GET /api/version":
                return {"version": "0.40.12"}
            case "GET /api/ps":
                return {"models": here if self.loaded else []}
            case "POST /api/show":
                return {"details": {"quantization_level": "Q4_K_M"}, "model_info": {}}
            case "POST /api/generate" if body == {"model": OLLAMA, "keep_alive": 0}:
                self.loaded = False
                return {"model": OLLAMA, "done": True, "done_reason": "unload", "response": ""}
        return None

    def _router(self, route: str, body: Mapping[str, Any]) -> object | None:
        state = {"status": {"value": "loaded" if self.loaded else "unloaded"}}
        entry = {"id": ROUTED, "owned_by": "llamacpp", **(state if self.forgetful else {})}
        match route:
            case "GET /v1/models" | "GET /models":
                return {"data": [entry]}
            case "GET /props" if self.forgetful:
                return {"role": "router", "model_alias": "llama-server", "model_path": "none"}
            case "POST /models/unload" if body == {"model": ROUTED} and self.forgetful:
                self.loaded = False
                return {"success": True}
        return None

    def said(self, body: Mapping[str, Any], load_s: float) -> list[bytes]:
        """Return the pieces of a streamed answer."""
        if self.kind == "ollama":
            count = int(body["options"]["num_predict"])
            piece = {"model": OLLAMA, "message": {"role": "assistant", "content": " so"}}
            end = {
                "model": OLLAMA,
                "message": {"role": "assistant", "content": ""},
                "done": True,
                "done_reason": "length",
                "load_duration": int(load_s * 1e9),
                "prompt_eval_count": 20,
                "prompt_eval_duration": 1_000_000,
                "eval_count": count,
                "eval_duration": 2_000_000,
            }
            lines = [{**piece, "done": False}] * count
            return [json.dumps(line).encode() + b"\n" for line in [*lines, end]]
        count = int(body["max_tokens"])
        choice = {"index": 0, "delta": {"content": " so"}, "finish_reason": None}
        last = {"index": 0, "delta": {}, "finish_reason": "length"}
        usage = {"prompt_tokens": 20, "completion_tokens": count}
        events: list[dict[str, Any]] = [{"choices": [choice], "model": ROUTED}] * count
        events += [{"choices": [last], "model": ROUTED}]
        events += [{"choices": [], "usage": usage, "model": ROUTED}]
        return [b"data: " + json.dumps(event).encode() + b"\n\n" for event in events] + [
            b"data: [DONE]\n\n"
        ]


def _handler(server: OnDemand) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def answer(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(raw) if raw else {}
            route = f"{self.command} {self.path}"
            server.asked.append(route)
            if route in ("POST /api/chat", "POST /v1/chat/completions"):
                self._stream(server.said(body, server.load()))
                return
            found = server.answer(route, body)
            data = json.dumps(found if found is not None else {"error": "not found"}).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = answer  # noqa: N815

        def _stream(self, pieces: list[bytes]) -> None:
            self.send_response(200)
            kind = "application/x-ndjson" if server.kind == "ollama" else "text/event-stream"
            self.send_header("Content-Type", kind)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                time.sleep(PACE_S)
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextlib.contextmanager
def serving(kind: str, *, load_s: float = 0.2, forgetful: bool = True) -> Iterator[OnDemand]:
    """Serve until the block is left; `kind` is `ollama` or `router`."""
    server = OnDemand(kind, load_s, forgetful=forgetful)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    http.daemon_threads = True
    server.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
