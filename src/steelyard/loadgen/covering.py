"""Secrets covered in answers before those are written down: in place, so that framing still holds.

Not aware of files or sockets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from steelyard.loadgen import heads

_KEY: Final = re.compile(rb"\r\nauthorization: *(?:bearer +)?([^\r\n]+)", re.IGNORECASE)


def key_of(request: bytes) -> tuple[bytes, ...]:
    """Return the key that a request's head carries, as it may come back in plain text or JSON."""
    found = _KEY.search(request, 0, max(0, request.find(b"\r\n\r\n")))
    if found is None:
        return ()
    return tuple(dict.fromkeys((found[1], found[1].replace(b"/", b"\\/"))))


def covered(raw: bytes, secrets: Sequence[bytes], *, chunks: bool = True) -> bytes:
    """Return an answer, framing included, with asterisks for each secret.

    With `chunks` also where the framing has cut one in pieces, which takes a look at every chunk.
    """
    kept = _cover(raw, secrets)
    spans = _chunks(kept) if secrets and chunks else []
    body = b"".join(kept[a:b] for a, b in spans)
    if (whole := _cover(body, secrets)) != body:
        return _written_back(kept, spans, whole)
    return kept


def _cover(data: bytes, secrets: Sequence[bytes]) -> bytes:
    for secret in secrets:
        data = data.replace(secret, b"*" * len(secret))  # as long: the framing must still hold
    return data


def _chunks(raw: bytes) -> list[tuple[int, int]]:
    """Return where in an answer the chunks of its body lie; none where it has no chunks."""
    spans: list[tuple[int, int]] = []
    try:
        head, at = heads.final_head(raw)
    except heads.MalformedResponse:
        return spans
    if head is None or head.framing != "chunked":
        return spans
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
