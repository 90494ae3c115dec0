"""HTTP/1.1 framing taken off a response, read by read (RFC 9112 §6-7).

Bodies by `Content-Length`, in chunks, or up to the end of the connection; interim `1xx` answers
are passed over. Each read that brings body bytes is remembered with its arrival and with how long
the body had then become. Not aware of sockets, of what the body means, or of clocks.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, final

_HEAD_MAX: Final = 65_536
_NO_BODY: Final = frozenset({204, 304})
_Framing: TypeAlias = Literal["length", "chunked", "close"]


class MalformedResponse(Exception):
    """What came is not HTTP/1.1."""


@final
class ResponseReader:
    """One response. Feed it what arrived; `complete` says when the last byte is there."""

    __slots__ = (
        "_framing",
        "_in_trailer",
        "_left",
        "_raw",
        "arrivals_ns",
        "body",
        "complete",
        "ends",
        "keep_alive",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self.arrivals_ns: list[int] = []
        self.ends: list[int] = []
        self.complete = False
        self.keep_alive = True
        self._raw = bytearray()
        self._framing: _Framing | None = None
        self._left = 0
        self._in_trailer = False

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take one read that returned at `at_ns`."""
        before = len(self.body)
        self._raw += data
        while self._framing is None and not self.complete:
            if not self._read_head():
                return
        if self._framing == "chunked":
            self._read_chunks()
        elif self._framing == "length":
            self._take(min(self._left, len(self._raw)))
            self.complete = self._left == 0
        elif self._framing == "close":
            self._left = len(self._raw)
            self._take(self._left)
        if len(self.body) > before:
            self.arrivals_ns.append(at_ns)
            self.ends.append(len(self.body))
        if self.complete and self._raw:
            # Nothing was asked for that these bytes could answer.
            self.keep_alive = False

    def end_of_connection(self) -> bool:
        """The peer closed; return whether the response is whole all the same."""
        self.keep_alive = False
        if self._framing == "close":
            self.complete = True
        return self.complete

    def _read_head(self) -> bool:
        end = self._raw.find(b"\r\n\r\n")
        if end < 0:
            if len(self._raw) > _HEAD_MAX or not b"HTTP/1.".startswith(bytes(self._raw[:7])):
                raise MalformedResponse("no HTTP/1.1 response head")
            return False
        lines = bytes(self._raw[:end]).split(b"\r\n")
        del self._raw[: end + 4]
        self.status = _status(lines[0])
        if 100 <= self.status < 200:  # noqa: PLR2004 - interim answers; the real one follows
            return True
        headers = {
            name.strip().lower(): value.strip().lower()
            for name, _, value in (line.partition(b":") for line in lines[1:])
        }
        if headers.get(b"connection") == b"close" or lines[0].startswith(b"HTTP/1.0"):
            self.keep_alive = False
        if self.status in _NO_BODY:
            self.complete = True
        elif headers.get(b"transfer-encoding", b"").endswith(b"chunked"):
            self._framing = "chunked"
        elif (length := headers.get(b"content-length")) is not None:
            self._framing, self._left = "length", _number(length, 10)
        else:
            self._framing, self.keep_alive = "close", False
        return True

    def _read_chunks(self) -> None:
        while True:
            if self._left > 2:  # noqa: PLR2004 - the two bytes that end a chunk
                self._take(min(self._left - 2, len(self._raw)))
                if self._left > 2:  # noqa: PLR2004
                    return
            if self._left:
                if len(self._raw) < self._left:
                    return
                if self._raw[:2] != b"\r\n":
                    raise MalformedResponse("a chunk is longer than it says")
                del self._raw[:2]
                self._left = 0
            end = self._raw.find(b"\r\n")
            if end < 0:
                if len(self._raw) > _HEAD_MAX:
                    raise MalformedResponse("a chunk without a size")
                return
            line = bytes(self._raw[:end])
            del self._raw[: end + 2]
            if self._in_trailer:
                if not line:
                    self.complete = True
                    return
                continue
            size = _number(line.partition(b";")[0].strip(), 16)
            if size:
                self._left = size + 2
            else:
                self._in_trailer = True

    def _take(self, count: int) -> None:
        if count:
            self.body += self._raw[:count]
            del self._raw[:count]
            self._left -= count


def _status(line: bytes) -> int:
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):  # noqa: PLR2004
        raise MalformedResponse(f"not a status line: {line[:60]!r}")
    return _number(words[1], 10)


def _number(digits: bytes, base: int) -> int:
    # int() would also take signs, underscores and spaces.
    if not digits or not digits.isalnum():
        raise MalformedResponse(f"not a length: {digits[:20]!r}")
    try:
        return int(digits, base)
    except ValueError:
        raise MalformedResponse(f"not a length: {digits[:20]!r}") from None
