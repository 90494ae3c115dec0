"""The proxy's own process: `python -m steelyard.runs.relaying`; its settings are on standard input.

The first line is a JSON object (`Settings`), a key among it: arguments and variables of a process
can be seen by others. It answers with a line that names the port, then one a finished request. The
end of its input means: take no more, keep what is under way as interrupted, exit. Not aware of
records or doors.
"""

from __future__ import annotations

import errno
import gc
import ipaddress
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Final, final

from steelyard.domain.budget import Budget
from steelyard.loadgen import recording, relay, spool, stamps
from steelyard.loadgen.connections import Where
from steelyard.loadgen.recording import Recorder
from steelyard.loadgen.relay import Relay, Upstream
from steelyard.loadgen.requests import Request
from steelyard.runs import allowance
from steelyard.runs.allowance import Allowance

_STDIN: Final = 0
_BACKLOG: Final = 256
_FAILED: Final = 400
_HTTP_PORT: Final = 80
_NO_PAGE: Final = ("", "none")  # no browser, or its user who typed the address


@final
@dataclass(frozen=True, slots=True)
class Tls:
    """How the server's certificate is checked."""

    cafile: str = ""
    verify: bool = True


@final
@dataclass(frozen=True, slots=True)
class Settings:
    """Where to listen, whom to ask, what to keep. Without a server it answers from `replay`."""

    host: str
    port: int
    replay: str = ""
    folder: str = ""
    server: str = ""
    server_port: int = 0
    authority: str = ""
    api_path: str = ""
    base_path: str = ""
    key: str = field(default="", repr=False)
    tls: Tls | None = None
    stall_ns: int = 0
    budget: Budget = field(default_factory=Budget)

    def line(self) -> bytes:
        """Return the settings as the process reads them."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Settings:
        """Read them back."""
        raw = json.loads(line)
        tls = None if raw.pop("tls") is None else Tls(**json.loads(line)["tls"])
        return cls(**{**raw, "tls": tls, "budget": Budget(**raw["budget"])})


@final
class _Desk:
    """Decides what is not passed on, counts what was, and says so on standard output."""

    def __init__(self, settings: Settings, bound: tuple[str, int]) -> None:
        self._allowance = Allowance(settings.budget, monotonic_ns())
        self._names = _names(settings.host, *bound)
        self._recorded = _Recorded(Path(settings.replay)) if settings.replay else None
        self._done = self._failed = 0

    def local(self, request: Request, now_ns: int) -> bytes | None:
        """Refuse what no program of the user's would send, and what there is no budget for."""
        if self._of_a_page(request):
            return relay.answer(403, "not_for_pages", "this address is not for web pages")
        if request.method in ("HEAD", "CONNECT"):
            return relay.answer(405, "not_passed_on", f"{request.method} is not passed on")
        if self._recorded is not None:
            return self._recorded.answer(request)
        costs = not allowance.free(request.method, request.path)
        refusal = self._allowance.refusal(now_ns) if costs else ""
        if not refusal:
            return None
        self._say(refusal)
        never = {"x-should-retry": "false"}
        return relay.answer(429, "budget_spent", refusal, headers=never)

    def _of_a_page(self, request: Request) -> bool:
        """Say whether a page in a browser asks: it could spend the user's key.

        The browser says so itself, or the page has had our address called by a name of its own.
        """
        told = request.header("origin") or request.header("sec-fetch-site").lower() not in _NO_PAGE
        named = not self._names or request.header("host").lower() in self._names
        return bool(told) or not named

    def ended(self, request: Request, raw: spool.Raw) -> None:
        """Charge an exchange and tell of it."""
        self._allowance.charge(request.method, request.path, len(request.body), raw)
        self._done += 1
        status = bytes(raw.raw[9:12])
        self._failed += raw.failure is not None or not status.isdigit() or int(status) >= _FAILED
        self._say(self._allowance.spent(monotonic_ns()))

    def _say(self, spent: str) -> None:
        say({"done": self._done, "failed": self._failed, "refused": self._allowance.refused,
             "spent": spent})  # fmt: skip


