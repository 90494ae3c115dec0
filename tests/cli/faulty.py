"""A chat server that knows the right answers and has one fault: a process of its own on loopback.

`python -m tests.cli.faulty PORTFILE ANSWERS FAULT` answers by the last message of a request; how
many chat requests and connections it had it tells at `/asked`.
"""

from __future__ import annotations

import itertools
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAME = "planted-7b"


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    answers: dict[str, str]
    fault: str
    paid: str  # a file: once it is there, the account has quota again, and a server is up
    numbers = itertools.count(1)
    asked = 0
    connections = 0
    first: tuple[str, str] | None = None

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def setup(self) -> None:
        """Count a connection."""
        Handler.connections += 1
        super().setup()

    def do_GET(self) -> None:
        """List the model, or tell how often it was asked."""
        if self.path == "/v1/models":
            self._whole({"object": "list", "data": [{"id": NAME, "object": "model"}]})
        elif self.path == "/asked":
            self._whole({"asked": Handler.asked, "connections": Handler.connections})
        else:
            self._whole({"error": {"message": "no such route"}}, 404)

    def do_POST(self) -> None:
        """Answer a chat request with the planted answer and the fault."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/chat/completions":
            self._whole({"error": {"message": "no such route"}}, 404)
            return
        Handler.asked += 1
        number = next(Handler.numbers)
        text = self.answers.get(body["messages"][-1]["content"], "nothing is known of that")
        later = sum(message["role"] == "user" for message in body["messages"]) > 1
        down = self.fault == "down" and not Path(self.paid).exists()
        blip = self.fault == "blip" and not Path(self.paid).exists()
        blip = blip and list(self.answers.values()).index(text) % 4 == 0
        if (
            down
            or blip
            or (self.fault == "http_500" and number % 2)
            or (later and self.fault == "later_500")
        ):
            self._whole({"error": {"message": "out of memory"}}, 500)
        elif self.fault == "quota" and not Path(self.paid).exists():
            words = "You exceeded your current quota, please check your plan"
            self._whole({"error": {"message": words, "type": "insufficient_quota"}}, 429)
        else:
            self._stream(body, text, number)

    def _stream(self, body: dict[str, Any], text: str, number: int) -> None:
        name, thought, finish = f"chatcmpl-{number:012d}", "", "stop"
        prompt, output = sum(len(m["content"].split()) for m in body["messages"]) * 4 // 3, 3
        match self.fault:
            case "context_cut":
                prompt = 6
            case "thinking_cut":
                text, thought, finish = "", "let me see, " * 20, "length"
            case "template_broken":
                text += "<|im_end|>\n<|im_start|>user\nAnd now?"
            case "empty":
                text, output = "", 0
            case "stale":
                Handler.first = Handler.first or (name, text)
                if number % 3 == 0:
                    name, text = Handler.first
        other = self.fault == "wrong_model" and number % 4 == 0
        other = other or (self.fault == "swapped" and number > 17)
        model = "other-3b" if other else NAME
        head = {"id": name, "object": "chat.completion.chunk", "model": model}
        deltas: list[dict[str, Any]] = [{"role": "assistant"}]
        deltas += [{"reasoning_content": thought}] if thought else []
        deltas += [{"content": text}] if text else []
        events: list[dict[str, Any]] = [
            {**head, "choices": [{"index": 0, "delta": delta}]} for delta in deltas
        ]
        events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        if self.fault != "missing_usage":
            usage = {"prompt_tokens": prompt, "completion_tokens": output}
            events.append({**head, "choices": [], "usage": usage})
        data = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self._send(data.encode(), "text/event-stream", 200)

    def _whole(self, body: dict[str, Any], status: int = 200) -> None:
        self._send(json.dumps(body).encode(), "application/json", status)

    def _send(self, data: bytes, kind: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def main(port_file: str, answers: str, fault: str) -> None:
    """Serve until it is killed."""
    Handler.answers = json.loads(Path(answers).read_text())
    Handler.fault = fault
    Handler.paid = f"{answers}.paid"
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        written = Path(port_file).with_suffix(".new")
        written.write_text(str(server.server_address[1]))
        written.rename(port_file)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
