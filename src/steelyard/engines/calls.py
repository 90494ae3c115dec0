"""Control calls to an endpoint that somebody else runs: direct, verified, bounded, never timed.

No proxy is used and no redirect is followed: either would put another machine's time or answers in
the place of the one that was named. What the server says back is shown without the key, which some
servers repeat. Not aware of dialects.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, assert_never, final
from urllib.parse import urljoin, urlsplit

from steelyard.domain.errors import BadInput, DialectError, EngineError, Refused, SteelyardError
from steelyard.domain.secret import Secret
from steelyard.engines.api import HttpCall
from steelyard.engines.http1 import NEGOTIATION, Headers, shown
from steelyard.engines.url import Endpoint

TIMEOUT_S: Final = 30.0
_ANSWER_MAX_BYTES: Final = 16 * 1024 * 1024
_WORDS: Final = 300
_OK: Final = 200
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NO_ENTRY: Final = frozenset({401, 403})
_NOT_FOUND: Final = 404
_GARBAGE: Final = 120


@final
@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are believed: the system's, a file's, or (`insecure`) anybody's."""

    cacert: Path | None = None
    insecure: bool = False

    def __str__(self) -> str:
        if self.insecure:
            return "not verified"
        return f"verified by {self.cacert.name}" if self.cacert else "verified by the system"

    def context(self) -> ssl.SSLContext:
        """Return TLS settings; raise `BadInput` when the file holds no certificate."""
        try:
            context = ssl.create_default_context(cafile=self.cacert)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                f"{self.cacert} cannot be used as certificates: {error}",
                hint="--cacert takes a PEM file with the authority's or the server's certificate",
            ) from None
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `same_machine`: both ends of the connection had one address."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    same_machine: bool
    tls: str = ""


