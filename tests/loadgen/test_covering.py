"""A key that was sent and came back is covered, and the answer stays as long as it was."""

from __future__ import annotations

from steelyard.loadgen import covering

REQUEST = b"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sk/planted\r\n\r\nsk/other: 1"


def test_the_key_is_that_of_the_head_plain_and_as_json_writes_it() -> None:
    assert covering.key_of(REQUEST) == (b"sk/planted", b"sk\\/planted")
    assert covering.key_of(b"POST / HTTP/1.1\r\n\r\n\r\nAuthorization: Bearer x\r\n") == ()


def test_it_is_covered_in_place_also_where_chunks_cut_it_in_pieces() -> None:
    secrets = covering.key_of(REQUEST)
    plain = b"HTTP/1.1 401 No\r\nContent-Length: 21\r\n\r\nkey sk/planted, wrong"
    assert covering.covered(plain, secrets) == plain.replace(b"sk/planted", b"*" * 10)
    head = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n"
    cut = head + b"6\r\na sk/p\r\n6\r\nlanted\r\n0\r\n\r\n"
    assert covering.covered(cut, secrets) == head + b"6\r\na ****\r\n6\r\n******\r\n0\r\n\r\n"
    assert covering.covered(cut, ()) == cut


def test_a_short_key_leaves_what_was_answered_and_all_framing_as_it_came() -> None:
    body = b'{"usage":{"prompt_tokens":1234},"text":"a test"}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    for key in (b"token", b"1234", b"test", b"200", b"fifteen-letters"):
        assert covering.covered(answer, (key,)) == answer
    long = b"sixteen-letters."
    spoken = answer.replace(b"a test", long)
    assert covering.covered(spoken, (long,)) == answer.replace(b"a test", b"*" * 16)
    refused = (
        b"HTTP/1.1 401 401\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n401\r\n1\r\n3\r\n0\r\n\r\n"
    )
    plain = b"HTTP/1.1 401 401\r\nContent-Length: 3\r\n\r\n401"
    assert covering.covered(plain, (b"401",)) == plain[:-3] + b"***"
    assert covering.covered(refused, (b"3",)) == refused.replace(b"\r\n3\r\n0", b"\r\n*\r\n0")
