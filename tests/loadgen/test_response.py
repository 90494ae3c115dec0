"""HTTP framing: the same response however it is cut into reads."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.loadgen.servers import CHUNKED, chunk, whole

from steelyard.loadgen.heads import MalformedResponse
from steelyard.loadgen.response import ResponseReader


def read(*reads: bytes) -> ResponseReader:
    reader = ResponseReader()
    for number, data in enumerate(reads):
        reader.feed(data, at_ns=100 + number)
    return reader


def test_a_body_with_a_length_ends_with_its_last_byte() -> None:
    reader = read(whole(b"hello")[:-2], b"lo")
    assert (reader.status, bytes(reader.body), reader.complete) == (200, b"hello", True)
    assert (reader.arrivals_ns, reader.ends) == ([100, 101], [3, 5])
    assert reader.keep_alive


def test_each_chunk_keeps_the_moment_of_its_read() -> None:
    reader = read(CHUNKED, chunk(b"one"), chunk(b"two"), b"0\r\n\r\n")
    assert bytes(reader.body) == b"onetwo"
    assert (reader.arrivals_ns, reader.ends) == ([101, 102], [3, 6])
    assert reader.complete


def test_a_body_without_a_length_goes_on_for_as_long_as_anything_comes() -> None:
    reader = read(b"HTTP/1.1 200 OK\r\n\r\nhalf", b"more")
    assert not reader.complete
    assert bytes(reader.body) == b"halfmore"


def test_a_chunked_body_that_stops_short_is_not_whole() -> None:
    assert not read(CHUNKED, chunk(b"one")).complete


def test_interim_answers_are_passed_over() -> None:
    reader = read(b"HTTP/1.1 100 Continue\r\n\r\n" + whole(b"x"))
    assert (reader.status, bytes(reader.body)) == (200, b"x")


def test_chunk_extensions_and_trailers_are_no_body() -> None:
    reader = read(CHUNKED + b"3;name=v\r\nabc\r\n0\r\nTrailer: t\r\n\r\n")
    assert (bytes(reader.body), reader.complete) == (b"abc", True)


@pytest.mark.parametrize(
    ("headers", "encoding"),
    [
        (b"", ""),
        (b"Content-Encoding: GZip\r\n", "gzip"),
        (b"Content-Encoding: identity\r\n", ""),
        (b"content-encoding: deflate\r\ncontent-encoding: br\r\n", "deflate, br"),
        (b"Transfer-Encoding: gzip\r\n", "gzip"),
    ],
)
def test_every_coding_of_the_body_but_the_chunks_is_named(headers: bytes, encoding: str) -> None:
    reader = read(b"HTTP/1.1 200 OK\r\n" + headers + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert (reader.content_encoding, reader.complete) == (encoding, True)


def test_a_redirect_keeps_its_location_as_written() -> None:
    reader = read(
        b"HTTP/1.1 302 Found\r\nLocation: https://H.example/A\r\nContent-Length: 0\r\n\r\n"
    )
    assert (reader.status, reader.location) == (302, "https://H.example/A")


def test_chunks_go_before_a_length() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert read(head + chunk(b"x") + b"0\r\n\r\n").complete


def test_the_same_length_twice_is_one_and_two_are_none() -> None:
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx").complete
    with pytest.raises(MalformedResponse, match="several lengths"):
        read(b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx")


@pytest.mark.parametrize("status", [101, 204, 304])
def test_an_answer_that_has_no_body_is_whole_with_its_head(status: int) -> None:
    assert read(b"HTTP/1.1 %d So\r\n\r\n" % status).complete


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 200 OK\r\nConnection: close",
        b"HTTP/1.1 200 OK\r\nConnection: X-Foo, Close",
    ],
)
def test_a_connection_that_will_close_is_not_kept(head: bytes) -> None:
    assert not read(head + b"\r\nContent-Length: 0\r\n\r\n").keep_alive


def test_bytes_after_the_end_spoil_the_connection() -> None:
    reader = read(whole(b"x") + b"HTTP/1.1 500")
    assert reader.complete
    assert not reader.keep_alive


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        CHUNKED + b"zz\r\n",
        CHUNKED + b"+3\r\nabc",
        CHUNKED + b"0x3\r\nabc",
        CHUNKED + b"1_0\r\nabc",
        CHUNKED + b"3\r\nabcd\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    ],
)
def test_what_is_not_http_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedResponse):
        read(data)


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=12),
    cuts=st.lists(st.integers(0, 2_000), max_size=30),
    chunked=st.booleans(),
)
def test_every_cut_gives_the_same_body(pieces: list[bytes], cuts: list[int], chunked: bool) -> None:
    body = b"".join(pieces)
    wire = CHUNKED + b"".join(map(chunk, pieces)) + b"0\r\n\r\n" if chunked else whole(body)
    edges = [0, *sorted(cut for cut in set(cuts) if 0 < cut < len(wire)), len(wire)]
    reader = read(*(wire[a:b] for a, b in pairwise(edges)))
    assert (bytes(reader.body), reader.complete) == (body, True)
    assert reader.ends == sorted(set(reader.ends))
    assert len(reader.ends) == len(reader.arrivals_ns)


@given(st.binary(max_size=300))
def test_noise_never_does_worse_than_a_refusal(data: bytes) -> None:
    try:
        read(b"HTTP/1.1 200 OK\r\n" + data)
    except MalformedResponse:
        return
