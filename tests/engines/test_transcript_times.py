"""When an event arrived: its stamp, and how much earlier it may have been sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.streams import DONE, ROLE, STOP, event, exchange, read, said

from steelyard.domain.stream import Arrival, Attempt
from steelyard.engines import transcript
from steelyard.engines.llamacpp import LlamaCpp


def test_events_of_one_read_share_its_arrival() -> None:
    attempt = read(event(ROLE) + event(said("a")) + event(said("b")), event(STOP))
    assert [arrival.at_ns for arrival in attempt.arrivals] == [100, 100, 100, 110]


def test_an_event_arrives_with_the_read_that_completes_it() -> None:
    whole = event(said("ä€"))
    attempt = read(whole[:-30], whole[-30:-1], whole[-1:], event(STOP))
    assert attempt.text == "ä€"
    assert attempt.arrivals[0] == Arrival(120, "content", 2)


def stamped(
    *reads: bytes, drained: Sequence[int], segments: int = 0, handed_ns: int = 0
) -> Attempt:
    plain = exchange(*reads)
    whole = replace(
        plain,
        stamps="kernel",
        drained_ns=drained,
        segments=segments,
        handed_ns=handed_ns,
        late_ns=7,
    )
    return transcript.read(whole, LlamaCpp(), sample="s")


A, B, C = event(said("a")), event(said("b")), event(said("c"))


def test_an_event_that_waited_for_another_says_how_long_at_most() -> None:
    attempt = stamped(A + B, C + event(STOP), drained=(65, 108))
    assert [(a.at_ns, a.spread_ns) for a in attempt.arrivals] == [
        *((100, 35), (100, 0), (110, 2), (110, 0)),
    ]


@pytest.mark.parametrize("more", [b": ping\n\n", b"data: [DO", DONE])
def test_any_bytes_behind_an_event_may_be_what_it_waited_for(more: bytes) -> None:
    assert stamped(A + more, drained=(90,)).arrivals[0].spread_ns == 10


def test_the_line_feed_that_ends_a_read_is_part_of_its_last_event() -> None:
    ended = A.replace(b"\n", b"\r\n")
    assert stamped(ended, ended, drained=(90, 105)).arrivals[0].spread_ns == 0
    late = stamped(ended[:-1], ended[-1:] + ended, drained=(90, 105))
    assert [a.spread_ns for a in late.arrivals] == [0, 0]


def test_without_more_pieces_than_reads_nothing_waited() -> None:
    reads = (A + B, C)
    assert [a.spread_ns for a in stamped(*reads, drained=(65, 105), segments=2).arrivals] == [0] * 3
    assert stamped(*reads, drained=(65, 105), segments=3).arrivals[0].spread_ns == 35
    assert stamped(*reads, drained=(), segments=3).arrivals[0].spread_ns == 0


def test_a_socket_emptied_after_the_stamp_leaves_no_spread() -> None:
    assert stamped(A + B, drained=(130,)).arrivals[0].spread_ns == 0


def test_the_clients_own_share_is_kept() -> None:
    attempt = stamped(A, drained=(95,), handed_ns=63)
    assert (attempt.stamps, attempt.late_ns, attempt.send_spread_ns) == ("kernel", 7, 3)
    plain = read(A)
    assert (plain.stamps, plain.late_ns, plain.send_spread_ns) == ("user", 0, 0)


@given(st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=15))
def test_what_was_sent_lies_within_stamp_and_spread(sends: list[tuple[int, bool]]) -> None:
    """Each send is one event, so long after the one before; some are taken up with the next."""
    now, sent, reads, stamps, drained, pending = 60, [], [], [], [60], b""
    for number, (gap, joined) in enumerate(sends):
        now += gap
        sent.append(now)
        pending += event(said(str(number)))
        if not joined or number == len(sends) - 1:
            reads.append(pending)
            stamps.append(now)
            drained.append(now)
            pending = b""
    whole = replace(
        exchange(*reads), arrivals_ns=stamps, drained_ns=drained[:-1], segments=len(sends)
    )
    attempt = transcript.read(whole, LlamaCpp(), sample="s")
    assert len(attempt.arrivals) == len(sent)
    for arrival, true_ns in zip(attempt.arrivals, sent, strict=True):
        assert arrival.at_ns - arrival.spread_ns <= true_ns <= arrival.at_ns


def test_what_the_sender_may_have_held_back_has_a_spread_to_its_last_byte() -> None:
    held = stamped(A, B + C, drained=(90, 100), segments=2)
    assert [a.spread_ns for a in held.arrivals] == [0, 10, 10]
    assert stamped(A, B + C, drained=(90, 101), segments=2).arrivals[2].spread_ns == 0