@final
class _Recorded:
    """Answers as they were recorded: the n-th time the n-th, after the last the last again."""

    def __init__(self, folder: Path) -> None:
        answers = dict(recording.answers(folder))
        self._found: dict[tuple[str, str, bytes], list[bytes]] = {}
        for name, each in recording.asked(folder).items():
            if name in answers:
                key = each.method, each.path, each.body
                self._found.setdefault(key, []).append(answers[name])

    def answer(self, request: Request) -> bytes:
        found = self._found.get((request.method, request.path, request.body))
        if not found:
            words = f"{request.method} {request.path} with this body was not recorded"
            return relay.answer(404, "not_recorded", words)
        return found.pop(0) if len(found) > 1 else found[0]


def say(words: Mapping[str, object]) -> None:
    """Write one line; a parent that is gone ends us by the end of our input."""
    try:
        os.write(1, json.dumps(words).encode() + b"\n")
    except OSError:
        return


def main() -> int:
    """Run one proxy; see the module's docstring."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    settings = Settings.read(_first_line())
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server(
            (settings.host, settings.port), family=family, backlog=_BACKLOG
        )
    except OSError as error:
        say({"error": error.strerror or str(error), "in_use": error.errno == errno.EADDRINUSE})
        return 1
    bound = listener.getsockname()
    desk = _Desk(settings, (bound[0], bound[1]))
    # Held open: without a socket that asks for stamps the kernel stops making them.
    keeper = stamps.keeper() if settings.server else None
    recorder = _recorder(settings)
    proxy = Relay(
        listener,
        desk.local,
        desk.ended,
        where=_where(settings, stamped=keeper is not None) if settings.server else None,
        upstream=_upstream(settings),
        recorder=recorder,
        stall_ns=settings.stall_ns or None,
    )
    os.set_blocking(_STDIN, False)
    say({"port": bound[1]})
    gc.collect()
    gc.freeze()
    gc.disable()
    proxy.run(_STDIN, lambda: relay.drained(_STDIN))
    if recorder is not None:
        recorder.close()
    if keeper is not None:
        keeper.close()
    return 0


def _recorder(settings: Settings) -> Recorder | None:
    if not settings.server:
        return None
    covered = [form.encode() for form in _forms(settings.key)]
    return Recorder(Path(settings.folder), covered)


def _upstream(settings: Settings) -> Upstream:
    key = {"authorization": f"Bearer {settings.key}"} if settings.key else {}
    return Upstream(settings.authority, settings.api_path, settings.base_path, key)


def _first_line() -> bytes:
    """Read one line and not a byte more: what follows is only ever the end."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(_STDIN, 1)
        if not byte:
            sys.exit(1)
        line += byte
    return bytes(line)


def _where(settings: Settings, *, stamped: bool) -> Where:
    layer = None
    if settings.tls is not None:
        from steelyard.loadgen import tls

        context = tls.context(settings.tls.cafile or None, verify=settings.tls.verify)
        layer = lambda: tls.Tls(context, settings.server)  # noqa: E731
    return Where(settings.server, settings.server_port, layer, stamped=stamped)


def _names(host: str, address: str, port: int) -> frozenset[str]:
    """Return what a caller on this machine may call us; empty where others may call.

    `address` is what `host` came to, which may have been another way to write it.
    """
    if not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return frozenset()
    names = {"127.0.0.1", "localhost", "[::1]", host.lower(), address}
    # A client leaves out the port that every web server has (RFC 9110 §7.2).
    bare = names if port == _HTTP_PORT else set()
    return frozenset({*(f"{name}:{port}" for name in names), *bare})


def _forms(key: str) -> tuple[str, ...]:
    """Return the ways in which an answer may repeat a key."""
    if not key:
        return ()
    escaped = json.dumps(key)[1:-1]
    return tuple(dict.fromkeys((key, escaped, escaped.replace("/", "\\/"))))


if __name__ == "__main__":
    sys.exit(main())
