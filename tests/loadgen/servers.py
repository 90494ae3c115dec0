"""A small server for the load generator's tests: plays a script on a real socket, in a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

REQUEST = b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"


@dataclass
class Peer:
    """One accepted connection, and the moments before and after it was sent something."""

    sock: socket.socket
    sent_ns: list[int] = field(default_factory=list)
    gone_ns: list[int] = field(default_factory=list)

    def request(self) -> bytes:
        """Wait for one request; empty when the client has closed."""
        data = b""
        while not data.endswith(b"\r\n\r\nhi"):
            piece = self.sock.recv(65536)
            if not piece:
                return b""
            data += piece
        return data

    def send(self, data: bytes) -> None:
        """Send, remembering when."""
        self.sent_ns.append(time.monotonic_ns())
        self.sock.sendall(data)
        self.gone_ns.append(time.monotonic_ns())

    def sent(self, at_ns: int, number: int, late_ns: int) -> bool:
        """Whether a moment lies in the n-th send, or after it by less than this."""
        return self.sent_ns[number] < at_ns < self.gone_ns[number] + late_ns


Script: TypeAlias = Callable[[Peer, int], None]


@dataclass
class Server:
    """Where it listens, whom it has accepted."""

    host: str
    port: int
    peers: list[Peer] = field(default_factory=list)


@contextmanager
def serving(script: Script) -> Iterator[Server]:
    """Run `script(peer, n)` in a thread for the n-th connection accepted."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server("127.0.0.1", listener.getsockname()[1])
        listener.settimeout(0.05)
        over = threading.Event()
        threads = []

        def play(peer: Peer, number: int) -> None:
            with peer.sock, contextlib.suppress(OSError):
                script(peer, number)

        def accept() -> None:
            while not over.is_set():
                try:
                    sock, _ = listener.accept()
                except TimeoutError:
                    continue
                sock.settimeout(10)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                server.peers.append(Peer(sock))
                thread = threading.Thread(
                    target=play, args=(server.peers[-1], len(server.peers) - 1)
                )
                thread.start()
                threads.append(thread)

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield server
        finally:
            over.set()
            acceptor.join()
            for peer in server.peers:
                with contextlib.suppress(OSError):
                    peer.sock.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()


def whole(body: bytes) -> bytes:
    """Return a response with a length."""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)
