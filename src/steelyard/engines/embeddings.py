"""The embeddings route of OpenAI-compatible servers: what to send, and what came back or why not.

`POST /v1/embeddings` takes a model and a list of texts and answers a list of vectors, each with the
index of its text. Not aware of sockets or clocks: bytes come in from whoever asked. Fields: the
OpenAI API reference, "Create embeddings".
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from steelyard.domain.errors import BadInput, DialectError, EngineError, SteelyardError
from steelyard.engines.api import HttpCall
from steelyard.engines.calls import Caller

ROUTE: Final = "/v1/embeddings"
_OK: Final = 200
_NO_ENTRY: Final = frozenset({401, 403})
_NOT_FOUND: Final = 404
_TOO_OFTEN: Final = 429
_SERVER: Final = 500
_WORDS: Final = 300


def call(model: str, texts: Sequence[str]) -> HttpCall:
    """Return the request for one vector of each text."""
    return HttpCall(
        "POST", ROUTE, {"model": model, "input": list(texts), "encoding_format": "float"}
    )


def read(caller: Caller, model: str, status: int, body: bytes, count: int) -> list[list[float]]:
    """Return the vectors of one answer, in the order of their texts.

    Raises:
        BadInput: no asking again mends it: no key, no such model or route, a bad request.
        EngineError: it failed, and may not the next time.
        DialectError: what it answered are no vectors.
    """
    if status != _OK:
        raise _refusal(caller, model, status, body)
    try:
        rows = json.loads(body)["data"]
        # A server that gives no indices answers in order.
        ordered = sorted(rows, key=lambda row: row.get("index", 0))
        vectors = [_vector(row["embedding"]) for row in ordered]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise DialectError(
            f"{_where(caller)} answered no embeddings",
            hint="is it the address of a server that embeds? some want to be started for it",
        ) from None
    if len(vectors) != count:
        raise DialectError(f"{_where(caller)} answered {len(vectors)} vectors for {count} texts")
    return vectors


def require_size(caller: Caller, vectors: Sequence[Sequence[float]], size: int) -> None:
    """Raise `BadInput` where a vector has another size than those before it."""
    for vector in vectors:
        if len(vector) != size:
            raise BadInput(
                f"{_where(caller)} answered vectors of {size} numbers and then of {len(vector)}: "
                "they cannot be compared",
                hint="does a router choose between models there? name one that stays with "
                "--embeddings-model",
            )


def _vector(raw: Any) -> list[float]:
    vector = [float(number) for number in raw]
    if not vector or not all(map(math.isfinite, vector)):
        raise ValueError("no vector")
    return vector


def _where(caller: Caller) -> str:
    return f"{caller.endpoint.origin}{caller.endpoint.target(ROUTE)}"


def _refusal(caller: Caller, model: str, status: int, body: bytes) -> SteelyardError:
    where = _where(caller)
    said = caller.covered(body.decode(errors="replace")).strip()[:_WORDS]
    if status in _NO_ENTRY:
        sent = "the key was refused" if caller.headers else "no key was sent"
        return BadInput(
            f"{where} does not let us in ({status}), {sent}: {said}",
            hint="name the variable that holds its key with --embeddings-key-env",
        )
    if status == _NOT_FOUND:
        return BadInput(
            f"{where} knows no embedding model {model!r}, or has no such route ({status}): {said}",
            hint="name the model with --embeddings-model, and check the address",
        )
    if status == _TOO_OFTEN or status >= _SERVER:
        return EngineError(f"{where} answered {status}: {said}", hint="try again later")
    return BadInput(
        f"{where} refused to embed with {model!r} ({status}): {said}",
        hint="is it a model that embeds, and are the passages (--rag-chunk) short enough for it?",
    )
