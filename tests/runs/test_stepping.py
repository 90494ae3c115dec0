"""What servers tell of the next token, however they write it, and what is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from steelyard.domain.errors import EngineError
from steelyard.domain.workload import GenerationRequest
from steelyard.engines.api import HttpCall
from steelyard.engines.http1 import prepare
from steelyard.loadgen.client import Client
from steelyard.runs import stepping

TOLD = ((7, -0.1), (9, -2.5))
BESIDE = [{"id": token, "logprob": logprob} for token, logprob in TOLD]


def completion(logprobs: object) -> dict[str, object]:
    return {"choices": [{"text": "a", "logprobs": logprobs}]}


LLAMA = {"content": "a", "completion_probabilities": [{"top_logprobs": BESIDE}]}
BY_NUMBER = completion(
    {"tokens": ["token_id:7"], "top_logprobs": [{"token_id:7": -0.1, "token_id:9": -2.5}]}
)
BY_TEXT = completion({"tokens": ["a"], "top_logprobs": [{"a": -0.1, "b": -2.5}]})


@contextmanager
def answering(answers: list[tuple[int, object]]) -> Iterator[tuple[int, list[Any]]]:
    """Serve these answers in turn, and keep what was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            status, answer = answers[len(asked) - 1]
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.server_address[1], asked
        finally:
            server.shutdown()


def stepped(folder: Path, *answers: tuple[int, object]) -> list[stepping.Answer]:
    with answering(list(answers)) as (port, asked):

        def prepared(request: GenerationRequest) -> bytes:
            body = {"prompt": list(request.prompt_tokens or ()), "top": request.top_logprobs}
            return prepare(HttpCall("POST", "/", json=body), "127.0.0.1", port)

        prompts = [tuple(range(end + 1)) for end in range(len(answers))]
        with Client("127.0.0.1", port, folder / "spool.bin") as client:
            found = dict(stepping.step(client, prepared, prompts, 2))
        assert asked == [{"prompt": list(prompt), "top": 2} for prompt in prompts]
    return [found[number] for number in range(len(prompts))]


def test_probabilities_are_read_from_every_form_that_tells_numbers(tmp_path: Path) -> None:
    silent = {"content": ""}
    forms = (LLAMA, completion({"content": [{"top_logprobs": BESIDE}]}), BY_NUMBER, silent)
    found = stepped(tmp_path, *((200, form) for form in forms))
    assert found == [TOLD, TOLD, TOLD, ()]


@pytest.mark.parametrize(
    ("status", "answer", "message"),
    [
        (200, BY_TEXT, r"by their text \('a'\), and not by number"),
        (400, {"error": {"message": "at most 20 logprobs"}}, "status 400.*at most 20 logprobs"),
        (200, completion(None), "no probabilities for position 0"),
        (200, {"else": 1}, "no probabilities for position 0"),
    ],
)
def test_an_answer_without_numbers_says_why(
    tmp_path: Path, status: int, answer: object, message: str
) -> None:
    with pytest.raises(EngineError, match=message):
        stepped(tmp_path, (status, answer))
