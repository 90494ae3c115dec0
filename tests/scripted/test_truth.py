"""The truth log, and a client's distance from it."""

from __future__ import annotations

from pathlib import Path

from steelyard.domain.stream import Exchange
from steelyard.scripted import truth
from steelyard.scripted.truth import ClientError, Truth

SENT = Truth(7, 90, 95, 12, (100, 200, 300, 310), (10, 20, 30, 40), (0, 1, 1, 0), ("stall",))
BODY = b'{"id":"scripted-7","x":1}' + bytes(15)


def exchange(ends: tuple[int, ...], arrivals: tuple[int, ...]) -> Exchange:
    return Exchange("a", 50, 60, 400, 200, arrivals, ends, BODY)


def test_the_log_survives_a_torn_line(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(truth.line(SENT) + truth.line(SENT)[:20])
    assert truth.read(tmp_path / "t") == {7: SENT}


def test_only_tokens_count_and_gaps_are_differences_of_differences() -> None:
    seen = exchange((10, 20, 30, 40), (101, 205, 312, 313))
    assert truth.error(seen, {7: SENT}) == ClientError(ttft_ns=5, itl_ns=(7,))


def test_sends_that_one_read_brought_share_its_arrival() -> None:
    seen = exchange((15, 40), (101, 330))
    assert truth.error(seen, {7: SENT}) == ClientError(ttft_ns=130, itl_ns=(-100,))


def test_an_answer_nobody_knows_has_no_error() -> None:
    assert truth.error(exchange((40,), (101,)), {}) is None
    assert truth.number_of(Exchange("a", 0, 0, 0, 0, (), (), b"")) is None
