"""Kernel stamps, TLS, several drivers, last calls: against real sockets."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.loadgen.servers import CHUNKED, REQUEST, Peer, Script, chunk, serving, whole

from steelyard.loadgen import stamps
from steelyard.loadgen.client import Client, TlsSettings
from steelyard.loadgen.jobs import Done, Dropped

MS = 1_000_000
linux = pytest.mark.skipif(sys.platform != "linux", reason="kernel stamps are Linux's")


def stream(peer: Peer, _: int) -> None:
    while peer.request():
        peer.send(CHUNKED)
        for word in (b"one", b"two", b"three"):
            time.sleep(0.1)
            peer.send(chunk(word))
        peer.send(b"0\r\n\r\n")


@linux
def test_a_client_that_is_stopped_still_knows_when_things_came(tmp_path: Path) -> None:
    held = threading.Event()

    def waits(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(CHUNKED + chunk(b"a"))
        held.wait(5)
        peer.send(chunk(b"b"))
        time.sleep(0.1)
        peer.send(chunk(b"c") + b"0\r\n\r\n")
        peer.request()

    with serving(waits) as server, Client(server.host, server.port, tmp_path / "s") as client:
        client.submit("one", REQUEST)
        while not (server.peers and server.peers[0].sent_ns):
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(client.pid, signal.SIGSTOP)
        held.set()
        while len(server.peers[0].sent_ns) < 3:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(client.pid, signal.SIGCONT)
        (exchange,) = client.drain()
    assert exchange.stamps == "kernel"
    assert server.peers[0].sent(exchange.arrivals_ns[-1], 2, 5 * MS)
    # It lay there unread, and "b" came somewhere before: both are on record.
    assert exchange.late_ns > 100 * MS
    assert exchange.segments > len(exchange.arrivals_ns)
    assert exchange.drained_ns[-1] <= server.peers[0].sent_ns[1]


@linux
def test_without_kernel_stamps_the_run_says_so(tmp_path: Path) -> None:
    with (
        serving(stream) as server,
        Client(server.host, server.port, tmp_path / "s", stamps="user") as client,
    ):
        client.submit("one", REQUEST)
        (exchange,) = client.drain()
    assert (exchange.stamps, exchange.late_ns) == ("user", 0)
    assert exchange.ends == (3, 6, 11)


def test_a_step_of_the_wall_clock_is_noticed_and_slewing_is_not() -> None:
    clock = stamps.WallClock()
    assert not clock.look()
    clock.offset_ns += 5 * MS  # as if the wall clock had been set back
    assert clock.look()
    assert (clock.look(), clock.steps) == (False, 1)


def test_nothing_is_sent_after_the_last_call(tmp_path: Path) -> None:
    def slow(peer: Peer, _: int) -> None:
        while peer.request():
            time.sleep(0.05)
            peer.send(whole(b"ok"))

    with serving(slow) as server, Client(server.host, server.port, tmp_path / "s") as client:
        client.submit("first", REQUEST)
        client.drain()
        for number in range(50):
            client.submit(str(number), REQUEST)
        call_ns = time.monotonic_ns() + 250 * MS
        client.last_call(call_ns)
        answers = list(client.answers())
        exchanges = list(client.exchanges())
    done = [answer for answer in answers if isinstance(answer, Done)]
    assert len(answers) == 50
    assert 1 <= len(done) <= 6
    assert all(answer.sent_ns < call_ns for answer in done)
    assert sum(isinstance(answer, Dropped) for answer in answers) == 50 - len(done)
    assert [exchange.id for exchange in exchanges] == [answer.id for answer in done]


def test_streams_change_at_their_moment(tmp_path: Path) -> None:
    def slow(peer: Peer, _: int) -> None:
        while peer.request():
            time.sleep(0.5)
            peer.send(whole(b"ok"))

    with serving(slow) as server, Client(server.host, server.port, tmp_path / "s") as client:
        client.submit("first", REQUEST)
        client.drain()
        at_ns = time.monotonic_ns() + 150 * MS
        client.set_streams(4, at_ns=at_ns)
        for number in range(8):
            client.submit(str(number), REQUEST)
        sent = sorted(exchange.sent_ns for exchange in client.results())
    assert sum(moment < at_ns for moment in sent) <= 2
    assert sum(at_ns <= moment < at_ns + 400 * MS for moment in sent) >= 3


def test_several_drivers_share_a_load_and_lose_nothing(tmp_path: Path) -> None:
    with (
        serving(stream) as server,
        Client(server.host, server.port, tmp_path / "s.bin", streams=5, processes=3) as client,
    ):
        assert len(set(client.pids)) == 3
        for number in range(12):
            client.submit(str(number), REQUEST)
        exchanges = client.drain()
        assert len(server.peers) == 5
    assert sorted(int(exchange.id) for exchange in exchanges) == list(range(12))
    assert {exchange.body for exchange in exchanges} == {b"onetwothree"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this host that nobody has signed but itself, and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    both = folder / "both.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    words += ["-keyout", str(folder / "key"), "-out", str(folder / "crt")]
    subprocess.run(words, check=True, capture_output=True)
    both.write_text((folder / "crt").read_text() + (folder / "key").read_text())
    return both


def encrypted(certificate: Path) -> Script:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def over_tls(peer: Peer, number: int) -> None:
        with context.wrap_socket(peer.sock, server_side=True) as peer.sock:
            stream(peer, number)

    return over_tls


def test_tls_is_stamped_before_it_is_decrypted(tmp_path: Path, certificate: Path) -> None:
    over_tls = encrypted(certificate)
    tls = TlsSettings(certificate)
    with (
        serving(over_tls) as server,
        Client("127.0.0.1", server.port, tmp_path / "s", tls=tls) as client,
    ):
        for number in range(2):
            client.submit(str(number), REQUEST)
        first, second = client.drain()
        assert len(server.peers) == 1
    for exchange, began in ((first, 1), (second, 6)):
        assert (exchange.body, exchange.failure) == (b"onetwothree", None)
        assert exchange.stamps == ("kernel" if sys.platform == "linux" else "user")
        assert len(exchange.arrivals_ns) == 3
        for number, at_ns in enumerate(exchange.arrivals_ns, start=began):
            assert server.peers[0].sent(at_ns, number, 15 * MS)


def test_a_flood_under_tls_comes_whole_however_it_was_read(
    tmp_path: Path, certificate: Path
) -> None:
    """While the client stands still, records pile up: one read completes more than 64 KiB."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    body = os.urandom(1 << 20)
    flooded = threading.Event()

    def floods(peer: Peer, _: int) -> None:
        with context.wrap_socket(peer.sock, server_side=True) as peer.sock:
            peer.request()
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            os.kill(client.pid, signal.SIGSTOP)
            threading.Timer(0.2, flooded.set).start()
            peer.send(body)
            peer.request()

    with (
        serving(floods) as server,
        Client("127.0.0.1", server.port, tmp_path / "s", tls=TlsSettings(certificate)) as client,
    ):
        client.submit("one", REQUEST)
        assert flooded.wait(10)
        os.kill(client.pid, signal.SIGCONT)
        (exchange,) = client.drain()
    assert (exchange.failure, exchange.body == body) == (None, True)
    assert exchange.ends[-1] == len(body)


