"""Play back what an engine really sent, over a real socket, to the real client."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from steelyard.domain.stream import Attempt, Exchange
from steelyard.engines import transcript
from steelyard.engines.api import Dialect, HttpCall
from steelyard.engines.http1 import prepare
from steelyard.loadgen.client import Client
from steelyard.loadgen.response import ResponseReader

RECORDED = Path(__file__).with_name("recorded")
_PIECE = 700


def recorded(engine: str, case: str) -> bytes:
    return (RECORDED / engine / f"{case}.http").read_bytes()


def body(engine: str, case: str) -> str:
    """Return the body of a recorded answer, framing removed."""
    reader = ResponseReader()
    reader.feed(recorded(engine, case), 1)
    return reader.body.decode()


@contextlib.contextmanager
def serving(answer: bytes) -> Iterator[int]:
    """Give one answer to every request, in pieces, and close; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            with sock:
                sock.recv(65536)
                for at in range(0, len(answer), _PIECE):
                    sock.sendall(answer[at : at + _PIECE])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def played(dialect: Dialect, case: str, folder: Path) -> Attempt:
    """Send a request, get the recorded answer, and read it as a run does."""
    return transcript.read(exchanged(dialect.name, case, folder), dialect, sample="0")


def exchanged(engine: str, case: str, folder: Path) -> Exchange:
    call = HttpCall("POST", "/v1/chat/completions", json={"stream": True})
    with (
        serving(recorded(engine, case)) as port,
        Client("127.0.0.1", port, folder / f"{case}.bin") as client,
    ):
        client.submit("0", prepare(call, "127.0.0.1", port))
        (exchange,) = client.drain()
    return exchange
