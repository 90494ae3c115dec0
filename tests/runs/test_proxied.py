"""The recording proxy between real sockets: what passes, what is kept, what is refused."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests import ports
from tests.loadgen.servers import Peer, Script, Server, serving

from steelyard.domain.budget import Budget
from steelyard.domain.errors import Busy
from steelyard.domain.reading import Measured
from steelyard.engines.openai_endpoint import OpenAiEndpoint
from steelyard.loadgen import recording
from steelyard.runs import proxied
from steelyard.runs.proxied import Proxy
from steelyard.runs.relaying import Settings

KEY = 'sk-our"own/key-2'
HEAD = (
    b"HTTP/1.1 200 OK\r\nX-Odd:  kept \r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def chunk(text: str) -> bytes:
    data = text.encode()
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(words: dict[str, object]) -> bytes:
    return chunk(f"data: {json.dumps(words)}\n\n")


FIRST = event({"model": "m", "choices": [{"delta": {"content": "Hel"}}]})
REST = (
    event({"choices": [{"delta": {"content": "lo"}, "finish_reason": "stop"}]})
    + event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
    + chunk("data: [DONE]\n\n")
    + b"0\r\n\r\n"
)


def whole(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


COUNTED = whole(
    json.dumps(
        {
            "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3},
        }
    ).encode()
)


@contextmanager
def proxy(folder: Path, server: Server, **more: Any) -> Iterator[Proxy]:
    folder.mkdir(exist_ok=True)
    settings = Settings(
        "127.0.0.1",
        0,
        folder=str(folder),
        server=server.host,
        server_port=server.port,
        authority=f"{server.host}:{server.port}",
        api_path="/other/v9",
    )
    with proxied.opened(replace(settings, **more), folder) as opened:
        yield opened


def asks(
    port: int,
    *headers: str,
    path: str = "/v1/chat/completions",
    body: str = "hi",
    method: str = "POST",
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()


def got(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length and (piece := sock.recv(65536)):
        data += piece
    return data


def said(port: int, *headers: str, **more: str) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        sock.sendall(asks(port, *headers, **more))
        response = http.client.HTTPResponse(sock)
        response.begin()
        return response.status, response.read()


def always(answer: bytes, heard: list[bytes] | None = None) -> Script:
    def script(peer: Peer, _: int) -> None:
        while asked := peer.request():
            if heard is not None:
                heard.append(asked)
            peer.send(answer)

    return script


def test_an_answer_passes_byte_by_byte_and_its_beginning_before_its_end(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def script(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(HEAD + FIRST)
        while not seen:  # the rest is sent only when the caller has the beginning
            time.sleep(0.005)
        peer.send(REST)

    with (
        serving(script) as server,
        proxy(tmp_path, server) as opened,
        socket.create_connection(("127.0.0.1", opened.port), timeout=10) as sock,
    ):
        sock.sendall(asks(opened.port))
        seen.append(got(sock, len(HEAD + FIRST)))
        assert seen[0] + got(sock, len(REST)) == HEAD + FIRST + REST
    section = proxied.section(tmp_path, OpenAiEndpoint(), str)
    (attempt,) = section.attempts
    assert attempt.text == "Hello"
    assert attempt.outcome.kind == "completed"
    assert isinstance(attempt.usage, Measured)
    assert attempt.usage.value.output_tokens == 3
    assert not attempt.streamed  # the body did not ask for a stream, so no first token is claimed


def test_the_servers_key_is_ours_and_no_key_stands_in_any_file(tmp_path: Path) -> None:
    heard: list[bytes] = []
    echo = json.dumps({"error": {"message": f"wrong key: {KEY}"}}).encode()
    script = always(whole(echo, "401 No"), heard)
    with serving(script) as server, proxy(tmp_path, server, key=KEY) as opened:
        names = ("Authorization", "X-Api-Key", "X-Goog-Api-Key", "X-Auth-Token", "Cookie")
        theirs = [f"{name}: sk-theirs" for name in (*names, "Ocp-Apim-Subscription-Key")]
        path = "/v1/chat/completions?key=sk-theirs&api-version=1&%41PI-key=sk-theirs"
        status, body = said(opened.port, *theirs, "X-Else: stays", path=path)
    assert status == 401
    assert body == echo
    assert f"authorization: Bearer {KEY}\r\n".encode() in heard[0]
    assert b"POST /other/v9/chat/completions?api-version=1 HTTP/1.1" in heard[0]
    assert b"x-else: stays" in heard[0]
    assert b"sk-theirs" not in heard[0]
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"sk-theirs" not in kept
    assert b"our" not in kept


def test_a_key_that_the_framing_cuts_in_pieces_is_covered_too(tmp_path: Path) -> None:
    cut = HEAD + b"".join(map(chunk, ("wrong: ", KEY[:5], KEY[5:9], f"{KEY[9:]}."))) + b"0\r\n\r\n"
    with serving(always(cut)) as server, proxy(tmp_path, server, key=KEY) as opened:
        _, body = said(opened.port)
    assert body == f"wrong: {KEY}.".encode()
    ((_, raw),) = recording.answers(tmp_path)
    assert raw == cut.replace(b"sk-ou", b"*****").replace(b'r"ow', b"****").replace(
        b"n/key-2", b"*******"
    )


def test_a_key_that_is_a_word_leaves_the_numbers_of_an_answer_readable(tmp_path: Path) -> None:
    with serving(always(COUNTED)) as server, proxy(tmp_path, server, key="token") as opened:
        said(opened.port)
    (attempt,) = proxied.section(tmp_path, OpenAiEndpoint(), str).attempts
    assert isinstance(attempt.usage, Measured)
    assert attempt.usage.value.prompt_tokens == 7


def test_what_a_caller_says_to_the_proxy_alone_is_not_passed_on(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with serving(always(COUNTED, heard)) as server, proxy(tmp_path, server) as opened:
        said(opened.port, "Connection: X-Hop , keep-alive", "X-Hop: 1", "X-Else: stays")
    assert b"x-hop" not in heard[0]
    assert b"x-else: stays" in heard[0]


def test_a_budget_ends_it_and_says_so(tmp_path: Path) -> None:
    heard: list[bytes] = []
    with serving(always(COUNTED, heard)) as server:
        with proxy(tmp_path, server, budget=Budget(tokens=15)) as opened:
            answers = [said(opened.port) for _ in range(4)]
        assert opened.news.refused == 2
        assert opened.news.done == 2
    assert [status for status, _ in answers] == [200, 200, 429, 429]
    assert b"20 of 15 tokens are spent" in answers[2][1]
    assert len(heard) == 2


def test_a_budget_in_money_ends_where_nobody_says_what_it_costs(tmp_path: Path) -> None:
    with (
        serving(always(COUNTED)) as server,
        proxy(tmp_path, server, budget=Budget(usd=1.0)) as opened,
    ):
        answers = [said(opened.port) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 429]
    assert b"without a price" in answers[1][1]


def test_a_budget_holds_for_every_verb_and_no_count_gives_any_of_it_back(tmp_path: Path) -> None:
    refund = whole(b'{"usage": {"prompt_tokens": -90, "completion_tokens": 10}}')
    with (
        serving(always(refund)) as server,
        proxy(tmp_path, server, budget=Budget(tokens=15)) as opened,
    ):
        tokenized = said(opened.port, path="/tokenize")
        answers = [said(opened.port, method=verb) for verb in ("POST", "PUT", "PATCH")]
        afterwards = said(opened.port, path="/v1/detokenize")
    assert [status for status, _ in (tokenized, *answers, afterwards)] == [200, 200, 200, 429, 200]
    assert b"20 of 15 tokens are spent" in answers[2][1]


def test_an_answer_without_counts_is_charged_at_most(tmp_path: Path) -> None:
    uncounted = whole(b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}')
    with (
        serving(always(uncounted)) as server,
        proxy(tmp_path, server, budget=Budget(tokens=50)) as opened,
    ):
        answers = [said(opened.port) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 429]
    assert b"at most 72 of 50 tokens" in answers[1][1]


def test_words_that_nest_without_end_cost_neither_the_proxy_nor_the_record(tmp_path: Path) -> None:
    deep = '{"usage": ' + "[" * 5_000 + "]" * 5_000 + "}"
    answers = iter([whole(deep.encode()), COUNTED])

    def script(peer: Peer, _: int) -> None:
        while peer.request():
            peer.send(next(answers))

    with (
        serving(script) as server,
        proxy(tmp_path, server, budget=Budget(tokens=90_000)) as opened,
    ):
        assert [said(opened.port, body=f"{deep}\r\n\r\nhi")[0] for _ in range(2)] == [200, 200]
    assert [a.outcome.kind for a in proxied.section(tmp_path, OpenAiEndpoint(), str).attempts] == [
        "failed",
        "completed",
    ]


@pytest.mark.parametrize(
    ("host", "headers"),
    [
        ("127.1", ("Origin: https://page.example", "Sec-Fetch-Site: cross-site", "Host: rebound")),
        ("0.0.0.0", ("Origin: https://page.example", "Sec-Fetch-Site: same-origin")),
    ],
)
def test_no_web_page_can_spend_the_key(tmp_path: Path, host: str, headers: tuple[str, ...]) -> None:
    heard: list[bytes] = []
    with serving(always(COUNTED, heard)) as server, proxy(tmp_path, server, host=host) as opened:
        assert [said(opened.port, header)[0] for header in headers] == [403] * len(headers)
        assert not heard
        assert said(opened.port, "Sec-Fetch-Site: none")[0] == 200


def test_a_caller_that_goes_away_ends_its_exchange(tmp_path: Path) -> None:
    ends: list[bool] = []

    def script(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(HEAD + FIRST)
        ends.append(not peer.sock.recv(1))

    with serving(script) as server, proxy(tmp_path, server) as opened:
        with socket.create_connection(("127.0.0.1", opened.port), timeout=10) as sock:
            sock.sendall(asks(opened.port))
            got(sock, len(HEAD + FIRST))
        until = time.monotonic() + 10
        while not ends and time.monotonic() < until:
            time.sleep(0.01)
    assert ends == [True]
    (exchange,) = recording.exchanges(tmp_path)
    assert exchange.failure == "caller_gone"


def test_a_caller_that_sends_on_while_it_waits_is_not_read_without_end(tmp_path: Path) -> None:
    given_up: list[bool] = []

    def script(peer: Peer, _: int) -> None:
        peer.request()
        while not given_up:
            time.sleep(0.005)
        peer.send(COUNTED)

    with (
        serving(script) as server,
        proxy(tmp_path, server) as opened,
        socket.create_connection(("127.0.0.1", opened.port), timeout=0.5) as sock,
    ):
        try:
            with pytest.raises(TimeoutError):
                sock.sendall(asks(opened.port) + asks(opened.port, body="x" * (64 << 20)))
        finally:
            given_up.append(True)
        sock.settimeout(10)
        assert got(sock, len(COUNTED)) == COUNTED


def test_nobody_behind_is_said_and_recorded(tmp_path: Path) -> None:
    with proxy(tmp_path, Server("127.0.0.1", ports.free())) as opened:
        status, body = said(opened.port)
        assert status == 502
        assert b"connection_refused" in body
    (attempt,) = proxied.section(tmp_path, OpenAiEndpoint(), str).attempts
    assert attempt.outcome.kind == "failed"


def test_what_is_under_way_at_the_end_is_kept_as_interrupted(tmp_path: Path) -> None:
    def script(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(HEAD + FIRST)
        peer.sock.recv(1)

    with (
        serving(script) as server,
        proxy(tmp_path, server) as opened,
        socket.create_connection(("127.0.0.1", opened.port), timeout=10) as sock,
    ):
        sock.sendall(asks(opened.port))
        got(sock, len(HEAD + FIRST))
        opened.end()
    (exchange,) = recording.exchanges(tmp_path)
    assert exchange.failure == "interrupted"
    assert exchange.body.startswith(b"data: ")


def test_a_taken_port_is_said(tmp_path: Path) -> None:
    with (
        serving(always(COUNTED)) as server,
        pytest.raises(Busy, match="listens there already"),
        proxy(tmp_path, server, port=server.port),
    ):
        pass


def test_a_replay_gives_the_same_bytes_in_the_same_order_and_nothing_else(tmp_path: Path) -> None:
    answers = [HEAD + FIRST + REST, COUNTED]

    def script(peer: Peer, _: int) -> None:
        while peer.request():
            peer.send(answers[len(peer.sent_ns)])

    with (
        serving(script) as server,
        proxy(tmp_path, server) as opened,
        socket.create_connection(("127.0.0.1", opened.port), timeout=10) as sock,
    ):
        for answer in answers:
            sock.sendall(asks(opened.port))
            assert got(sock, len(answer)) == answer
    replay = Settings("127.0.0.1", 0, replay=str(tmp_path))
    log = tmp_path / "log"
    log.mkdir()
    with proxied.opened(replay, log) as opened:
        with socket.create_connection(("127.0.0.1", opened.port), timeout=10) as sock:
            for answer in [*answers, answers[-1]]:
                sock.sendall(asks(opened.port))
                assert got(sock, len(answer)) == answer
        status, body = said(opened.port, body="ho")
    assert status == 404
    assert b"was not recorded" in body


def test_a_recorded_answer_that_ended_with_its_connection_does_so_again(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nuntil the end"

    def script(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(answer)

    with serving(script) as server, proxy(tmp_path, server) as opened:
        said(opened.port)
    log = tmp_path / "log"
    log.mkdir()
    replay = Settings("127.0.0.1", 0, replay=str(tmp_path))
    with proxied.opened(replay, log) as opened:
        assert said(opened.port) == (200, b"until the end")
