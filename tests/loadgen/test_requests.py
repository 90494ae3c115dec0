"""Requests of callers, read from bytes however they are cut."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.loadgen.requests import MalformedRequest, Request, RequestReader

LENGTH = b"POST /v1/x?key=s HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
CHUNKS = (
    b"POST /v1/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
)
NO_BODY = b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n"


def taken(pieces: list[bytes]) -> list[Request]:
    reader, found = RequestReader(), []
    for piece in pieces:
        reader.came += piece
        while (request := reader.take()) is not None:
            found.append(request)
    assert not reader.came
    return found


@given(st.lists(st.integers(0, len(LENGTH + CHUNKS + NO_BODY))))
def test_wherever_the_bytes_are_cut_the_requests_are_the_same(cuts: list[int]) -> None:
    whole = LENGTH + CHUNKS + NO_BODY
    edges = [0, *sorted(cuts), len(whole)]
    first, second, third = taken([whole[a:b] for a, b in itertools.pairwise(edges)])
    assert (first.method, first.path, first.body) == ("POST", "/v1/x", b"hello")
    assert (second.target, second.body) == ("/v1/x", b"hello")
    assert (third.method, third.keeps_alive, third.body) == ("GET", False, b"")


def test_what_has_come_of_a_chunked_body_is_not_read_again() -> None:
    reader = RequestReader()
    reader.came += CHUNKS[: CHUNKS.index(b"3\r\n")]
    for _ in range(50):
        reader.came += b"3\r\nhel\r\n"
        assert reader.take() is None
        assert len(reader.came) <= len(b"\r\n3\r\nhel\r\n")
    reader.came += b"0\r\n\r\n"
    request = reader.take()
    assert request is not None
    assert request.body == b"hel" * 50


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (CHUNKS[:-2] + b"X: 1\r\n" * 11_000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000, 431),
    ],
)
def test_what_is_no_request_is_refused(raw: bytes, status: int) -> None:
    reader = RequestReader()
    reader.came += raw
    with pytest.raises(MalformedRequest) as caught:
        reader.take()
    assert caught.value.status == status


def test_a_caller_that_waits_before_its_body_is_noticed() -> None:
    reader = RequestReader()
    reader.came += b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
    assert reader.take() is None
    assert reader.expects
    reader.came += b"x"
    request = reader.take()
    assert request is not None
    assert request.body == b"x"
