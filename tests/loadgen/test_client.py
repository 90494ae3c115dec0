"""The measuring client against real sockets: what it stamps, keeps, and says when it breaks."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests import ports
from tests.loadgen.servers import CHUNKED, REQUEST, Peer, Server, chunk, serving, whole

from steelyard.domain.errors import BadInput, SteelyardError
from steelyard.domain.stream import Exchange
from steelyard.loadgen import spool
from steelyard.loadgen.client import Client
from steelyard.loadgen.connections import first_accepting

MS = 1_000_000


def echo(peer: Peer, _: int) -> None:
    while peer.request():
        peer.send(whole(b"ok"))


def stream(peer: Peer, _: int) -> None:
    while peer.request():
        peer.send(CHUNKED)
        for word in (b"one", b"two", b"three"):
            time.sleep(0.1)
            peer.send(chunk(word))
        peer.send(b"0\r\n\r\n")


def send(server: Server, path: Path, count: int = 1, **limits: int) -> list[Exchange]:
    with Client(server.host, server.port, path / "spool.bin") as client:
        for number in range(count):
            client.submit(f"r{number}", REQUEST, **limits)
        return client.drain()


def test_every_event_is_stamped_when_it_arrives(tmp_path: Path) -> None:
    with serving(stream) as server:
        (exchange,) = send(server, tmp_path)
    assert exchange.body == b"onetwothree"
    assert exchange.ends == (3, 6, 11)
    assert len(exchange.arrivals_ns) == 3
    for number, at_ns in enumerate(exchange.arrivals_ns, start=1):
        assert server.peers[0].sent(at_ns, number, 15 * MS)
    assert exchange.intended_ns <= exchange.sent_ns < exchange.arrivals_ns[0] <= exchange.done_ns
    assert exchange.failure is None


def test_a_connection_is_kept_alive(tmp_path: Path) -> None:
    with serving(echo) as server:
        exchanges = send(server, tmp_path, count=5)
        assert len(server.peers) == 1
    assert [exchange.body for exchange in exchanges] == [b"ok"] * 5


def test_as_many_streams_as_allowed_and_no_more(tmp_path: Path) -> None:
    lock, now, most = threading.Lock(), [0], [0]

    def slow(peer: Peer, _: int) -> None:
        while peer.request():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.1)
            with lock:
                now[0] -= 1
            peer.send(whole(b"ok"))

    with (
        serving(slow) as server,
        Client(server.host, server.port, tmp_path / "s", streams=3) as client,
    ):
        for number in range(9):
            client.submit(str(number), REQUEST)
        assert len(client.drain()) == 9
    assert most[0] == 3


def test_streams_are_held_by_two_drivers_together(tmp_path: Path) -> None:
    def slow(peer: Peer, _: int) -> None:
        while peer.request():
            time.sleep(0.1)  # long beside what a driver waits for its core
            peer.send(whole(b"ok"))

    with (
        serving(slow) as server,
        Client(server.host, server.port, tmp_path / "s", streams=3, processes=2) as client,
    ):
        for number in range(30):
            client.submit(str(number), REQUEST)
        exchanges = client.drain()
        assert len(server.peers) == 3
    began_ns = sorted(exchange.sent_ns for exchange in exchanges)[3]
    ended_ns = sorted(exchange.done_ns for exchange in exchanges)[-6]
    busy_ns = sum(
        max(0, min(exchange.done_ns, ended_ns) - max(exchange.sent_ns, began_ns))
        for exchange in exchanges
    )
    assert 2.7 < busy_ns / (ended_ns - began_ns) <= 3


@pytest.mark.parametrize("streams", [1, 2, 4])
def test_fewer_streams_than_drivers_leave_no_request_unsent(tmp_path: Path, streams: int) -> None:
    """The streams change twice, under way too; what a driver can no longer send others do."""
    lock, now, most = threading.Lock(), [0], [0]

    def slow(peer: Peer, _: int) -> None:
        while peer.request():
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            time.sleep(0.15)
            with lock:
                now[0] -= 1
            peer.send(whole(b"ok"))

    with (
        serving(slow) as server,
        Client(server.host, server.port, tmp_path / "s", processes=2) as client,
    ):
        client.submit("warm", REQUEST)
        client.submit("warmer", REQUEST)
        assert len(client.drain()) == 2
        assert most == [1]
        client.set_streams(0)
        for number in range(14):
            client.submit(str(number), REQUEST)
        begin_ns = time.monotonic_ns() + 200 * MS
        client.set_streams(streams, at_ns=begin_ns)
        client.set_streams(1, at_ns=begin_ns + 375 * MS)
        exchanges = client.drain()
    assert len(exchanges) == 14
    assert most == [streams]
    assert min(exchange.sent_ns for exchange in exchanges) >= begin_ns


def test_conversations_find_room_at_whichever_driver_has_it(tmp_path: Path) -> None:
    """Each answer is followed by a request bound to a moment; users do not wait for another."""

    def one_is_slow(peer: Peer, number: int) -> None:
        while peer.request():
            time.sleep(0.01 if number else 0.6)
            peer.send(whole(b"ok"))

    with (
        serving(one_is_slow) as server,
        Client(server.host, server.port, tmp_path / "s", streams=2, processes=2) as client,
    ):
        asked = 2
        for number in range(asked):
            client.submit(str(number), REQUEST, at_ns=time.monotonic_ns())
        late_ns = {}
        for exchange in client.results():
            late_ns[exchange.id] = exchange.sent_ns - exchange.intended_ns
            if asked < 20:
                client.submit(str(asked), REQUEST, at_ns=time.monotonic_ns())
                asked += 1
    # The first two waited for the drivers; behind a slow request a wait would be over 500 ms.
    assert max(late_ns[str(number)] for number in range(2, 20)) < 400 * MS


def test_a_name_of_several_addresses_is_where_somebody_listens() -> None:
    nobody = ("127.0.0.1", ports.free())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        somebody = listener.getsockname()
        addresses = [(socket.AF_INET, nobody), (socket.AF_INET, somebody)]
        assert first_accepting(addresses) == addresses[1]
        assert first_accepting(addresses[:1] * 2) == addresses[0]
        listener.accept()[0].close()
        assert first_accepting(addresses[1:]) == addresses[1]
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):  # a single one is not knocked at
            listener.accept()


def test_a_connection_closed_between_two_requests_is_replaced_and_the_record_says_so(
    tmp_path: Path,
) -> None:
    def closes_on_the_second(peer: Peer, number: int) -> None:
        peer.request()
        peer.send(whole(b"ok"))
        if number == 0:
            peer.request()
            return
        echo(peer, number)

    with serving(closes_on_the_second) as server:
        first, second = send(server, tmp_path, count=2)
    assert (first.reconnects, second.reconnects) == (0, 1)
    assert second.body == b"ok"
    assert second.failure is None


def test_the_wait_for_a_request_that_was_lost_begins_with_its_first_try(tmp_path: Path) -> None:
    seen_ns: list[int] = []

    def closes_late_on_the_second(peer: Peer, number: int) -> None:
        peer.request()
        seen_ns.append(time.monotonic_ns())
        peer.send(whole(b"ok"))
        if number == 0:
            peer.request()
            seen_ns.append(time.monotonic_ns())
            time.sleep(0.5)
            return
        echo(peer, number)

    with serving(closes_late_on_the_second) as server:
        _, second = send(server, tmp_path, count=2)
    assert second.reconnects == 1
    assert second.sent_ns < seen_ns[1] < second.sent_ns + 400 * MS
    assert second.handed_ns - second.sent_ns > 490 * MS
    assert second.arrivals_ns[0] - second.sent_ns > 490 * MS


def test_a_server_that_closes_after_each_answer_is_soon_asked_over_fresh_connections(
    tmp_path: Path,
) -> None:
    def closes_each_time(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(whole(b"ok"))

    with serving(closes_each_time) as server:
        exchanges = send(server, tmp_path, count=30)
    assert [exchange.body for exchange in exchanges] == [b"ok"] * 30
    assert sum(exchange.reconnects for exchange in exchanges) <= 3


def test_an_answer_that_breaks_off_is_never_sent_again(tmp_path: Path) -> None:
    def breaks(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(CHUNKED + chunk(b"half"))

    with serving(breaks) as server:
        (exchange,) = send(server, tmp_path)
        assert len(server.peers) == 1
    assert (exchange.failure, exchange.body) == ("disconnected", b"half")


def test_a_reset_is_a_disconnect(tmp_path: Path) -> None:
    def resets(peer: Peer, _: int) -> None:
        peer.request()
        linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.sock.close()

    with serving(resets) as server:
        (exchange,) = send(server, tmp_path)
    assert exchange.failure == "disconnected"


def test_nobody_there_is_a_failure_of_each_request(tmp_path: Path) -> None:
    with Client("127.0.0.1", ports.free(), tmp_path / "s") as client:
        for number in range(2_000):
            client.submit(str(number), REQUEST)
        assert {exchange.failure for exchange in client.results()} == {"connection_refused"}


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"stall_ns": 500 * MS}, "stalled"), ({"deadline_ns": 500 * MS}, "deadline")],
)
def test_limits_end_a_request_and_keep_what_came(
    tmp_path: Path, limits: dict[str, int], code: str
) -> None:
    def hangs(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(CHUNKED + chunk(b"half"))
        peer.request()

    with serving(hangs) as server:
        (exchange,) = send(server, tmp_path, **limits)
    assert (exchange.failure, exchange.body) == (code, b"half")
    assert 500 * MS < exchange.done_ns - exchange.sent_ns < 5_000 * MS


def test_what_is_not_http_is_named(tmp_path: Path) -> None:
    def babbles(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(b"220 mail ready\r\n")

    with serving(babbles) as server:
        (exchange,) = send(server, tmp_path)
    assert exchange.failure == "malformed_response"


def test_a_request_bound_to_a_moment_goes_out_then(tmp_path: Path) -> None:
    with serving(echo) as server, Client(server.host, server.port, tmp_path / "s") as client:
        client.submit("first", REQUEST)
        client.drain()
        at_ns = time.monotonic_ns() + 150 * MS
        client.submit("second", REQUEST, at_ns=at_ns)
        (exchange,) = client.drain()
    assert exchange.intended_ns == at_ns
    assert 0 <= exchange.sent_ns - at_ns < 100 * MS


def test_results_may_lead_to_new_requests(tmp_path: Path) -> None:
    with serving(echo) as server, Client(server.host, server.port, tmp_path / "s") as client:
        client.submit("0", REQUEST)
        seen = []
        for exchange in client.results():
            seen.append(exchange.id)
            if len(seen) < 4:
                client.submit(str(len(seen)), REQUEST)
    assert seen == ["0", "1", "2", "3"]


def test_a_large_request_and_a_large_answer_come_whole(tmp_path: Path) -> None:
    size = 3_000_000

    def big(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(whole(b"y" * size))
        peer.request()

    request = b"POST /x HTTP/1.1\r\n\r\n" + b"x" * size + b"\r\n\r\nhi"
    with serving(big) as server, Client(server.host, server.port, tmp_path / "s") as client:
        client.submit("big", request)
        (exchange,) = client.drain()
    assert len(exchange.body) == size
    assert exchange.ends[-1] == size


def test_the_spool_goes_on_behind_an_earlier_run(tmp_path: Path) -> None:
    with serving(echo) as server:
        send(server, tmp_path)
        with (tmp_path / "spool.bin").open("ab") as file:
            file.write(b"STYX torn")
        send(server, tmp_path, count=2)
    assert [exchange.id for exchange in spool.read(tmp_path / "spool.bin")] == ["r0", "r0", "r1"]


def test_what_had_finished_survives_a_kill_of_the_driver(tmp_path: Path) -> None:
    def second_hangs(peer: Peer, _: int) -> None:
        peer.request()
        peer.send(whole(b"ok"))
        peer.request()
        peer.request()

    with (
        serving(second_hangs) as server,
        Client(server.host, server.port, tmp_path / "s") as client,
    ):
        client.submit("done", REQUEST)
        client.submit("hangs", REQUEST)
        results = client.results()
        next(results)
        os.kill(client.pid, signal.SIGKILL)
        with pytest.raises(SteelyardError, match="load driver ended early"):
            next(results)
    assert [exchange.id for exchange in spool.read(tmp_path / "s")] == ["done"]


def test_one_id_cannot_be_two_requests(tmp_path: Path) -> None:
    with serving(echo) as server, Client(server.host, server.port, tmp_path / "s") as client:
        client.submit("a", REQUEST)
        with pytest.raises(BadInput, match="already queued"):
            client.submit("a", REQUEST)


def test_the_driver_ends_by_itself_when_its_input_ends_and_at_once_when_told(
    tmp_path: Path,
) -> None:
    with serving(echo) as server:
        argv = [sys.executable, "-m", "steelyard.loadgen.driver", "--host", server.host]
        argv += ["--port", str(server.port), "--spool", str(tmp_path / "s")]
        line = b'{"id": "x", "request": "UE9TVCAvIEhUVFAvMS4xDQoNCmhpDQoNCmhp"}\n'
        ended = subprocess.run(argv, input=line, capture_output=True, check=False)
        assert (ended.returncode, ended.stdout[:17]) == (0, b'["x", null, 200, ')
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as told:
            assert told.stdin is not None
            assert told.stdout is not None
            told.stdin.write(line)
            told.stdin.flush()
            told.stdout.readline()
            told.terminate()
            assert told.wait(5) == 143


def test_the_timed_process_carries_nothing_heavy() -> None:
    code = (
        "import sys, steelyard.loadgen.driver;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('pydantic', 'numpy', 'xllamacpp', 'sqlalchemy', 'asyncio')"
        " or m.startswith(('steelyard.engines', 'steelyard.platform'))])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert out.stdout.strip() == "[]"


def test_from_a_moment_on_nothing_is_waited_for_and_what_was_out_is_told(tmp_path: Path) -> None:
    first = threading.Lock()

    def one_only(peer: Peer, _: int) -> None:
        while peer.request():
            if first.acquire(blocking=False):
                peer.send(whole(b"ok"))
            else:
                time.sleep(5.0)  # longer than anybody waits

    with (
        serving(one_only) as server,
        Client(server.host, server.port, tmp_path / "spool.bin", streams=2) as client,
    ):
        for name in ("quick", "slow"):
            client.submit(name, REQUEST)
        assert next(client.results()).id
        began = time.monotonic()
        assert not list(client.results(time.monotonic_ns() + 200 * MS))
        assert time.monotonic() - began < 4.0
        assert client.outstanding == 1
