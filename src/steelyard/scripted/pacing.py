"""The pacer's shell: sockets, an absolute schedule, the stamps.

One thread, one epoll loop. Not aware of flags, or of what the bytes of an answer say.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import socket
import struct
import time
from array import array
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Final, final

from steelyard.scripted import chunks
from steelyard.scripted.chunks import Parts
from steelyard.scripted.pace import Pace
from steelyard.scripted.paced import Paced, pack

if TYPE_CHECKING:
    import ssl

_MS: Final = 1_000_000
_S: Final = 1_000_000_000
_READ_BYTES: Final = 65_536
_SAID_BYTES: Final = 64
_SO_TIMESTAMPNS: Final = 35  # Linux; also the kind of the message that carries the stamp
_TIMESPEC: Final = struct.Struct("@ll")
_BURST: Final = 32  # sends before sockets are looked at again
_SPIN_NS: Final = 40_000  # a sleep shorter than this comes back too late
_IDLE_NS: Final = 500 * _MS
_QUIET_NS: Final = 1 * _MS  # the log is written when nothing is due for so long
_LOG_BYTES: Final = 1 << 22  # or when so much of it waits


@final
@dataclass(slots=True, eq=False)
class _Caller:
    """One connection: what has come, what could not be sent yet, what is being answered."""

    sock: socket.socket
    came: bytearray = field(default_factory=bytearray)
    unsent: bytearray = field(default_factory=bytearray)
    answer: _Answer | None = None
    shaking: bool = False
    leaving: bool = False
    gone: bool = False


@final
@dataclass(slots=True, eq=False)
class _Answer:
    """One answer under way: three byte strings, and the stamps of the sends made so far."""

    caller: _Caller
    number: int
    received_ns: int
    started_ns: int
    prompt_tokens: int
    tokens: int
    ttft_ns: int
    gap_ns: int
    parts: Parts
    stamps: array[int]
    next: int = 0
    longest_ns: int = 0
    backlog: bool = False


@final
class Pacer:
    """Serves on one listening socket until it is stopped."""

    def __init__(
        self,
        listener: socket.socket,
        pace: Pace,
        log: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._listener, self._pace, self._log, self._tls = listener, pace, log, tls
        self._later: tuple[type[OSError], ...] = (BlockingIOError,)
        if tls is not None:
            import ssl

            self._later = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
        self._epoll = select.epoll()
        self._callers: dict[int, _Caller] = {}
        # When, whose number (-1: nobody's, the freeze), which answer.
        self._due: list[tuple[int, int, _Answer | None]] = []
        self._numbers = 0
        self._ended = 0
        self._unwritten = bytearray()
        self._frozen_ns: tuple[int, int] | None = None
        queue = pace.queue
        self._free_ns = [0] * (queue.servers if queue else 0)
        self._draw = random.Random(queue.seed if queue else 0)

    def run(self, over: int) -> None:
        """Serve until a byte comes on the descriptor `over`; what has ended is then in the log."""
        self._listener.setblocking(False)
        with contextlib.suppress(OSError):  # what is accepted inherits it
            self._listener.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        listening = self._listener.fileno()
        self._epoll.register(listening, select.EPOLLIN)
        self._epoll.register(over, select.EPOLLIN)
        while True:
            for fd, mask in self._wait():
                if fd == over:
                    self._write_log()
                    return
                if fd == listening:
                    self._accept()
                elif (caller := self._callers.get(fd)) is not None:
                    self._serve(caller, mask)
                self._send_due()
            self._send_due()

    def _wait(self) -> list[tuple[int, int]]:
        left_ns = self._due[0][0] - monotonic_ns() if self._due else _IDLE_NS
        if self._unwritten and (left_ns > _QUIET_NS or len(self._unwritten) > _LOG_BYTES):
            self._write_log()
        if left_ns > _SPIN_NS:
            # epoll's own time-out is rounded up to a millisecond, select's to a microsecond.
            select.select([self._epoll.fileno()], [], [], min(left_ns, _IDLE_NS) / _S)
        return self._epoll.poll(0)

    # ── the timed path ──────────────────────────────────────────────────────────────────────

    def _send_due(self) -> None:
        due = self._due
        for _ in range(_BURST):
            if not due or due[0][0] > monotonic_ns():
                return
            due_ns, number, answer = due[0]
            if answer is None:
                heappop(due)
                self._freeze()
                continue
            at, caller, parts = answer.next, answer.caller, answer.parts
            left = len(answer.stamps) - at
            data = parts.last if left == 1 else parts.middle if at else parts.first
            stamp_ns = monotonic_ns()
            at_once = self._hand_over(caller, data)
            took_ns = monotonic_ns() - stamp_ns
            if not caller.gone:
                answer.stamps[at] = stamp_ns
                answer.next = at + 1
                answer.longest_ns = max(answer.longest_ns, took_ns)
                answer.backlog |= not at_once
            if left > 1 and not caller.gone:
                heapreplace(due, (due_ns + answer.gap_ns, number, answer))
            else:
                heappop(due)
                self._end(answer)

    def _hand_over(self, caller: _Caller, data: bytes) -> bool:
        """Send; return whether the kernel took all of it at once."""
        if not caller.unsent:
            try:
                sent = caller.sock.send(data)
            except self._later:
                sent = 0
            except OSError:
                self._hang_up(caller)
                return False
            if sent == len(data):
                return True
            data = data[sent:]
            self._epoll.modify(caller.sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        caller.unsent += data
        return False

    def _freeze(self) -> None:
        from_ns = monotonic_ns()
        time.sleep(self._pace.freeze_for_ns / _S)
        self._frozen_ns = (from_ns, monotonic_ns())

    # ── connections ─────────────────────────────────────────────────────────────────────────

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._callers[sock.fileno()] = _Caller(sock, shaking=self._tls is not None)
        self._epoll.register(sock.fileno(), select.EPOLLIN)

    def _serve(self, caller: _Caller, mask: int) -> None:
        try:
            if caller.shaking:
                caller.sock.do_handshake()  # type: ignore[attr-defined]
                caller.shaking = False
            if caller.unsent and mask & select.EPOLLOUT:
                del caller.unsent[: caller.sock.send(caller.unsent)]
                if not caller.unsent:
                    self._epoll.modify(caller.sock.fileno(), select.EPOLLIN)
                    self._leave_if_asked(caller)
            # One read takes a whole TLS record, so that none waits in the library unseen by epoll.
            if not caller.gone and mask & ~select.EPOLLOUT:
                self._read(caller)
        except self._later:
            return
        except OSError:
            self._hang_up(caller)

    def _read(self, caller: _Caller) -> None:
        if self._tls is not None:
            data, received_ns = caller.sock.recv(_READ_BYTES), monotonic_ns()
        else:
            data, said, _, _ = caller.sock.recvmsg(_READ_BYTES, _SAID_BYTES)
            received_ns = _stamp_ns(said)
        if not data:
            self._hang_up(caller)
            return
        caller.came += data
        self._take(caller, received_ns)

    def _take(self, caller: _Caller, received_ns: int) -> None:
        """Begin what has come whole; one answer at a time."""
        while caller.answer is None and not caller.gone:
            try:
                request = chunks.take_request(caller.came)
            except ValueError:
                self._hand_over(caller, chunks.reply(400, _error("not HTTP/1.1")))
                self._hang_up(caller)
                return
            if request is None:
                return
            method, path, body, caller.leaving = request
            if (method, path) == ("POST", "/v1/chat/completions"):
                self._begin(caller, body, received_ns)
            else:
                self._hand_over(caller, self._control(method, path))
                self._leave_if_asked(caller)

    def _leave_if_asked(self, caller: _Caller) -> None:
        if caller.leaving and caller.answer is None and not caller.unsent and not caller.gone:
            self._hang_up(caller)

    def _hang_up(self, caller: _Caller) -> None:
        if not caller.gone:
            caller.gone = True
            self._callers.pop(caller.sock.fileno(), None)
            caller.sock.close()
            caller.unsent.clear()

    # ── answers ─────────────────────────────────────────────────────────────────────────────

    def _begin(self, caller: _Caller, body: bytes, received_ns: int) -> None:
        try:
            asked = json.loads(body)
            tokens, ttft_ns, gap_ns = self._pace.wanted(asked)
            prompt = sum(len(str(turn["content"]).split()) for turn in asked["messages"])
            whole = not asked.get("stream", False)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._hand_over(caller, chunks.reply(400, _error(f"not a request: {error}")))
            self._leave_if_asked(caller)
            return
        number = self._numbers
        started_ns = max(received_ns, self._frozen_ns[1]) if self._frozen_ns else received_ns
        self._numbers += 1
        if number == 0 and self._pace.freeze_at_ns is not None:
            heappush(self._due, (received_ns + self._pace.freeze_at_ns, -1, None))
        if self._pace.queue is not None:
            service_ns = self._pace.queue.draw_ns(self._draw)
            started_ns = max(started_ns, self._free_ns[0])
            heapreplace(self._free_ns, started_ns + service_ns)
            ttft_ns = gap_ns = service_ns // tokens
        if whole:
            ttft_ns, gap_ns = ttft_ns + (tokens - 1) * gap_ns, 0
        answer = _Answer(
            caller=caller,
            number=number,
            received_ns=received_ns,
            started_ns=started_ns,
            prompt_tokens=prompt,
            tokens=tokens,
            ttft_ns=ttft_ns,
            gap_ns=gap_ns,
            parts=(chunks.whole if whole else chunks.streamed)(number, prompt, tokens),
            stamps=array("q", bytes(8 * (1 if whole else tokens))),
        )
        caller.answer = answer
        heappush(self._due, (started_ns + ttft_ns, number, answer))

    def _end(self, answer: _Answer) -> None:
        caller = answer.caller
        caller.answer = None
        parts = answer.parts
        paced = Paced(
            number=answer.number,
            received_ns=answer.received_ns,
            started_ns=answer.started_ns,
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
            ttft_ns=answer.ttft_ns,
            gap_ns=answer.gap_ns,
            first_bytes=parts.first_bytes if len(answer.stamps) > 1 else parts.last_bytes,
            middle_bytes=parts.middle_bytes,
            last_bytes=parts.last_bytes,
            longest_send_ns=answer.longest_ns,
            sends_ns=answer.stamps[: answer.next],
            disconnected=caller.gone,
            backlog=answer.backlog,
        )
        self._unwritten += pack(paced)
        self._ended += 1
        self._leave_if_asked(caller)
        if caller.came:
            self._take(caller, monotonic_ns())

    def _control(self, method: str, path: str) -> bytes:
        self._write_log()
        match method, path:
            case "GET", "/health":
                frozen = {"frozen_ns": self._frozen_ns} if self._frozen_ns else {}
                return chunks.reply(200, {"status": "ok", "answers": self._ended, **frozen})
            case "GET", "/v1/models":
                return chunks.reply(
                    200, {"object": "list", "data": [{"id": chunks.MODEL, "object": "model"}]}
                )
        return chunks.reply(404, _error(f"{method} {path} is not served here"))

    def _write_log(self) -> None:
        while self._unwritten:
            del self._unwritten[: os.write(self._log, self._unwritten)]


def _stamp_ns(said: list[tuple[int, int, bytes]]) -> int:
    """Return the kernel's stamp of the last byte on the monotonic clock, or our own."""
    now_ns = monotonic_ns()
    for level, kind, data in said:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            offset_ns = time.clock_gettime_ns(time.CLOCK_REALTIME) - now_ns
            return int(seconds) * _S + int(nanoseconds) - offset_ns
    return now_ns


def _error(words: str) -> dict[str, Any]:
    return {"error": {"message": words, "type": "invalid_request_error"}}
