"""Connections kept alive, and the one transfer that each of them carries.

Non-blocking sockets with `TCP_NODELAY`. Not aware of epoll, jobs' order, or the spool.
"""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass, field
from typing import Final, final

from steelyard.domain.stream import Exchange
from steelyard.loadgen.jobs import Job
from steelyard.loadgen.response import ResponseReader

_READ_BYTES: Final = 65_536
# A server that closes a kept connection under our request does so at once; later than this it
# had taken the request and broke off, and sending again would hide that.
_RACE_NS: Final = 1_000_000_000


@final
@dataclass(slots=True)
class Transfer:
    """One request on its way and what has come back so far."""

    job: Job
    intended_ns: int
    started_ns: int
    last_ns: int
    unsent: memoryview
    sent_ns: int = 0
    heard: bool = False
    reconnects: int = 0
    reader: ResponseReader = field(default_factory=ResponseReader)

    @classmethod
    def of(cls, job: Job, intended_ns: int, now_ns: int) -> Transfer:
        """Begin one."""
        return cls(job, intended_ns, now_ns, now_ns, memoryview(job.request))

    def overdue(self, now_ns: int) -> str | None:
        """Return the code of the limit that has been passed, if any."""
        if self.job.deadline_ns is not None and now_ns - self.started_ns > self.job.deadline_ns:
            return "deadline"
        if self.job.stall_ns is not None and now_ns - self.last_ns > self.job.stall_ns:
            return "stalled"
        return None

    def exchange(self, done_ns: int, failure: str | None) -> Exchange:
        """Freeze what happened."""
        return Exchange(
            id=self.job.id,
            intended_ns=self.intended_ns,
            sent_ns=self.sent_ns or done_ns,
            done_ns=done_ns,
            status=self.reader.status,
            arrivals_ns=tuple(self.reader.arrivals_ns),
            ends=tuple(self.reader.ends),
            body=bytes(self.reader.body),
            failure=failure,
            reconnects=self.reconnects,
        )


@final
class Connection:
    """One socket; `transfer` is what it carries, `used` whether it has carried one before."""

    __slots__ = ("connected", "fd", "sock", "transfer", "used")

    def __init__(self, family: int, address: tuple[str, int]) -> None:
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.setblocking(False)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.fd = self.sock.fileno()
        self.transfer: Transfer | None = None
        self.used = False
        code = self.sock.connect_ex(address)
        self.connected = code == 0
        if code not in (0, errno.EINPROGRESS):
            self.sock.close()
            raise OSError(code, "cannot connect")

    def receive(self) -> bytes | OSError | None:
        """Return what is there: bytes (none at the end), an error, or None if nothing is."""
        try:
            return self.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            return error

    def finish_connecting(self) -> None:
        """Raise the reason if the connection could not be made."""
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "cannot connect")
        self.connected = True

    def lost_a_race(self, now_ns: int) -> bool:
        """Whether the server had closed this kept connection before it saw the request."""
        transfer = self.transfer
        return (
            self.used
            and transfer is not None
            and not transfer.heard
            and now_ns - transfer.started_ns < _RACE_NS
        )

    def close(self) -> None:
        """Let go of the socket."""
        self.sock.close()


def failure_of(error: OSError) -> str:
    """Return the stable code of a socket error."""
    match error.errno:
        case errno.ECONNREFUSED:
            return "connection_refused"
        case errno.ECONNRESET | errno.EPIPE:
            return "disconnected"
        case errno.EADDRNOTAVAIL | errno.EMFILE | errno.ENFILE:
            return "no_free_socket"
        case _:
            return "unreachable"
