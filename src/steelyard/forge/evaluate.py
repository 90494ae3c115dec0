"""The figures of the model card: shipped held-out sets, answered by the exported file.

The file is served by the embedded llama.cpp in a process of its own and asked through its chat
route, greedily: tokenizer, template and export are in what is measured. Untimed; not the road of
measurements (`loadgen` is).
"""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from steelyard.domain.errors import EngineError
from steelyard.domain.task import Answer, Mark, Right, Task
from steelyard.tasks.items import Question
from steelyard.tasks.registry import FAMILIES, questions

_LOAD_NS: Final = 60 * 10**9
_SLOTS: Final = 4


@final
@dataclass(frozen=True, slots=True)
class Tally:
    """Marks of one group of items."""

    right: int
    items: int
    outcomes: dict[str, int]
    constraints_held: int = 0
    constraints: int = 0


@contextmanager
def _serving(model: Path, threads: int) -> Iterator[int]:
    """Serve a model on a free port until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    argv = [
        *(sys.executable, "-m", "steelyard.llamalib.server", "--model", str(model)),
        *("--port", str(port), "--threads", str(threads), "--parallel", str(_SLOTS)),
        *("--ctx-size", str(1024 * _SLOTS), "--fit", "off"),
    ]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(argv, stdin=quiet, stdout=quiet, stderr=quiet) as server:
        try:
            _await(port, server)
            yield port
        finally:
            server.terminate()


def _await(port: int, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic_ns() + _LOAD_NS
    while time.monotonic_ns() < until and server.poll() is None:
        try:
            if _call(port, "GET", "/health")[0] == http.client.OK:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise EngineError("the embedded server did not come up with the exported model")


def _call(port: int, method: str, path: str, body: object = None) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=120)) as connection:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())


def _ask(port: int, question: Question) -> Answer:
    ask = question.start()
    body = {
        "messages": [{"role": m.role, "content": m.content} for m in ask.messages],
        "max_tokens": ask.max_tokens,
        "temperature": 0.0,
        "cache_prompt": False,
    }
    status, reply = _call(port, "POST", "/v1/chat/completions", body)
    if status != http.client.OK:
        raise EngineError(f"the embedded server refused an item: {reply}")
    choice = reply["choices"][0]
    return Answer(choice["message"].get("content") or "", choice.get("finish_reason"))


def marks(
    model: Path, *, items: int = 300, level: int = 1, threads: int = 2
) -> list[tuple[Question, Answer, Mark]]:
    """Return every item of the default held-out sets with what the model said."""
    asked = [q for f in FAMILIES for q in questions(Task(f, level=level, items=items))]
    with _serving(model, threads) as port, ThreadPoolExecutor(_SLOTS) as pool:
        answered = list(pool.map(lambda question: _ask(port, question), asked))
    found = []
    for question, answer in zip(asked, answered, strict=True):
        mark = question.on(answer)
        assert isinstance(mark, Mark)  # noqa: S101 - one question, one answer
        found.append((question, answer, mark))
    return found


def tally(found: list[tuple[Question, Answer, Mark]]) -> Tally:
    """Count the marks of a group."""
    outcomes: dict[str, int] = {}
    for _, _, mark in found:
        name = type(mark.outcome).__name__.lower()
        outcomes[name] = outcomes.get(name, 0) + 1
    held = [value for _, _, mark in found for value in mark.demands.values()]
    right = sum(isinstance(mark.outcome, Right) for _, _, mark in found)
    return Tally(right, len(found), outcomes, sum(held), len(held))
