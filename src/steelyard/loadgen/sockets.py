"""The driver's sockets: writes requests, takes up what comes, and says when an exchange has ended.

Every read brings its stamp with it, the kernel's where there is one; what it brought is kept and
not looked at, but for where the response ends. Not aware of jobs' order, files, or bodies.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from time import monotonic_ns
from typing import Final, TypeAlias, final

from steelyard.loadgen import stamps
from steelyard.loadgen.connections import Connection, Where, failure_of
from steelyard.loadgen.heads import MalformedResponse
from steelyard.loadgen.transfer import HELD, SPREAD_MAX, SPREAD_UNIT_NS, Transfer

# A transfer, the moment of its end, and why it broke off.
Ended: TypeAlias = Callable[[Transfer, int, str | None], None]

_READING: Final = select.EPOLLIN | select.EPOLLRDHUP
_WRITING: Final = _READING | select.EPOLLOUT
_READABLE: Final = select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP
_NS_PER_S: Final = 1_000_000_000
_ANCILLARY_BYTES: Final = stamps.ANCILLARY_BYTES
_UNPACK: Final = stamps.TIMESPEC.unpack
_LATE_NS: Final = 200_000
# So many pieces a sender has under way before it waits for us to take them (RFC 6928).
_WINDOW: Final = 10
_PIECE_BYTES: Final = 40  # less than any event is, framing included
_RACES_MOST: Final = 3
_CHUNKS_END: Final = b"\r\n\r\n"


@final
class Sockets:
    """All connections of one driver, kept alive between requests.

    `empty_ns` and `asked_ns` are set by who waits for them: when whatever is ready now was last
    known not to be, by the scheduler's account and without it. `woke_ns` is when the wait ended.
    """

    def __init__(self, where: Where, epoll: select.epoll, ended: Ended) -> None:
        self._where = where
        self._epoll = epoll
        self._ended = ended
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._races_lost = 0  # one after the other
        self._clock = stamps.WallClock()
        self.empty_ns = 0
        self.asked_ns = 0
        self.woke_ns = 0
        self._buffer = bytearray(where.read_bytes)
        self._view = memoryview(self._buffer)
        self._buffers = [self._buffer]

    def begin(self, transfer: Transfer) -> None:
        """Send a request over a connection that is free, or over a new one."""
        if self._idle:
            connection = self._idle.pop()
            connection.transfer = transfer
            self._push(connection)
        else:
            self._connect(transfer)

    def check(self, now: int) -> None:
        """End what has passed a limit, and all that has stamps from before a step of the clock."""
        stepped = self._clock.look()
        for connection in list(self._connections.values()):
            transfer = connection.transfer
            if transfer is None:
                continue
            # Stamps from before and after a step do not belong together.
            code = "clock_stepped" if stepped and transfer.times else transfer.overdue(now)
            if code is not None:
                self._end(connection, now, code)

    def carried(self, fd: int) -> Transfer | None:
        """Return what the connection of a descriptor carries now."""
        connection = self._connections.get(fd)
        return None if connection is None else connection.transfer

    def give_up(self, job: str, failure: str) -> None:
        """End the exchange of a job before its answer is whole, where it is under way."""
        for connection in list(self._connections.values()):
            if connection.transfer is not None and connection.transfer.job.id == job:
                self._end(connection, monotonic_ns(), failure)

    # ── receiving: nothing here looks at what came, but for where it ends ───────────────────

    def serve(self, fd: int, mask: int) -> bool:
        """Do what a descriptor is ready for; False when it is none of ours."""
        connection = self._connections.get(fd)
        if connection is None:
            return False
        if not connection.connected or not mask & _READABLE:
            self._push(connection)
            return True
        try:
            count, extra, _, _ = connection.take(self._buffers, _ANCILLARY_BYTES)
        except BlockingIOError:
            return True
        except OSError as error:
            self._broke(connection, failure_of(error))
            return True
        now = at = monotonic_ns()
        if extra:
            seconds, nanoseconds = _UNPACK(extra[0][2])
            at = seconds * _NS_PER_S + nanoseconds - self._clock.offset_ns
            if at > now:
                at = now
        transfer = connection.transfer
        if count and transfer is not None and connection.tls is None:
            transfer.raw += self._view[:count]
            self._stamp(connection, transfer, count, at, now, stamped=bool(extra))
            # Most reads of a stream end in the middle of it, and are done with here.
            if not transfer.framing.chunked or transfer.raw.endswith(_CHUNKS_END):
                self._look(connection, transfer, at)
        else:
            self._received(connection, count, at, now, stamped=bool(extra))
        return True

    def _stamp(
        self,
        connection: Connection,
        transfer: Transfer,
        count: int,
        at: int,
        now: int,
        *,
        stamped: bool,
    ) -> None:
        """Keep a read: its stamp, its size, and since when its bytes may have been coming."""
        transfer.times.append(at)
        transfer.sizes.append(count)
        if at < self.empty_ns:
            # It was there before the scheduler says that we were called: we had been stopped.
            self.empty_ns = self.asked_ns
        empty, held = transfer.drained_ns, 0
        if transfer.held:
            transfer.held, held = False, HELD
        elif empty < self.empty_ns:  # written out: this is done for every token
            empty = self.empty_ns
            # A core that its host took away wakes late, and no account says so. What came alone
            # has its own stamp; of several pieces the first may have been there for long.
            if empty > self.asked_ns and self._joined(connection, transfer) > 0:
                empty = max(transfer.drained_ns, self.asked_ns)
        spread = (at - empty) // SPREAD_UNIT_NS + 1
        if spread > SPREAD_MAX:
            spread = SPREAD_MAX
        transfer.spreads.append((spread if spread > 0 else 0) | held)
        if not stamped:
            transfer.user_reads += 1
            transfer.drained_ns = self.woke_ns
            return
        # Not when the read came back: we may have been stopped since.
        transfer.drained_ns = at
        if now - at > transfer.late_ns:
            transfer.late_ns = now - at
        if (
            count > _WINDOW * _PIECE_BYTES
            and now - at > _LATE_NS
            and self._joined(connection, transfer) >= _WINDOW - 1
        ):
            transfer.held = True

    def _joined(self, connection: Connection, transfer: Transfer) -> int:
        """Return how many pieces came with others in one read since this was last asked."""
        pieces = stamps.segments(connection.sock) - transfer.segments_before
        before, transfer.joined = transfer.joined, pieces - len(transfer.times)
        return transfer.joined - before

    def _look(self, connection: Connection, transfer: Transfer, at_ns: int) -> None:
        try:
            whole = transfer.framing.take(transfer.raw)
        except MalformedResponse:
            self._end(connection, at_ns, "malformed_response")
            return
        if whole:
            self._end(connection, at_ns, None)

    def _received(
        self, connection: Connection, count: int, at_ns: int, now: int, *, stamped: bool
    ) -> None:
        """Take what is rarer: the end of a connection, TLS, a server that talks unasked."""
        transfer, tls = connection.transfer, connection.tls
        if not count and transfer is not None and transfer.framing.ends_with_connection():
            self._end(connection, at_ns, None)
        elif not count or (transfer is None and tls is None):
            self._broke(connection, "disconnected")
        elif tls is not None:
            try:
                if not tls.ready:
                    connection.shake(self._view[:count])
                    self._push(connection)
                    return
                plain = tls.opened(self._view[:count])
            except OSError as error:
                self._broke(connection, failure_of(error))
                return
            if plain and transfer is not None:
                transfer.raw += plain
                self._stamp(connection, transfer, len(plain), at_ns, now, stamped=stamped)
                self._look(connection, transfer, at_ns)

    def _broke(self, connection: Connection, code: str) -> None:
        if connection.transfer is None:  # an idle connection: closed by the server
            self._drop(connection)
        elif connection.lost_a_race(monotonic_ns()):
            self._send_again(connection)
        else:
            self._end(connection, monotonic_ns(), code)

    # ── sending ─────────────────────────────────────────────────────────────────────────────

    def _connect(self, transfer: Transfer) -> None:
        try:
            connection = self._where.connect()
        except OSError as error:
            self._ended(transfer, monotonic_ns(), failure_of(error))
            return
        try:
            self._epoll.register(connection.fd, _WRITING)
        except OSError:  # as many descriptors are watched as the system allows
            connection.close()
            self._ended(transfer, monotonic_ns(), "no_free_socket")
            return
        connection.transfer = transfer
        self._connections[connection.fd] = connection
        connection.watched = _WRITING
        if connection.connected:
            self._push(connection)

    def _push(self, connection: Connection) -> None:
        """Hand what is unsent to the kernel; the stamp is taken at the write of the last byte."""
        transfer = connection.transfer
        if transfer is None:
            return
        watch = _READING
        try:
            if not connection.connected:
                connection.finish_connecting()
            if connection.open and not transfer.sealed:
                # What came before, a handshake or another answer, does not count.
                transfer.segments_before = stamps.segments(connection.sock)
                connection.seal(transfer)
            while connection.open and transfer.unsent:
                transfer.sent_ns = monotonic_ns()
                transfer.unsent = transfer.unsent[connection.sock.send(transfer.unsent) :]
                transfer.handed_ns = transfer.drained_ns = monotonic_ns()
        except BlockingIOError:
            watch = _WRITING
        except OSError as error:
            self._broke(connection, failure_of(error))
            return
        if watch != connection.watched:
            connection.watched = watch
            self._epoll.modify(connection.fd, watch)

    def _send_again(self, connection: Connection) -> None:
        self._races_lost += 1
        lost = connection.transfer
        self._drop(connection)
        if lost is not None:
            # To who waits for the answer, the request that was lost is where the wait began.
            again = Transfer(lost.job, lost.intended_ns, lost.started_ns)
            again.first_sent_ns = lost.first_sent_ns or lost.sent_ns
            again.reconnects = lost.reconnects + 1
            self._connect(again)

    # ── ending ──────────────────────────────────────────────────────────────────────────────

    def _end(self, connection: Connection, at_ns: int, failure: str | None) -> None:
        transfer = connection.transfer
        if transfer is None:
            return
        connection.transfer = None
        if transfer.sent_ns:
            transfer.segments = stamps.segments(connection.sock) - transfer.segments_before
        if connection.used and transfer.raw:
            self._races_lost = 0
        whole = failure is None and not transfer.unsent
        # A server that closes after each answer without a word is taken at its deeds: else every
        # request would be written twice.
        if whole and self._races_lost < _RACES_MOST and transfer.framing.keeps_alive(transfer.raw):
            connection.used = True
            self._idle.append(connection)
        else:
            self._drop(connection)
        self._ended(transfer, at_ns, failure)

    def _drop(self, connection: Connection) -> None:
        self._connections.pop(connection.fd, None)
        if connection in self._idle:
            self._idle.remove(connection)
        connection.transfer = None
        connection.close()
