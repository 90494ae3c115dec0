"""Streams of llama-server as stamped bytes, and the attempt that is read from them."""

from __future__ import annotations

import json

from steelyard.domain.stream import Attempt, Exchange
from steelyard.engines import transcript
from steelyard.engines.llamacpp import LlamaCpp

ROLE = {"choices": [{"delta": {"role": "assistant", "content": None}}], "model": "tiny.gguf"}


STOP = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 18, "completion_tokens": 4}}


OVERFLOW = {
    "error": {
        "code": 400,
        "message": "request (4514 tokens) exceeds the available context size (512 tokens)",
        "type": "exceed_context_size_error",
    }
}


def said(text: str) -> dict[str, object]:
    return {"choices": [{"delta": {"content": text}}]}


def thought(text: str) -> dict[str, object]:
    return {"choices": [{"delta": {"reasoning_content": text}}]}


def event(value: object) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def exchange(*reads: bytes, failure: str | None = None, status: int = 200) -> Exchange:
    """Each argument is one read, 10 ns after the one before."""
    body = b"".join(reads)
    ends = tuple(len(b"".join(reads[: n + 1])) for n in range(len(reads)))
    stamps = tuple(100 + 10 * n for n in range(len(reads)))
    return Exchange("r", 50, 60, 900, status, stamps, ends, body, failure)


def read(*reads: bytes, failure: str | None = None, status: int = 200) -> Attempt:
    whole = exchange(*reads, failure=failure, status=status)
    return transcript.read(whole, LlamaCpp(), sample="s")


def streamed(*values: object, failure: str | None = None) -> Attempt:
    return read(*(event(value) for value in values), failure=failure)


DONE = b"data: [DONE]\n\n"