@final
@dataclass(frozen=True, slots=True)
class Caller:
    """Makes control calls to one endpoint, each over a connection of its own."""

    endpoint: Endpoint
    trust: Trust = Trust()
    headers: Headers = field(default_factory=dict)
    timeout_s: float = TIMEOUT_S

    def ask(self, call: HttpCall) -> object:
        """Return the JSON of an answer; raise what `read` raises."""
        return self.read(call, self.send(call))

    def read(self, call: HttpCall, answer: Answer) -> object:
        """Return the JSON of an answer.

        Raises:
            BadInput: it points elsewhere, wants a key, or has no such route.
            DialectError: it refused otherwise, or what it said is no JSON.
        """
        where = f"{self.endpoint.origin}{self.endpoint.target(call.path)}"
        if answer.status != _OK:
            raise self._refusal(where, answer)
        if (coding := answer.headers.get("content-encoding", "identity")) != "identity":
            raise DialectError(f"{where} answered in {coding!r}, which was not asked for")
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            words = self.covered(answer.body.decode(errors="replace"))[:_GARBAGE]
            raise DialectError(
                f"{where} answered no JSON: {words!r}",
                hint="is this the API's address, and not that of a web page?",
            ) from None

    def send(self, call: HttpCall) -> Answer:
        """Make the call; raise `EngineError` when no answer comes, with the likely reason."""
        connection = self._connection()
        watch = _Watch(connection, self.timeout_s)
        try:
            return self._exchange(connection, call, watch)
        except (OSError, http.client.HTTPException) as error:
            raise self._silence(error, overdue=watch.overdue) from None
        finally:
            watch.end()
            connection.close()

    def reachable(self) -> bool:
        """Whether anybody takes a connection there now."""
        address = (self.endpoint.host, self.endpoint.port)
        try:
            socket.create_connection(address, timeout=min(5.0, self.timeout_s)).close()
        except OSError:
            return False
        return True

    def covered(self, words: str) -> str:
        """Return the words without any secret that stands in them."""
        for value in self.headers.values():
            if isinstance(value, Secret):
                words = value.without(words)
                scheme, _, bare = value.reveal().partition(" ")
                words = Secret(bare or scheme).without(words)
        return words

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.endpoint.host, self.endpoint.port
        match self.endpoint.scheme:
            case "http":
                return http.client.HTTPConnection(host, port, timeout=self.timeout_s)
            case "https":
                context = self.trust.context()
                return http.client.HTTPSConnection(
                    host, port, timeout=self.timeout_s, context=context
                )
            case _:
                assert_never(self.endpoint.scheme)

    def _exchange(
        self, connection: http.client.HTTPConnection, call: HttpCall, watch: _Watch
    ) -> Answer:
        body = json.dumps(call.json).encode() if call.json else None
        own = {"Accept": "application/json", "Host": self.endpoint.authority}
        headers = {**NEGOTIATION, **own, **self.headers, **call.headers}
        if body:
            headers["Content-Type"] = "application/json"
        plain = {name: shown(value) for name, value in headers.items()}
        connection.request(call.method, self.endpoint.target(call.path), body, plain)
        sock = watch.sock = connection.sock
        same = sock.getpeername()[0] == sock.getsockname()[0]
        tls = (sock.version() or "") if isinstance(sock, ssl.SSLSocket) else ""
        answer = connection.getresponse()
        content = answer.read(_ANSWER_MAX_BYTES + 1)
        if watch.overdue:
            raise TimeoutError  # broken off, a body without a length looks like a whole one
        if len(content) > _ANSWER_MAX_BYTES:
            raise http.client.HTTPException(f"more than {_ANSWER_MAX_BYTES} bytes of answer")
        if answer.length:
            raise http.client.HTTPException(f"it broke off {answer.length} bytes before the end")
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, content, same, tls)

    def _refusal(self, where: str, answer: Answer) -> SteelyardError:
        words = self.covered(answer.body.decode(errors="replace")).strip()[:_WORDS]
        if answer.status in _REDIRECTS:
            to = self.covered(_without_query(urljoin(where, answer.headers.get("location", ""))))
            return BadInput(
                f"{where} points elsewhere ({answer.status}): to {to}",
                hint=f"redirects are not followed; if that is the server you mean, name {to}",
            )
        if answer.status in _NO_ENTRY:
            sent = "the key was refused" if self.headers else "no key was sent"
            return BadInput(
                f"{where} does not let us in ({answer.status}), {sent}: {words}",
                hint="name the variable that holds the key with --api-key-env",
            )
        if answer.status == _NOT_FOUND:
            return BadInput(
                f"{where} does not exist ({answer.status}): {words}",
                hint="write the URL down to /chat/completions, as the provider's page gives it",
            )
        return Refused(f"{where} answered {answer.status}: {words}", answer.status)

    def _silence(self, error: Exception, *, overdue: bool) -> EngineError:
        where = self.endpoint.origin
        tls = self.endpoint.scheme == "https"
        if overdue or isinstance(error, TimeoutError):
            return EngineError(
                f"{where} gave no whole answer within {self.timeout_s:g} s",
                hint="is the server busy, still loading, or behind a firewall?",
            )
        match error:
            case ssl.SSLCertVerificationError():
                return EngineError(
                    f"{where} shows a certificate that is not trusted: {error.verify_message}",
                    hint="name its authority with --cacert FILE, or accept any with --insecure",
                )
            case ssl.SSLError():
                return EngineError(
                    f"{where} does not speak TLS: {error.reason or error}",
                    hint=f"if the server has none, write http://{self.endpoint.authority}",
                )
            case ConnectionRefusedError():
                return EngineError(
                    f"nobody listens at {where}", hint="is the server up, and the port right?"
                )
            case socket.gaierror():
                return EngineError(
                    f"{self.endpoint.host!r} has no address: {error.strerror}",
                    hint="is the name right, and is there a network?",
                )
        words = self.covered(str(error))[:_GARBAGE] or type(error).__name__
        other = "" if tls else f"; if it speaks TLS, write https://{self.endpoint.authority}"
        return EngineError(
            f"{where} gave no HTTP answer: {words}", hint=f"is that the right port?{other}"
        )


@final
class _Watch:
    """Breaks a call off when its time is over, whatever it is waiting for.

    A socket's own time-out is for each read: a server that drips would never be overdue.
    """

    def __init__(self, connection: http.client.HTTPConnection, limit_s: float) -> None:
        self.overdue = False
        self.sock: socket.socket | None = None  # the connection lets go of it before the body
        self._connection = connection
        self._timer = threading.Timer(limit_s, self._break_off)
        self._timer.daemon = True
        self._timer.start()

    def end(self) -> None:
        """Stop watching."""
        self._timer.cancel()

    def _break_off(self) -> None:
        self.overdue = True
        sock = self.sock or self._connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                # Not the TLS socket's own: it forgets its state under the thread that reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _without_query(location: str) -> str:
    """Return an address without what may be a password or a token in it."""
    parts = urlsplit(location)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
