"""HTTP/1.1 framing taken off a response, read by read (RFC 9112 §6-7).

Bodies by `Content-Length`, in chunks, or up to the end of the connection; interim `1xx` answers
are passed over. Each read that brings body bytes is remembered with its arrival and with how long
the body had then become. Not aware of sockets, of what the body means, or of clocks.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias, final

_HEAD_MAX: Final = 65_536
_SWITCHING: Final = 101
_NO_BODY: Final = frozenset({_SWITCHING, 204, 304})
_DECIMAL: Final = re.compile(rb"[0-9]+")
_HEX: Final = re.compile(rb"[0-9A-Fa-f]+")
_Framing: TypeAlias = Literal["length", "chunked", "close"]


class MalformedResponse(Exception):
    """What came is not HTTP/1.1."""


@final
class ResponseReader:
    """One response. Feed it what arrived; `complete` says when the last byte is there.

    `content_encoding` names every coding of the body but the chunks (gzip …), `location` is the
    header of that name; both are empty where the head has none.
    """

    __slots__ = (
        "_framing",
        "_in_trailer",
        "_left",
        "_raw",
        "arrivals_ns",
        "body",
        "complete",
        "content_encoding",
        "ends",
        "keep_alive",
        "location",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.content_encoding = ""
        self.location = ""
        self.body = bytearray()
        self.arrivals_ns: list[int] = []
        self.ends: list[int] = []
        self.complete = False
        self.keep_alive = True
        self._raw = b""
        self._framing: _Framing | None = None
        self._left = 0
        self._in_trailer = False

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take one read that was stamped `at_ns`."""
        before = len(self.body)
        raw = self._raw + data if self._raw else data
        while self._framing is None and not self.complete:
            end = raw.find(b"\r\n\r\n")
            if end < 0:
                if len(raw) > _HEAD_MAX or not b"HTTP/1.".startswith(raw[:7]):
                    raise MalformedResponse("no HTTP/1.1 response head")
                self._raw = raw
                return
            self._read_head(raw[:end].split(b"\r\n"))
            raw = raw[end + 4 :]
        if self._framing == "chunked":
            raw = raw[self._read_chunks(raw) :]
        elif self._framing == "length":
            self.body += raw[: self._left]
            raw, self._left = raw[self._left :], max(0, self._left - len(raw))
            self.complete = self._left == 0
        elif self._framing == "close":
            self.body += raw
            raw = b""
        self._raw = raw
        if len(self.body) > before:
            self.arrivals_ns.append(at_ns)
            self.ends.append(len(self.body))
        if self.complete and raw:
            # Nothing was asked for that these bytes could answer.
            self.keep_alive = False

    def end_of_connection(self) -> bool:
        """The peer closed; return whether the response is whole all the same."""
        self.keep_alive = False
        if self._framing == "close":
            self.complete = True
        return self.complete

    def _read_head(self, lines: list[bytes]) -> None:
        self.status = _status(lines[0])
        if 100 <= self.status < 200 and self.status != _SWITCHING:  # noqa: PLR2004
            return  # an interim answer; the real one follows
        headers: dict[bytes, bytes] = {}
        for name, _, value in (line.partition(b":") for line in lines[1:]):
            key = name.strip().lower()
            # A field that stands twice is one list (RFC 9110 §5.3).
            headers[key] = headers[key] + b"," + value.strip() if key in headers else value.strip()
        self.location = headers.get(b"location", b"").decode(errors="replace")
        codings = _list(headers, b"content-encoding") + _list(headers, b"transfer-encoding")
        chunked = codings[-1:] == ["chunked"] and b"transfer-encoding" in headers
        self.content_encoding = ", ".join(c for c in codings if c not in {"chunked", "identity"})
        if "close" in _list(headers, b"connection") or lines[0].startswith(b"HTTP/1.0"):
            self.keep_alive = False
        if self.status in _NO_BODY:
            self.complete = True
        elif chunked:
            self._framing = "chunked"
        elif (length := headers.get(b"content-length")) is not None:
            self._framing, self._left = "length", _length(length)
        else:
            self._framing, self.keep_alive = "close", False

    def _read_chunks(self, raw: bytes) -> int:
        """Take what is whole; return how many bytes of `raw` that was."""
        at = 0
        while True:
            if self._left > 2:  # noqa: PLR2004 - the two bytes that end a chunk
                piece = raw[at : at + self._left - 2]
                self.body += piece
                self._left -= len(piece)
                at += len(piece)
                if self._left > 2:  # noqa: PLR2004
                    return at
            if self._left:
                if len(raw) < at + 2:
                    return at
                if raw[at : at + 2] != b"\r\n":
                    raise MalformedResponse("a chunk is longer than it says")
                at += 2
                self._left = 0
            end = raw.find(b"\r\n", at)
            if end < 0:
                if len(raw) - at > _HEAD_MAX:
                    raise MalformedResponse("a chunk without a size")
                return at
            line, at = raw[at:end], end + 2
            if self._in_trailer:
                if not line:
                    self.complete = True
                    return at
                continue
            size = _number(line.partition(b";")[0].strip(), _HEX, 16)
            if size:
                self._left = size + 2
            else:
                self._in_trailer = True


def _list(headers: dict[bytes, bytes], name: bytes) -> list[str]:
    words = headers.get(name, b"").decode(errors="replace").lower().split(",")
    return [word.strip() for word in words if word.strip()]


def _status(line: bytes) -> int:
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):  # noqa: PLR2004
        raise MalformedResponse(f"not a status line: {line[:60]!r}")
    return _number(words[1], _DECIMAL, 10)


def _length(text: bytes) -> int:
    lengths = {_number(each.strip(), _DECIMAL, 10) for each in text.split(b",")}
    if len(lengths) > 1:
        raise MalformedResponse(f"several lengths: {text[:40]!r}")
    return lengths.pop()


def _number(digits: bytes, pattern: re.Pattern[bytes], base: int) -> int:
    # int() alone would also take signs, underscores, spaces and prefixes.
    if not pattern.fullmatch(digits):
        raise MalformedResponse(f"not a number: {digits[:20]!r}")
    return int(digits, base)
