"""Connections kept alive, plain or TLS, and the one transfer that each of them carries.

Non-blocking sockets with `TCP_NODELAY` and the kernel's receive stamps. Under TLS the stamps are
those of the encrypted bytes; decrypting happens in memory, after the stamp. Not aware of epoll,
jobs' order, or the spool.
"""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeAlias, final

from steelyard.loadgen import stamps
from steelyard.loadgen.transfer import Transfer

# Below 64 KiB, so that the size of a read fits into two bytes.
READ_BYTES: Final = 65_535
# Under TLS a read also completes a record of which up to 18 KiB had come before.
TLS_READ_BYTES: Final = 32_768
_TRY_S: Final = 1.0
# A server that closes a kept connection under our request does so at once; later than this it
# had taken the request and broke off, and sending again would hide that.
_RACE_NS: Final = 1_000_000_000

# Family and address of a place to connect to, as `socket` has them.
Address: TypeAlias = tuple[int, tuple[Any, ...]]


class Broken(OSError):
    """A layer above the socket broke the connection; `code` says how."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Layer(Protocol):
    """What encrypts between the transfer and the socket, in memory."""

    @property
    def ready(self) -> bool:
        """Whether the handshake is over."""

    def shake(self, data: memoryview | None) -> bytes:
        """Go on with the handshake; return what is to be sent for it. Raises `Broken`."""

    def sealed(self, data: memoryview) -> bytes:
        """Return the bytes to put on the wire for these."""

    def opened(self, data: memoryview) -> bytes:
        """Return the plain bytes that these complete. Raises `Broken`."""


@final
class Where:
    """The one address that a driver speaks to, and how.

    A name may stand for several addresses of which only some are listened on (`localhost`): each
    is tried once, now, and the first that accepts is kept.
    """

    __slots__ = ("_address", "_family", "_layer", "_stamped", "read_bytes")

    def __init__(
        self, host: str, port: int, layer: Callable[[], Layer] | None, *, stamped: bool
    ) -> None:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        self._family, self._address = first_accepting([(each[0], each[4]) for each in found])
        self._layer, self._stamped = layer, stamped
        self.read_bytes = READ_BYTES if layer is None else TLS_READ_BYTES

    def connect(self) -> Connection:
        """Begin a connection; raise `OSError` where that fails at once."""
        sock = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._stamped:
                stamps.switch_on(sock)
            code = sock.connect_ex(self._address)
            if code not in (0, errno.EINPROGRESS):
                raise OSError(code, "cannot connect")
            return Connection(sock, self._layer and self._layer(), connected=code == 0)
        except OSError:
            sock.close()
            raise


@final
class Connection:
    """One socket; `transfer` is what it carries, `used` whether it has carried one before."""

    __slots__ = ("connected", "fd", "sock", "take", "tls", "transfer", "used", "watched")

    def __init__(self, sock: socket.socket, tls: Layer | None, *, connected: bool) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self.take = sock.recvmsg_into
        self.tls = tls
        self.transfer: Transfer | None = None
        self.used = False
        self.connected = connected
        self.watched = 0

    @property
    def open(self) -> bool:
        """Whether a request can be written now."""
        return self.connected and (self.tls is None or self.tls.ready)

    def finish_connecting(self) -> None:
        """Raise the reason if the connection could not be made; begin the handshake."""
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "cannot connect")
        self.connected = True
        if self.tls is not None:
            self.shake(None)

    def shake(self, data: memoryview | None) -> None:
        """Take the handshake one message on. A few hundred bytes always fit into the socket."""
        if self.tls is not None and (answer := self.tls.shake(data)):
            self.sock.send(answer)

    def seal(self, transfer: Transfer) -> None:
        """Turn what is to be sent into what goes over the wire."""
        if self.tls is not None:
            transfer.unsent = memoryview(self.tls.sealed(transfer.unsent))
        transfer.sealed = True

    def lost_a_race(self, now_ns: int) -> bool:
        """Whether the server had closed this kept connection before it saw the request."""
        transfer = self.transfer
        return (
            self.used
            and transfer is not None
            and not transfer.raw
            and now_ns - transfer.started_ns < _RACE_NS
        )

    def close(self) -> None:
        """Let go of the socket."""
        self.sock.close()


def first_accepting(addresses: Sequence[Address]) -> Address:
    """Return the first of them that accepts a connection, or the first where none does.

    That nobody is there is then found, and said, by each request. A single one is not tried.
    """
    if len(addresses) > 1:
        for family, address in addresses:
            with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as sock:
                sock.settimeout(_TRY_S)
                sock.connect(address)
                return family, address
    return addresses[0]


def failure_of(error: OSError) -> str:
    """Return the stable code of a socket error."""
    if isinstance(error, Broken):
        return error.code
    match error.errno:
        case errno.ECONNREFUSED:
            return "connection_refused"
        case errno.ECONNRESET | errno.EPIPE:
            return "disconnected"
        case errno.EADDRNOTAVAIL | errno.EMFILE | errno.ENFILE:
            return "no_free_socket"
        case _:
            return "unreachable"
