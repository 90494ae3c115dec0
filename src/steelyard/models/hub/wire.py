"""One HTTP call to a hub: proxies and certificates as the system has them, and no leaked token.

A token goes to the hub's own origin, and only where nobody in between can read it; a redirect to
another host (the CDN) is followed without it. Not aware of what is fetched or of retries.
"""

from __future__ import annotations

import json
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from http.client import HTTPException, HTTPResponse
from typing import IO, Any, Final, final
from urllib.parse import urlsplit

from steelyard import __version__
from steelyard.domain.secret import Secret
from steelyard.models.hub import remedies
from steelyard.models.hub.remedies import Trouble

_AGENT: Final = f"steelyard/{__version__}"
_MOST_WORDS: Final = 2_000
_MOST_JSON: Final = 64 << 20
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_FORBIDDEN: Final = 403
_NO_SUCH_RANGE: Final = 416


@final
@dataclass(frozen=True, slots=True)
class Login:
    """Where a hub is, and the token to show there, if any; `stall_s` bounds every silence."""

    origin: str
    token: Secret | None = None
    stall_s: float = 30.0


@final
@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body has not been read yet. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: HTTPResponse
    url: str = field(default="")


def private(origin: str) -> bool:
    """Whether nobody between here and `origin` can read what is sent."""
    parts = urlsplit(origin)
    return parts.scheme == "https" or (parts.hostname or "") in _LOOPBACK


@contextmanager
def opened(url: str, login: Login, *, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
    """Ask for `url` and yield the answer; raise `Trouble` for whatever is no success."""
    try:
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked with the origin
            url, headers={"User-Agent": _AGENT, **(headers or {})}
        )
        sent = login.token is not None and _same_origin(url, login.origin)
        if login.token is not None and sent:
            request.add_unredirected_header("Authorization", f"Bearer {login.token.reveal()}")
        opener = urllib.request.build_opener(_Redirects(login))
        response: HTTPResponse = opener.open(request, timeout=login.stall_s)
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error, login, sent=sent) from None
    except (OSError, HTTPException, ValueError) as error:
        raise broken(error, login) from None
    with response:
        yield Answer(response.status, _lower(response.headers), response, response.url)


def document(url: str, login: Login) -> Any:
    """Return the JSON document at `url`; raise `Trouble` where there is none."""
    return read_json(text(url, login), url)


def text(url: str, login: Login, *, headers: Mapping[str, str] | None = None) -> bytes:
    """Return the bytes of a small answer as they came."""
    with opened(url, login, headers=headers) as answer:
        try:
            return answer.body.read(_MOST_JSON)
        except (OSError, HTTPException) as error:
            raise broken(error, login) from None


def read_json(data: bytes, url: str) -> Any:
    """Return what the bytes from `url` say as JSON; raise `Trouble` where they are none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        words = data[:60].decode(errors="replace")
        raise Trouble("nonsense", f"no JSON at {urlsplit(url).path}: {words!r}") from None


def broken(error: Exception, login: Login) -> Trouble:
    """Name a connection that was not made or did not hold."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Trouble("network", f"its certificate does not hold: {reason.verify_message}")
    if isinstance(reason, TimeoutError):
        return Trouble("network", f"it said nothing for {login.stall_s:.0f} s")
    if isinstance(reason, socket.gaierror):
        return Trouble("network", "its name cannot be resolved")
    words = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return Trouble("network", _covered(str(words), login))


@final
class Body:
    """The bytes of an answer, as a stream whose errors are of one kind."""

    def __init__(self, answer: Answer, login: Login) -> None:
        self._answer, self._login = answer, login
        length = answer.headers.get("content-length", "")
        self._left = int(length) if length.isdigit() else None

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, or fewer where the answer ends; raise where it breaks off."""
        try:
            data = self._answer.body.read(size)
        except (OSError, HTTPException, ValueError) as error:
            raise broken(error, self._login) from None
        if self._left is not None:
            if len(data) < min(size, self._left):
                raise Trouble("network", f"it ended {self._left - len(data)} bytes too early")
            self._left -= len(data)
        return data


def cut(answer: Answer) -> None:
    """Break an answer off from another thread, so that whoever reads it comes back at once."""
    with suppress(OSError, AttributeError, ValueError):
        descriptor = answer.body.fileno()
        with socket.socket(fileno=descriptor) as alias:
            with suppress(OSError):
                alias.shutdown(socket.SHUT_RDWR)
            alias.detach()


def _refused(error: urllib.error.HTTPError, login: Login, *, sent: bool) -> Trouble:
    headers = _lower(error.headers)
    try:
        words = error.read(_MOST_WORDS).decode(errors="replace")
    except (OSError, HTTPException):
        words = ""
    said = _covered(headers.get("x-error-message") or _said(words) or error.reason, login)
    if error.code == _FORBIDDEN and not _same_origin(error.url or login.origin, login.origin):
        # A signed address of the CDN holds for a while only; the hub gives out a new one.
        return Trouble("network", "the address on the CDN has expired")
    if error.code == _NO_SUCH_RANGE:
        return Trouble("nonsense", "it has no bytes at the place that we asked for")
    problem = remedies.classify(error.code, headers, said, sent_token=sent)
    return Trouble(problem, f"{error.code} {said}".strip(), wait_s=remedies.wait_s(headers))


def _said(words: str) -> str:
    """Return what a refusal says: the `error` of its JSON, or its first line where it is text."""
    with suppress(ValueError, RecursionError):
        found = json.loads(words)
        if isinstance(found, dict):
            return str(found.get("error") or found.get("errors") or "")[:200]
    return "" if "<" in words[:20] else words.strip().partition("\n")[0][:200]


def _covered(words: str, login: Login) -> str:
    return words if login.token is None else login.token.without(words)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _same_origin(url: str, origin: str) -> bool:
    one, other = urlsplit(url), urlsplit(origin)
    return (one.scheme, one.netloc.lower()) == (other.scheme, other.netloc.lower())


@final
class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; the token goes along only within the hub's own origin.

    Inherits because urllib asks for it. A renamed repository is such a redirect, and so is the CDN.
    """

    def __init__(self, login: Login) -> None:
        self._login = login

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Message,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Return the request that goes on at `newurl`."""
        following = super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        token = self._login.token
        if following is not None and token is not None and _same_origin(newurl, self._login.origin):
            following.add_unredirected_header("Authorization", f"Bearer {token.reveal()}")
        return following
