"""The pacer as a process: what it says that it sent is what comes, and its planted times hold."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, final

import pytest

from steelyard.loadgen.client import Client
from steelyard.platform import process
from steelyard.scripted import paced, truth
from steelyard.scripted.paced import Paced

MS = 1_000_000
HOST = "127.0.0.1"
ROUTE = "/v1/chat/completions"
ASK: dict[str, Any] = {
    "model": "pacer",
    "messages": [{"role": "user", "content": "two words"}],
    "stream": True,
    "max_tokens": 5,
    "steelyard_ttft_ms": 10,
    "steelyard_gap_ms": 2,
}


@final
@dataclass(frozen=True)
class Rig:
    """A running pacer, and the connections to it that are closed after it."""

    port: int
    folder: Path
    lines: ExitStack

    def dial(self) -> HTTPConnection:
        line = HTTPConnection(HOST, self.port)
        self.lines.callback(line.close)
        return line

    def health(self) -> dict[str, Any]:
        line = self.dial()
        line.request("GET", "/health")
        found: dict[str, Any] = json.loads(line.getresponse().read())
        return found

    def log(self) -> list[Paced]:
        self.health()  # a control call writes what has ended
        return list(paced.records(self.folder / "truth"))


@contextmanager
def pacer(folder: Path, *flags: str) -> Iterator[Rig]:
    words = [sys.executable, "-m", "steelyard.scripted.pacer", "--port", "0"]
    said = folder / "pacer.out"
    words += ["--truth", str(folder / "truth"), *flags]
    with ExitStack() as lines, process.start(words, log=said) as child:
        while not said.exists() or b"\n" not in said.read_bytes():
            assert child.returncode() is None, said.read_text()
            time.sleep(0.01)
        yield Rig(int(said.read_text().split("\n")[0].rpartition(":")[2]), folder, lines)


def ask(connection: HTTPConnection, changes: Mapping[str, object] | None = None) -> bytes:
    start(connection, changes)
    return connection.getresponse().read()


def start(connection: HTTPConnection, changes: Mapping[str, object] | None = None) -> None:
    connection.request("POST", ROUTE, json.dumps({**ASK, **(changes or {})}))


def raw(changes: Mapping[str, object] | None = None) -> bytes:
    body = json.dumps({**ASK, **(changes or {})}).encode()
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
        *(ROUTE.encode(), len(body), body),
    )


def events(body: bytes) -> list[Any]:
    *messages, done, rest = body.split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return [json.loads(message.removeprefix(b"data: ")) for message in messages]


def test_every_token_is_an_event_and_the_usage_comes_last(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        body = ask(rig.dial())
    found = events(body)
    deltas = [event["choices"][0]["delta"] for event in found[:-1]]
    assert deltas == [
        *({"role": "assistant", "content": ""}, *[{"content": " one"}] * 5, {}),
    ]
    assert {event["id"] for event in found} == {"scripted-0"}
    assert found[-2]["choices"][0]["finish_reason"] == "length"
    usage = {"prompt_tokens": 2, "completion_tokens": 5, "total_tokens": 7}
    assert found[-1]["usage"] == usage


@pytest.mark.parametrize("tokens", [1, 2, 5])
def test_the_log_says_what_each_send_added_to_the_body(tmp_path: Path, tokens: int) -> None:
    with pacer(tmp_path) as rig:
        body = ask(rig.dial(), {"max_tokens": tokens})
        (sent,) = rig.log()
    known = sent.truth
    assert known.tokens == (1,) * tokens
    assert known.ends[-1] == len(body)
    before = 0
    for end in known.ends:
        assert body[:end].endswith(b"\n\n")
        assert body[before:end].count(b'" one"') == 1
        before = end


def test_nothing_leaves_before_it_is_due(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        connection = rig.dial()
        before_ns = time.monotonic_ns()
        ask(connection)
        after_ns = time.monotonic_ns()
        (sent,) = rig.log()
    assert before_ns < sent.received_ns == sent.started_ns < sent.sends_ns[0]
    assert sent.sends_ns[-1] < after_ns
    assert (sent.ttft_ns, sent.gap_ns) == (10 * MS, 2 * MS)
    assert min(sent.lateness_ns) >= 0
    assert sent.sends_ns[-1] - sent.received_ns >= (10 + 4 * 2) * MS
    assert not sent.disconnected
    assert not sent.backlog


def test_the_flags_hold_where_a_request_says_nothing(tmp_path: Path) -> None:
    silent = {"steelyard_ttft_ms": None, "steelyard_gap_ms": None, "max_tokens": None}
    with pacer(tmp_path, "--ttft-ms", "3", "--gap-ms", "0.5", "--tokens", "4") as rig:
        ask(rig.dial(), silent)
        ask(rig.dial(), {**silent, "max_completion_tokens": 2})
        first, second = rig.log()
    assert (first.ttft_ns, first.gap_ns, len(first.sends_ns)) == (3 * MS, MS // 2, 4)
    assert len(second.sends_ns) == 2


def test_the_measuring_client_is_held_against_it(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        with Client(HOST, rig.port, tmp_path / "spool", streams=16) as client:
            for number in range(32):
                client.submit(str(number), raw())
            found = client.drain()
        rig.health()
    known = paced.read(tmp_path / "truth")
    assert sorted(known) == list(range(32))
    errors = [truth.error(exchange, known) for exchange in found]
    assert all(error is not None and len(error.itl_ns) == 4 for error in errors)
    assert all(error is not None and error.ttft_ns > -MS for error in errors)


def test_an_answer_in_one_piece_has_one_send(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        body = ask(rig.dial(), {"stream": False})
        (sent,) = rig.log()
    answer = json.loads(body)
    assert answer["choices"][0]["message"]["content"] == " one" * 5
    assert answer["usage"]["completion_tokens"] == 5
    known = sent.truth
    assert (known.tokens, known.ends) == ((5,), (len(body),))
    assert known.sends_ns[0] - known.received_ns >= (10 + 4 * 2) * MS


def test_a_connection_serves_again_until_it_is_told_to_close(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig, socket.create_connection((HOST, rig.port)) as sock:
        closing = raw().replace(b"Host: x", b"Host: x\r\nConnection: Close")
        sock.sendall(raw() + closing)
        came = b"".join(iter(lambda: sock.recv(65_536), b""))
    assert came.count(b"data: [DONE]") == 2
    assert came.index(b'"scripted-0"') < came.index(b"[DONE]") < came.index(b'"scripted-1"')


def test_a_queue_starts_each_request_when_a_server_becomes_free(tmp_path: Path) -> None:
    with pacer(tmp_path, "--servers", "2", "--service-ms", "200") as rig:
        callers = [rig.dial() for _ in range(6)]
        for caller in callers:
            start(caller)
        for caller in callers:
            caller.getresponse().read()
        sent = sorted(rig.log(), key=lambda one: one.number)
    # Requests that wait together are numbered as they are read, not as the kernel stamped them.
    starts = sorted(one.started_ns for one in sent)
    assert starts[:2] == sorted(one.received_ns for one in sent[:2])
    assert [late - early for early, late in zip(starts, starts[2:], strict=False)] == [200 * MS] * 4
    assert all(one.ttft_ns == one.gap_ns == 40 * MS for one in sent)


def test_exponential_services_have_the_mean_and_follow_the_seed(tmp_path: Path) -> None:
    means: list[float] = []
    draws: list[list[int]] = []
    for seed in ("1", "1", "2"):
        folder = tmp_path / f"{len(draws)}"
        folder.mkdir()
        flags = ("--servers", "1", "--service-ms", "1", "--service-law", "exponential")
        with pacer(folder, *flags, "--seed", seed) as rig:
            connection = rig.dial()
            for _ in range(200):
                ask(connection, {"max_tokens": 1})
            draws.append([one.ttft_ns for one in rig.log()])
        means.append(statistics.fmean(draws[-1]) / MS)
    assert draws[0] == draws[1] != draws[2]
    assert all(0.7 < mean < 1.3 for mean in means)  # four standard errors


def test_a_freeze_stops_every_send_and_what_was_due_leaves_after_it(tmp_path: Path) -> None:
    long = {"max_tokens": 100, "steelyard_gap_ms": 4}
    with pacer(tmp_path, "--freeze-at", "0.1", "--freeze-for", "2") as rig:
        early, late = rig.dial(), rig.dial()
        start(early, long)
        time.sleep(1.0)  # the middle of the freeze, about
        start(late)
        early.getresponse().read()
        late.getresponse().read()
        from_ns, until_ns = rig.health()["frozen_ns"]
        sent = paced.read(tmp_path / "truth")
    assert until_ns - from_ns >= 2_000 * MS
    assert from_ns - sent[0].received_ns >= 100 * MS
    assert not [at for one in sent.values() for at in one.sends_ns if from_ns < at < until_ns]
    due = [sent[0].started_ns + (10 + 4 * number) * MS for number in range(100)]
    missed = [at for due_ns, at in zip(due, sent[0].sends_ns, strict=True) if due_ns < until_ns]
    assert missed[-1] > until_ns
    assert from_ns < sent[1].received_ns < until_ns == sent[1].started_ns


def test_a_client_that_leaves_is_in_the_log_as_far_as_it_was_served(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        connection = rig.dial()
        start(connection, {"max_tokens": 1000})
        response: HTTPResponse = connection.getresponse()
        response.read(50)
        response.close()
        connection.close()
        while not (sent := rig.log()):
            time.sleep(0.02)
    assert sent[0].disconnected
    assert 0 < len(sent[0].sends_ns) < 1000
    assert len(sent[0].truth.ends) == len(sent[0].sends_ns)
    assert sent[0].truth.faults == ("disconnected",)


def test_a_client_that_does_not_read_is_named_and_gets_everything_later(tmp_path: Path) -> None:
    flood = {"max_tokens": 60_000, "steelyard_gap_ms": 0}
    with pacer(tmp_path) as rig:
        connection = rig.dial()
        start(connection, flood)
        while not (sent := rig.log()):
            time.sleep(0.02)
        body = connection.getresponse().read()
    assert sent[0].backlog
    assert len(body) == sent[0].truth.ends[-1]
    assert body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "words",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n[]",
        raw({"max_tokens": 0}),
        raw({"steelyard_gap_ms": -1}),
        raw({"steelyard_ttft_ms": "soon"}),
        raw({"messages": None}),
    ],
)
def test_what_is_no_request_is_refused_and_the_pacer_lives(tmp_path: Path, words: bytes) -> None:
    with pacer(tmp_path) as rig:
        with socket.create_connection((HOST, rig.port)) as sock:
            sock.sendall(words)
            assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")
        assert rig.health() == {"status": "ok", "answers": 0}


def test_models_are_listed_and_unknown_routes_named(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        connection = rig.dial()
        connection.request("GET", "/v1/models")
        assert json.loads(connection.getresponse().read())["data"][0]["id"] == "pacer"
        connection.request("GET", "/nothing")
        response = connection.getresponse()
        assert response.status == 404
        assert b"GET /nothing" in response.read()


def test_it_serves_over_tls(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    words += ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", str(key)]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(cert)]
    subprocess.run(words, check=True, capture_output=True)
    trusted = ssl.create_default_context(cafile=str(cert))
    with pacer(tmp_path, "--cert", str(cert), "--key", str(key)) as rig:
        connection = HTTPSConnection(HOST, rig.port, context=trusted)
        bodies = [ask(connection), ask(connection, {"max_tokens": 60_000, "steelyard_gap_ms": 0})]
        connection.request("GET", "/health")
        assert json.loads(connection.getresponse().read())["answers"] == 2
        connection.close()
        sent = paced.read(tmp_path / "truth")
    assert [sent[number].ends[-1] for number in (0, 1)] == [len(body) for body in bodies]
    assert sent[0].sends_ns[0] - sent[0].received_ns >= 10 * MS


def test_a_log_cut_off_by_a_kill_is_read_up_to_there(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        connection = rig.dial()
        ask(connection)
        ask(connection)
        rig.health()
    whole = (tmp_path / "truth").read_bytes()
    (tmp_path / "truth").write_bytes(whole[:-3])
    assert list(paced.read(tmp_path / "truth")) == [0]


def test_a_control_call_writes_the_log_however_busy_the_pacer_is(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        start(rig.dial(), {"max_tokens": 20_000, "steelyard_gap_ms": 0.2})
        ask(rig.dial())
        (sent,) = rig.log()
    assert sent.number == 1


def test_what_has_ended_is_in_the_log_when_it_is_stopped(tmp_path: Path) -> None:
    with pacer(tmp_path) as rig:
        start(rig.dial(), {"max_tokens": 20_000, "steelyard_gap_ms": 0.2})
        ask(rig.dial())
    assert list(paced.read(tmp_path / "truth")) == [1]


@pytest.mark.parametrize(
    "flags",
    [
        ("--servers", "2"),
        ("--freeze-at", "1"),
        ("--cert", "c.pem"),
        ("--servers", "0", "--service-ms", "1"),
        ("--tokens", "0"),
        ("--gap-ms", "-1"),
    ],
)
def test_flags_that_make_no_sense_are_refused(tmp_path: Path, flags: tuple[str, ...]) -> None:
    words = [sys.executable, "-m", "steelyard.scripted.pacer", "--port", "0"]
    ended = subprocess.run(
        [*words, "--truth", str(tmp_path / "t"), *flags], capture_output=True, check=False
    )
    assert ended.returncode == 2
    assert flags[0].encode() in ended.stderr
