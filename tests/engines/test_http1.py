"""Request bytes, made beforehand."""

from __future__ import annotations

import json

import pytest

from steelyard.domain.errors import BadInput
from steelyard.engines.api import HttpCall
from steelyard.engines.http1 import prepare


def test_a_request_is_complete() -> None:
    head, _, body = prepare(HttpCall("POST", "/x", {"q": "ä"}), "h", 80).partition(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /x HTTP/1.1",
        b"Host: h:80",
        b"Content-Type: application/json",
        b"Content-Length: %d" % len(body),
    ]
    assert json.loads(body) == {"q": "ä"}


def test_a_question_without_a_body_has_none() -> None:
    assert prepare(HttpCall("GET", "/props"), "h", 80).endswith(b"Host: h:80\r\n\r\n")


def test_a_header_cannot_smuggle_another_line_in() -> None:
    with pytest.raises(BadInput, match="line break"):
        prepare(HttpCall("GET", "/", headers={"A": "b\r\nC: d"}), "h", 80)
