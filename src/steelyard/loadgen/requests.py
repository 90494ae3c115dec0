"""One HTTP/1.1 request as a caller sends it, read from bytes (RFC 9112 §2-7).

A body by `Content-Length` or in chunks; its bytes come out without framing. Not aware of sockets,
of what a body means, or of where the request goes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, final

from steelyard.loadgen import heads

_HEAD_MOST: Final = 65_536
_BODY_MOST: Final = 256 * 1024 * 1024  # pictures and films travel inside
_TOKEN: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET: Final = re.compile(rb"[\x21-\x7e]+")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_WORDS: Final = 3


class MalformedRequest(Exception):
    """What came is no request that is read here; `status` is what to answer."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@final
@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole. `headers` keep their order; their names are in small letters."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without a query, in which some callers put a key."""
        return self.target.partition("?")[0]

    @property
    def keeps_alive(self) -> bool:
        """Whether the caller's connection may carry another request."""
        return "close" not in self.header("connection").lower()

    def header(self, name: str) -> str:
        """Return a header's value; one that stands several times is a list (RFC 9110 §5.3)."""
        return ", ".join(value for key, value in self.headers if key == name)


@final
class RequestReader:
    """Reads request after request off what one connection has brought; `came` only grows here."""

    __slots__ = ("_begun", "_body", "_end", "came", "expects")

    def __init__(self) -> None:
        self.came = bytearray()
        self._begun: Request | None = None
        self._end = 0
        self._body: bytearray | None = None  # of chunks, while they come
        self.expects = False

    def take(self) -> Request | None:
        """Return the next whole request, or None while it is not all there.

        `expects` turns true when the caller waits for a word before it sends the body.

        Raises:
            MalformedRequest: it can become none, or is larger than is taken.
        """
        if self._begun is None and not self._read_head():
            return None
        begun = self._begun
        if begun is None:
            return None
        if begun.header("transfer-encoding"):
            body = self._chunked()
        else:
            end = self._end + _length(begun)
            body = bytes(self.came[self._end : end]) if len(self.came) >= end else None
            if body is not None:
                del self.came[:end]
        if body is None:
            return None
        self._begun, self._body, self.expects = None, None, False
        return Request(begun.method, begun.target, begun.headers, body)

    def _read_head(self) -> bool:
        while self.came.startswith(b"\r\n"):  # an empty line before a request is passed over
            del self.came[:2]
        end = self.came.find(heads.END)
        if end < 0:
            if len(self.came) > _HEAD_MOST:
                raise MalformedRequest(431, "the head of the request is too long")
            return False
        self._begun, self._end = _head(bytes(self.came[:end])), end + len(heads.END)
        _length(self._begun)
        self.expects = "100-continue" in self._begun.header("expect").lower()
        return True

    def _chunked(self) -> bytes | None:
        """Take the chunks off that are there; return the body once the trailer is there too."""
        if self._body is None:
            self._body = bytearray()
            del self.came[: self._end - 2]  # up to the line end before the first size
        body, at = self._body, 0
        while (found := heads.CHUNK.match(self.came, at)) and (size := int(found[1], 16)):
            if len(body) + size > _BODY_MOST:
                raise MalformedRequest(413, "the body of the request is too long")
            if len(self.came) < found.end() + size:
                break
            body += self.came[found.end() : found.end() + size]
            at = found.end() + size
        del self.came[:at]
        if found is None:
            try:
                heads.no_chunk_yet(self.came, 0)
            except heads.MalformedResponse as error:
                raise MalformedRequest(400, str(error)) from None
            return None
        return bytes(body) if not size and self._trailer_is_off(found.end() - at) else None

    def _trailer_is_off(self, at: int) -> bool:
        """Take off what is behind the last chunk, which no one reads; False while it comes."""
        while (end := self.came.find(b"\r\n", at)) != at:
            if max(end, at) > _HEAD_MOST or (end < 0 and len(self.came) > _HEAD_MOST):
                raise MalformedRequest(431, "what follows the last chunk is too long")
            if end < 0:
                return False
            at = end + 2
        del self.came[: at + 2]
        return True


def _head(text: bytes) -> Request:
    line, *lines = text.split(b"\r\n")
    words = line.split(b" ")
    if len(words) != _WORDS or not words[2].startswith(b"HTTP/"):
        raise MalformedRequest(400, "that is no HTTP request")
    method, target, version = words
    if version != b"HTTP/1.1":
        raise MalformedRequest(505, "only HTTP/1.1 is spoken here")
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target) or target[:1] != b"/":
        raise MalformedRequest(400, "the request asks for no path of this server")
    headers = []
    for each in lines:
        name, colon, value = each.partition(b":")
        if not colon or not _TOKEN.fullmatch(name) or b"\n" in value or b"\r" in value:
            raise MalformedRequest(400, "a header of the request is malformed")
        headers.append((name.decode().lower(), value.strip().decode("latin-1")))
    return Request(method.decode(), target.decode(), tuple(headers))


def _length(begun: Request) -> int:
    coding, told = begun.header("transfer-encoding").lower(), begun.header("content-length")
    if coding and (told or coding != "chunked"):  # two lengths: whoever believes the other is lost
        raise MalformedRequest(400, "the length of the request is said in two ways, or in none")
    if not told:
        return 0
    if not _LENGTH.fullmatch(told):
        raise MalformedRequest(400, "the length of the request is no number")
    if (length := int(told)) > _BODY_MOST:
        raise MalformedRequest(413, "the body of the request is too long")
    return length