def test_a_request_of_many_records_goes_out_whole(tmp_path: Path, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def echoes_the_size(peer: Peer, _: int) -> None:
        with context.wrap_socket(peer.sock, server_side=True) as peer.sock:
            peer.sock.settimeout(2)
            peer.send(whole(b"%d" % len(peer.request())))
            peer.request()

    request = b"POST /x HTTP/1.1\r\n\r\n" + b"x" * 300_000 + b"\r\n\r\nhi"
    with (
        serving(echoes_the_size) as server,
        Client("127.0.0.1", server.port, tmp_path / "s", tls=TlsSettings(certificate)) as client,
    ):
        client.submit("big", request)
        (exchange,) = client.drain()
    assert (exchange.failure, exchange.body) == (None, b"%d" % len(request))


def test_a_certificate_that_cannot_be_checked_is_refused(tmp_path: Path, certificate: Path) -> None:
    over_tls = encrypted(certificate)
    found = {}
    for name, tls in (("checked", TlsSettings()), ("not", TlsSettings(verify=False))):
        with (
            serving(over_tls) as server,
            Client("127.0.0.1", server.port, tmp_path / name, tls=tls) as client,
        ):
            client.submit("one", REQUEST)
            found[name] = client.drain()[0].failure
    assert found == {"checked": "certificate_refused", "not": None}
