"""Where a response ends: what the clock goes by and what is read afterwards never disagree."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.adversarial import case
from tests.loadgen.servers import CHUNKED, chunk, whole

from steelyard.loadgen.framing import Framing
from steelyard.loadgen.heads import MalformedResponse
from steelyard.loadgen.response import ResponseReader

OK = b"HTTP/1.1 200 OK\r\n"
LAST = b"0\r\n\r\n"


def framed(*reads: bytes) -> tuple[bool, bool]:
    """Return what the load client finds while the clock runs: (whole, connection is kept)."""
    framing, raw, ended = Framing(), bytearray(), False
    for data in reads:
        raw += data
        ended = ended or framing.take(raw)
    return ended, ended and framing.keeps_alive(raw)


def read(*reads: bytes) -> tuple[bool, bool]:
    """Return the same of what takes it apart afterwards."""
    reader = ResponseReader()
    for data in reads:
        reader.feed(data, 0)
    return reader.complete, reader.complete and reader.keep_alive


@pytest.mark.parametrize(
    ("wire", "found"),
    [
        (whole(b"x"), (True, True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", (True, False)),
        (OK + b"Connection: close\r\nContent-Length: 1\r\n\r\nx", (True, False)),
        (OK + b"Connection: X-Foo, Close\r\nContent-Length: 1\r\n\r\nx", (True, False)),
        (OK + b"Connection: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", (True, False)),
        (OK + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", (True, True)),
        (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + LAST, (True, True)),
        (
            OK + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST,
            (True, True),
        ),
        (OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n" + LAST, (True, True)),
        (OK + b"\r\nup to the end", (False, False)),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n", (True, False)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (True, True)),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", (True, True)),
        (b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + whole(b"x"), (True, True)),
        (CHUNKED + b' 3 ;a="b"\r\nabc\r\n0;z\r\nTrailer: t\r\n\r\n', (True, True)),
        (CHUNKED + chunk(b"a\r\n\r\n") + LAST, (True, True)),
        (CHUNKED + chunk(b"abc")[:-1], (False, False)),
    ],
)
def test_both_find_the_end_that_the_standard_says(wire: bytes, found: tuple[bool, bool]) -> None:
    assert framed(wire) == read(wire) == found
    bytewise = [wire[at : at + 1] for at in range(len(wire))]
    assert framed(*bytewise) == read(*bytewise) == found


@pytest.mark.parametrize(
    "wire",
    [
        CHUNKED + b"-6\r\n\r\n\r\n",
        CHUNKED + b"+3\r\nabc\r\n" + LAST,
        CHUNKED + b"0x3\r\nabc\r\n" + LAST,
        CHUNKED + b"1_0\r\n0123456789abcdef\r\n" + LAST,
        CHUNKED + b"\r\n\r\n",
        CHUNKED + b";only=extensions\r\n" + LAST,
        CHUNKED + b"3\r\nabcd\r\n" + LAST,
        CHUNKED + b"f" * 17 + b"\r\n" + LAST,
        OK + b"Content-Length: 1, 2\r\n\r\nx",
        OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        OK + b"Content-Length: +1\r\n\r\nx",
        OK + b"Content-Length: \r\n\r\nx",
        b"HTTP/1.1 2_0 OK\r\n\r\n",
    ],
)
def test_both_refuse_what_has_no_certain_end(wire: bytes) -> None:
    with pytest.raises(MalformedResponse):
        framed(wire)
    with pytest.raises(MalformedResponse):
        read(wire)


def test_both_agree_on_answers_made_to_be_misread() -> None:
    for seed in range(1_500):
        reads = [data for _, data in case(seed).reads]
        assert framed(*reads)[0] == read(*reads)[0], seed


@given(
    st.binary(max_size=12),
    st.lists(st.sampled_from([b"3", b"a", b"\r\n", b";", b" ", b"0", b"-", b"xyz"]), max_size=14),
    st.lists(st.integers(0, 60), max_size=6),
)
def test_both_agree_on_noise(noise: bytes, pieces: list[bytes], cuts: list[int]) -> None:
    body = b"".join(pieces) + noise + b"\r\n\r\n"
    edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(body)), len(body)]
    reads = [CHUNKED, *(body[a:b] for a, b in pairwise(edges))]
    try:
        found = read(*reads)
    except MalformedResponse:
        with pytest.raises(MalformedResponse):
            framed(*reads)
        return
    if found[1]:  # what stands behind the end is looked at by the one that takes it apart only
        assert framed(*reads) == found
