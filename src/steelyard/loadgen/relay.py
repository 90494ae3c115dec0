"""A reverse proxy that changes no byte of an answer: read, stamped, handed on, then looked at.

One thread, one epoll loop. Requests of callers go to the one address that a driver would speak to,
over the driver's own sockets (`loadgen.sockets`), so that every read has its stamp, the kernel's
where there is one; what a read brought is on its way to the caller before anything else is done
with it. A request may be answered on the spot instead (`Relay.local`): refused, or out of a
recording. Requests and answers are written down (`loadgen.recording`) when no socket has
anything. Not aware of what bodies mean, of budgets, or of where keys come from.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import socket
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic_ns
from typing import Final, final
from urllib.parse import unquote

from steelyard.loadgen import heads, spool, stamps
from steelyard.loadgen.connections import Where
from steelyard.loadgen.jobs import Job
from steelyard.loadgen.recording import Recorder
from steelyard.loadgen.requests import MalformedRequest, Request, RequestReader
from steelyard.loadgen.sockets import Sockets
from steelyard.loadgen.transfer import Transfer

GONE: Final = "caller_gone"
INTERRUPTED: Final = "interrupted"
_READ_BYTES: Final = 65_536
_TICK_NS: Final = 100_000_000
_NS_PER_S: Final = 1_000_000_000
_IDLE_S: Final = 0.5
_SLEPT_NS: Final = 200_000  # a shorter wait is bounded well enough by the look before
_BUSY_ROUNDS: Final = 16
_AHEAD_MOST: Final = 1 << 20
_READING: Final = select.EPOLLIN | select.EPOLLRDHUP
_BROKEN: Final = select.EPOLLHUP | select.EPOLLERR
_GO_ON: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# Of one connection only (RFC 9110 §7.6.1), or said anew.
_DROPPED: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"),
        *("upgrade", "expect", "host", "content-length", "accept-encoding"),
    }
)
# By which names callers send keys: as a header, and in the query.
_KEYS: Final = re.compile(
    r".*(?:authorization|api[-_]?key|auth-token|access-token|subscription-key).*|cookie2?"
)
_KEYS_ASKED: Final = frozenset({"key", "apikey", "api_key", "api-key"})
_REASONS: Final = {
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    505: "HTTP Version Not Supported",
}


@final
@dataclass(frozen=True, slots=True)
class Upstream:
    """The server behind: its name in requests, where its roots lie, what each request carries.

    `/v1/…` is asked for under `api_path`, everything else under `base_path`. `headers` may hold a
    key: this object is printed nowhere.
    """

    authority: str
    api_path: str
    base_path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def written(self, request: Request) -> bytes:
        """Return the bytes of a request as it is passed on: the body as it came."""
        target = _keyless(request.target)
        rest = target.removeprefix("/v1")
        api = rest != target and rest[:1] in ("/", "?", "")
        lines = [
            f"{request.method} {self.api_path + rest if api else self.base_path + target} HTTP/1.1",
            f"host: {self.authority}",
            # Compressed, tokens would arrive in lumps of the compressor's making.
            "accept-encoding: identity",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            *(f"{name}: {value}" for name, value in _passed_on(request)),
        ]
        if request.body or request.method not in ("GET", "DELETE", "OPTIONS"):
            lines.append(f"content-length: {len(request.body)}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + request.body


def _keyless(target: str) -> str:
    """Return a target without what its query holds of a key."""
    path, _, query = target.partition("?")
    fields = query.split("&")
    kept = [f for f in fields if unquote(f.partition("=")[0]).lower() not in _KEYS_ASKED]
    return target if kept == fields else "?".join(filter(None, (path, "&".join(kept))))


def _passed_on(request: Request) -> Iterator[tuple[str, str]]:
    """Yield the headers that are for the server: none of one connection, none with a key."""
    own = {name.strip().lower() for name in request.header("connection").split(",")}
    for name, value in request.headers:
        if name not in _DROPPED and name not in own and not _KEYS.fullmatch(name):
            yield name, value


@final
@dataclass(slots=True)
class _Caller:
    """One connection of a caller, and the exchange that it waits for."""

    sock: socket.socket
    reader: RequestReader = field(default_factory=RequestReader)
    unsent: bytearray = field(default_factory=bytearray)
    waits_for: str = ""
    request: Request | None = None
    handed: int = 0
    closing: bool = False
    watched: int = _READING


@final
class Relay:
    """Serves callers until `stop` says so. `ended` hears of every exchange, after its last byte.

    `local` returns a whole answer where a request is not to be passed on, None where it is.
    """

    def __init__(
        self,
        listener: socket.socket,
        local: Callable[[Request, int], bytes | None],
        ended: Callable[[Request, spool.Raw], None],
        *,
        where: Where | None = None,
        upstream: Upstream | None = None,
        recorder: Recorder | None = None,
        stall_ns: int | None = None,
    ) -> None:
        self._listener, self._local, self._told = listener, local, ended
        self._upstream, self._recorder, self._stall_ns = upstream, recorder, stall_ns
        self._epoll = select.epoll()
        self._sockets = None if where is None else Sockets(where, self._epoll, self._ended)
        self._callers: dict[int, _Caller] = {}
        self._asking: dict[str, _Caller] = {}
        self._number = 1
        self._turn = stamps.Turn()
        self._asked_ns = self._next_tick = 0
        self._chores: deque[Callable[[], None]] = deque()
        self._busy_rounds = 0

    def run(self, wakes: int, stop: Callable[[], bool]) -> None:
        """Serve until `stop` is true; it is asked whenever `wakes` has something to read.

        What is under way then is kept as interrupted.
        """
        self._listener.setblocking(False)
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._epoll.register(wakes, select.EPOLLIN)
        sockets = self._sockets
        while True:
            ready = self._wait()
            for fd, mask in ready:
                if sockets is not None and sockets.serve(fd, mask):
                    transfer = sockets.carried(fd)
                    if transfer is not None and transfer.raw:
                        self._hand_on(transfer)
                elif (caller := self._callers.get(fd)) is not None:
                    self._serve(caller, mask)
                elif fd == self._listener.fileno():
                    self._accept()
                elif fd == wakes and stop():
                    self._close()
                    return
            self._do_a_chore(busy=bool(ready))
            now = monotonic_ns()
            if sockets is not None and now >= self._next_tick:
                self._next_tick = now + _TICK_NS
                sockets.check(now)

    def _wait(self) -> list[tuple[int, int]]:
        """Wait for something, and say since when at the earliest it may have been there."""
        asked, self._asked_ns = self._asked_ns, monotonic_ns()
        limit = _TICK_NS / _NS_PER_S if self._asking else _IDLE_S
        ready = self._epoll.poll(0 if self._chores else limit)
        if self._sockets is not None:
            woke = monotonic_ns()
            slept = woke - self._asked_ns > _SLEPT_NS
            self._sockets.asked_ns, self._sockets.woke_ns = asked, woke
            self._sockets.empty_ns = max(asked, self._turn.began_ns(woke)) if slept else asked
        return ready

    def _do_a_chore(self, *, busy: bool) -> None:
        """Write one thing down while no socket has anything, or after so many busy rounds."""
        self._busy_rounds = self._busy_rounds + 1 if busy else _BUSY_ROUNDS
        if self._chores and self._busy_rounds >= _BUSY_ROUNDS:
            self._busy_rounds = 0
            self._chores.popleft()()

    # ── callers ─────────────────────────────────────────────────────────────────────────────

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:  # gone again, or no descriptor is free: the next round tries anew
            return
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._callers[sock.fileno()] = _Caller(sock)
        self._epoll.register(sock.fileno(), _READING)

    def _serve(self, caller: _Caller, mask: int) -> None:
        if mask & select.EPOLLOUT:
            self._flush(caller)
        if not mask & (_READING | _BROKEN):
            return
        try:
            data = caller.sock.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._hang_up(caller)
            return
        if caller.closing:  # what comes after its last answer is read by nobody
            return
        caller.reader.came += data
        if not caller.waits_for:
            self._listen(caller, monotonic_ns())
        self._settle(caller)

    def _listen(self, caller: _Caller, now: int) -> None:
        """Take up the next request of a caller that waits for nothing."""
        while not caller.waits_for and not caller.closing:
            try:
                request = caller.reader.take()
            except MalformedRequest as error:
                self._say(caller, answer(error.status, "invalid_request", str(error)), last=True)
                return
            if request is None:
                if caller.reader.expects:
                    caller.reader.expects = False
                    self._say(caller, _GO_ON)
                return
            caller.request, caller.handed = request, 0
            found = self._local(request, now)
            if found is not None:
                # An answer to HEAD has no body, which ours has.
                over = not request.keeps_alive or request.method == "HEAD" or _closes(found)
                self._say(caller, found, last=over)
            else:
                self._pass_on(caller, request, now)

    def _pass_on(self, caller: _Caller, request: Request, came_ns: int) -> None:
        if self._sockets is None or self._upstream is None or self._recorder is None:
            self._say(caller, answer(404, "not_recorded", "there is no server behind"), last=True)
            return
        name = caller.waits_for = str(self._number)
        self._number += 1
        self._asking[name] = caller
        job = Job(name, self._upstream.written(request), stall_ns=self._stall_ns)
        # When it had come is when it should have left: how late it was sent is our own doing.
        self._sockets.begin(Transfer(job, came_ns, monotonic_ns()))
        self._chores.append(partial(self._recorder.asked, name, request, came_ns))

    def _say(self, caller: _Caller, data: bytes | memoryview, *, last: bool = False) -> None:
        if not caller.unsent and data:
            try:
                data = data[caller.sock.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                self._hang_up(caller)
                return
        caller.unsent += data
        caller.closing = caller.closing or last
        self._settle(caller)

    def _flush(self, caller: _Caller) -> None:
        try:
            del caller.unsent[: caller.sock.send(caller.unsent)]
        except BlockingIOError:
            return
        except OSError:
            self._hang_up(caller)
            return
        self._settle(caller)

    def _settle(self, caller: _Caller) -> None:
        """Close what is said and over; watch for room where something is left to say.

        One that waits for its answer and has sent much beyond is not read until that has come.
        """
        if caller.closing and not caller.unsent and not caller.waits_for:
            self._hang_up(caller)
            return
        full = caller.waits_for and len(caller.reader.came) > _AHEAD_MOST
        watch = select.EPOLLRDHUP if full else _READING
        watch |= select.EPOLLOUT if caller.unsent else 0
        if watch != caller.watched and caller.sock.fileno() >= 0:
            caller.watched = watch
            self._epoll.modify(caller.sock.fileno(), watch)

    def _hang_up(self, caller: _Caller) -> None:
        """Let go of a caller; the server need not go on for somebody who is gone."""
        if self._callers.pop(caller.sock.fileno(), None) is None:
            return
        caller.sock.close()
        if caller.waits_for and self._sockets is not None:
            self._sockets.give_up(caller.waits_for, GONE)

    # ── answers ─────────────────────────────────────────────────────────────────────────────

    def _hand_on(self, transfer: Transfer) -> None:
        """Pass on what has come since the last time."""
        caller = self._asking.get(transfer.job.id)
        if caller is None or caller.sock.fileno() < 0:
            return
        view = memoryview(transfer.raw)
        try:
            self._say(caller, view[caller.handed :])
            caller.handed = len(view)
        finally:
            view.release()

    def _ended(self, transfer: Transfer, at_ns: int, failure: str | None) -> None:
        caller = self._asking[transfer.job.id]
        request = caller.request
        self._hand_on(transfer)
        del self._asking[transfer.job.id]
        caller.waits_for = ""
        raw = spool.of_transfer(transfer, at_ns, failure)
        if self._recorder is not None:
            self._chores.append(partial(self._recorder.ended, raw))
        if request is None:
            return
        self._told(request, raw)
        if caller.sock.fileno() < 0:
            return
        head = transfer.framing.head
        if failure is None and head is not None:
            last = not (request.keeps_alive and head.keep_alive) or head.framing == "close"
            self._say(caller, b"", last=last)
        elif not transfer.raw:
            words = f"the server gave no answer: {failure}"
            self._say(caller, answer(502, str(failure), words), last=True)
        else:  # cut short: the caller is to see that
            caller.unsent.clear()
            self._hang_up(caller)
            return
        self._listen(caller, monotonic_ns())

    def _close(self) -> None:
        """Take no more, keep what is under way as interrupted, and let go of everybody."""
        self._epoll.unregister(self._listener.fileno())
        for caller in list(self._callers.values()):
            name = caller.waits_for
            caller.closing = True
            if name and self._sockets is not None:
                self._sockets.give_up(name, INTERRUPTED)
            with contextlib.suppress(OSError):
                self._hang_up(caller)
        while self._chores:
            self._chores.popleft()()
        self._epoll.close()


def _closes(answered: bytes) -> bool:
    """Say whether a whole answer, which may be a recorded one, ends with its connection."""
    try:
        head, _ = heads.final_head(answered)
    except heads.MalformedResponse:
        return True
    return head is None or not head.keep_alive


def answer(
    status: int, code: str, words: str, *, headers: Mapping[str, str] | None = None
) -> bytes:
    """Return a whole answer of our own, an error as the OpenAI API has them."""
    error = {"message": f"steelyard proxy: {words}", "type": "steelyard_proxy", "code": code}
    body = json.dumps({"error": error}).encode()
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Refused')}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def drained(wakes: int) -> bool:
    """Take what a pipe holds; True where its other end is closed."""
    try:
        return not os.read(wakes, 4096)
    except BlockingIOError:
        return False
