"""Server-sent events: every way of writing the same thing is read as the same thing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.engines.wires.sse import Message, messages


def read(body: bytes) -> list[tuple[str, int]]:
    return [(message.data, message.end) for message in messages(body)]


def test_an_event_ends_with_its_blank_line() -> None:
    assert read(b"data: one\n\ndata: two\n\n") == [("one", 11), ("two", 22)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_counts(end: bytes) -> None:
    body = end.join([b"data: one", b"", b"data: two", b"", b""])
    assert [data for data, _ in read(body)] == ["one", "two"]


def test_several_data_lines_are_one_text() -> None:
    assert read(b"data: a\ndata:b\ndata:  c\n\n") == [("a\nb\n c", 25)]


def test_comments_ids_and_empty_events_are_passed_over() -> None:
    body = b": ping\n\nid: 7\nretry: 9\n\nunknown\n\ndata: x\nid: 8\n\n"
    assert [data for data, _ in read(body)] == ["x"]


def test_an_event_cut_off_by_the_end_is_dropped() -> None:
    assert [data for data, _ in read(b"data: whole\n\ndata: half\n")] == ["whole"]


def test_a_byte_order_mark_is_no_text() -> None:
    assert [data for data, _ in read(b"\xef\xbb\xbfdata: x\n\n")] == ["x"]


def test_bytes_that_are_no_utf8_do_not_stop_the_stream() -> None:
    assert [data for data, _ in read(b"data: \xff\n\ndata: y\n\n")] == ["\ufffd", "y"]


def test_named_events_keep_their_name() -> None:
    body = b'event: error\ndata: {}\n\nerror: {"code": 500}\n\n'
    assert list(messages(body)) == [
        Message("{}", 23, "error"),
        Message('{"code": 500}', 45, "error"),
    ]


@given(
    texts=st.lists(st.text(max_size=30), max_size=20),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    noise=st.sampled_from(["", ": ping", "id: 1", "retry: 5"]),
)
def test_what_was_written_is_read(texts: list[str], end: str, noise: str) -> None:
    lines: list[str] = []
    for text in texts:
        lines += (
            [noise, "", f"data: {json.dumps(text)}", ""]
            if noise
            else [
                f"data: {json.dumps(text)}",
                "",
            ]
        )
    body = "".join(line + end for line in lines).encode()
    found = list(messages(body))
    assert [json.loads(message.data) for message in found] == texts
    ends = [message.end for message in found]
    assert ends == sorted(set(ends))
    assert all(message.end <= len(body) for message in found)


@given(st.binary(max_size=400))
def test_noise_is_never_more_than_events(body: bytes) -> None:
    for message in messages(body):
        assert 0 < message.end <= len(body)


@given(body=st.binary(max_size=200), cut=st.integers(0, 200))
def test_a_beginning_gives_the_same_events_as_far_as_it_goes(body: bytes, cut: int) -> None:
    whole = list(messages(body))
    part = list(messages(body[:cut]))
    assert part == [message for message in whole if message.end <= cut][: len(part)]
    assert len(part) >= len([message for message in whole if message.end <= cut])
