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
from tests.loadgen.servers import Peer, Script, Server, serving

from steelyard.domain.budget import Budget
from steelyard.domain.errors import Busy
from steelyard.domain.reading import Measured
from steelyard.engines.openai_endpoint import OpenAiEndpoint
from steelyard.loadgen import recording
from steelyard.runs import proxied
from steelyard.runs.proxied import Proxy
from steelyard.runs.relaying import Settings

KEY = 'sk-our"own/key'
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


def asks(port: int, *headers: str, path: str = "/v1/chat/completions", body: str = "hi") -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *headers]
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
        theirs = ("Authorization: Bearer sk-theirs", "X-Api-Key: sk-theirs", "X-Else: stays")
        status, body = said(opened.port, *theirs)
    assert status == 401
    assert body == echo
    assert f"authorization: Bearer {KEY}\r\n".encode() in heard[0]
    assert b"POST /other/v9/chat/completions HTTP/1.1" in heard[0]
    assert b"x-else: stays" in heard[0]
    assert b"sk-theirs" not in heard[0]
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert b"sk-theirs" not in kept
    assert b"our" not in kept


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


def test_an_answer_without_counts_is_charged_at_most(tmp_path: Path) -> None:
    uncounted = whole(b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}')
    with (
        serving(always(uncounted)) as server,
        proxy(tmp_path, server, budget=Budget(tokens=50)) as opened,
    ):
        answers = [said(opened.port) for _ in range(2)]
    assert [status for status, _ in answers] == [200, 429]
    assert b"at most 72 of 50 tokens" in answers[1][1]


@pytest.mark.parametrize("header", ["Origin: https://page.example", "Host: rebound.example"])
def test_no_web_page_can_spend_the_key(tmp_path: Path, header: str) -> None:
    heard: list[bytes] = []
    with serving(always(COUNTED, heard)) as server, proxy(tmp_path, server) as opened:
        status, _ = said(opened.port, header)
    assert status == 403
    assert not heard


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


def test_nobody_behind_is_said_and_recorded(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with proxy(tmp_path, Server("127.0.0.1", port)) as opened:
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
