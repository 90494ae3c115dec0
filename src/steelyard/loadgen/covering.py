"""Secrets covered in answers before those are written down: in place, so that framing still holds.

Not aware of files or sockets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from steelyard.loadgen import heads

# Shorter ones may be words of an answer: `test`, `token`, `1234`.
LEAST: Final = 16
_OK: Final = 200
_KEY: Final = re.compile(rb"\r\nauthorization: *(?:bearer +)?([^\r\n]+)", re.IGNORECASE)


def key_of(request: bytes) -> tuple[bytes, ...]:
    """Return the key that a request's head carries, as it may come back in plain text or JSON."""
    found = _KEY.search(request, 0, max(0, request.find(b"\r\n\r\n")))
    if found is None:
        return ()
    return tuple(dict.fromkeys((found[1], found[1].replace(b"/", b"\\/"))))


def covered(raw: bytes, secrets: Sequence[bytes], *, chunks: bool = True) -> bytes:
    """Return an answer, framing included, with asterisks for each secret.

    One of fewer than `LEAST` bytes is covered in the body of a refusal only: what a 200 answers is
    measured and marked, and has to stay as it came. With `chunks` also where the framing has cut
    one in pieces, which takes a look at every chunk.
    """
    if not secrets:
        return raw
    long = [secret for secret in secrets if len(secret) >= LEAST]
    kept = _cover(raw, long)
    try:
        head, at = heads.final_head(kept)
    except heads.MalformedResponse:
        head, at = None, 0
    if head is not None and head.status == _OK:
        secrets = long if chunks else ()
    chunked = head is not None and head.framing == "chunked"
    spans = [(at, len(kept))] if not chunked else _chunks(kept, at) if secrets else []
    body = b"".join(kept[a:b] for a, b in spans)
    if (whole := _cover(body, secrets)) != body:
        return _written_back(kept, spans, whole)
    return kept


def _cover(data: bytes, secrets: Sequence[bytes]) -> bytes:
    for secret in secrets:
        data = data.replace(secret, b"*" * len(secret))  # as long: the framing must still hold
    return data


def _chunks(raw: bytes, at: int) -> list[tuple[int, int]]:
    """Return where in an answer the chunks of the body that begins at `at` lie."""
    spans: list[tuple[int, int]] = []
    at -= 2  # the line end before the first size
    while (found := heads.CHUNK.match(raw, at)) and (size := int(found[1], 16)):
        at = found.end() + size
        spans.append((found.end(), min(at, len(raw))))
    return spans


def _written_back(raw: bytes, spans: Sequence[tuple[int, int]], body: bytes) -> bytes:
    """Return an answer with another body of the same length in its chunks."""
    written, at = bytearray(raw), 0
    for start, end in spans:
        written[start:end] = body[at : at + end - start]
        at += end - start
    return bytes(written)
