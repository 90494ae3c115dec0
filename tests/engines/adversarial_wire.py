"""HTTP around what a made-up server says, cut into reads where it hurts."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise


def clock(reads: tuple[tuple[int, bytes], ...]) -> Callable[[int], int]:
    """Return the function that says when the first so many bytes had come."""
    sizes, total = [], 0
    for _, data in reads:
        sizes.append(total)
        total += len(data)
    return lambda so_many: reads[bisect_right(sizes, so_many - 1) - 1][0]


@dataclass
class Wire:
    """A response as bytes. `chunks` are (where in the body, where on the wire) they begin."""

    raw: bytes
    head: int
    framing: str
    chunks: list[tuple[int, int]]

    def offset(self, so_many: int) -> int:
        """How many bytes of the wire it takes until so many of the body are there."""
        starts = [start for start, _ in self.chunks]
        start, at = self.chunks[max(0, bisect_right(starts, so_many - 1) - 1)]
        return at + so_many - start


def on_the_wire(
    rng: random.Random,
    body: bytes,
    edges: list[int],
    content_type: str,
    *,
    status: int = 200,
    header: bytes = b"",
) -> Wire:
    framing = rng.choice(("chunked", "chunked", "chunked", "length", "close"))
    lead = rng.choice((b"", b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n", _HINTS, _HINTS + _HINTS))
    head = b"%sHTTP/1.1 %d %s\r\n%s" % (lead, status, rng.choice((b"OK", b"", b"So So")), header)
    head += b"Content-Type: %s\r\n" % content_type.encode()
    if framing == "length":
        head += rng.choice((b"Content-Length", b"content-length")) + b": %d\r\n\r\n" % len(body)
        return Wire(head + body, len(head), framing, [(0, len(head))])
    if framing == "close":
        head += b"Connection: close\r\n\r\n"
        return Wire(head + body, len(head), framing, [(0, len(head))])
    head += rng.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked")) + b"\r\n\r\n"
    if rng.random() < 0.4:  # an event is a chunk
        cuts = [edge for edge in edges if 0 < edge < len(body)]
    else:
        cuts = sorted(
            {rng.randrange(1, len(body)) for _ in range(rng.randint(0, 12))}
            if len(body) > 1
            else ()
        )
    raw, chunks = bytearray(head), []
    for start, end in pairwise([0, *cuts, len(body)] if body else ()):
        size = rng.choice((b"%x", b"%X", b"00%x")) % (end - start)
        raw += size + rng.choice((b"", b"", b"", b";a=b", b' ;q="x y"', b" ")) + b"\r\n"
        chunks.append((start, len(raw)))
        raw += body[start:end] + b"\r\n"
    raw += b"0\r\n" + rng.choice((b"", b"", b"X-Sum: 1\r\n", b"A: b\r\nC: d\r\n")) + b"\r\n"
    return Wire(bytes(raw), len(head), framing, chunks or [(0, len(head))])


_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"


def reads_of(rng: random.Random, raw: bytes, edges: list[int]) -> tuple[tuple[int, bytes], ...]:
    """Cut what came into reads, and stamp them."""
    size, way = len(raw), rng.random()
    if way < 0.1:
        cuts: list[int] = []
    elif way < 0.4:
        cuts = [edge for edge in edges if edge < size]
    elif way < 0.45 and size < 1_500:
        cuts = list(range(1, size))
    else:
        cuts = sorted({rng.randrange(1, size) for _ in range(rng.randint(1, 40))})
    now_ns = rng.randint(10**9, 10**12)
    reads = []
    for start, end in pairwise([0, *(cut for cut in cuts if cut), size]):
        now_ns += rng.randint(0, 40_000_000)
        reads.append((now_ns, raw[start:end]))
    return tuple(reads)
