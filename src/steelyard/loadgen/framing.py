"""Is a response whole? The least that has to be known of HTTP/1.1 while the clock runs.

The bytes of a response are kept as they came and are taken apart afterwards (`loadgen.response`);
here it is only found out where it ends, with one pass over its chunk sizes (RFC 9112 §6-7). Not
aware of sockets, stamps or bodies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from steelyard.loadgen.response import MalformedResponse

BodyFraming: TypeAlias = Literal["length", "chunked", "close"]

_HEAD_MAX: Final = 65_536
_NO_BODY: Final = frozenset({204, 304})
_INTERIM: Final = range(100, 200)
_END: Final = b"\r\n\r\n"


@final
@dataclass(frozen=True, slots=True)
class Head:
    """What a response's head says of its body; `length` is 0 unless the framing is by length."""

    status: int
    framing: BodyFraming
    length: int
    keep_alive: bool


@final
class Framing:
    """Where one response ends. `take` looks at what has come so far and says whether it is whole.

    `chunked` is true once that is known: then it can only end where an empty line does.
    """

    __slots__ = ("_at", "_trailer", "_wanted", "chunked", "head")

    def __init__(self) -> None:
        self.head: Head | None = None
        self._wanted = 0
        self.chunked = False
        self._at = 0
        self._trailer = False

    def take(self, raw: bytearray) -> bool:
        """Return whether `raw`, which only grows, holds the whole response."""
        if self.head is None and not self._read_head(raw):
            return False
        head = self.head
        if head is None or head.framing == "close":
            return False
        if self.chunked:
            return raw.endswith(_END) and self._walk(raw)
        return len(raw) >= self._wanted

    def ends_with_connection(self) -> bool:
        """Say whether the end of the connection is the end of the response."""
        return self.head is not None and self.head.framing == "close"

    def keeps_alive(self, raw: bytearray) -> bool:
        """Say whether the connection of this whole response can carry another request."""
        if self.head is None or not self.head.keep_alive:
            return False
        # Nothing was asked for that further bytes could answer.
        return len(raw) == (self._at if self.chunked else self._wanted)

    def _read_head(self, raw: bytearray) -> bool:
        while (end := raw.find(_END, self._at)) >= 0:
            head = _head(bytes(raw[self._at : end]))
            self._at = end + len(_END)
            if head.status not in _INTERIM:
                self.head = head
                self.chunked = head.framing == "chunked"
                self._wanted = self._at + head.length
                return True
        begun = bytes(raw[self._at : self._at + 7])
        if len(raw) - self._at > _HEAD_MAX or not b"HTTP/1.".startswith(begun):
            raise MalformedResponse("no HTTP/1.1 response head")
        return False

    def _walk(self, raw: bytearray) -> bool:
        """Step from chunk to chunk; come back to where this one began when it is not all there."""
        find, at, size = raw.find, self._at, len(raw)
        while not self._trailer:
            end = find(b"\r\n", at)
            if end < 0:
                break
            try:
                length = int(raw[at:end].partition(b";")[0], 16)
            except ValueError:
                raise MalformedResponse(f"not a length: {bytes(raw[at : at + 20])!r}") from None
            after = end + 2
            if length:
                after += length + 2
                if after > size:
                    break
            else:
                self._trailer = True
            at = after
        self._at = at
        return self._trailer and self._walk_trailer(raw)

    def _walk_trailer(self, raw: bytearray) -> bool:
        while (end := raw.find(b"\r\n", self._at)) >= 0:
            empty = end == self._at
            self._at = end + 2
            if empty:
                return True
        return False


def _head(text: bytes) -> Head:
    line, *lines = text.split(b"\r\n")
    words = line.split(None, 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1."):  # noqa: PLR2004 - version and status
        raise MalformedResponse(f"not a status line: {line[:60]!r}")
    status = _number(words[1])
    headers = {
        name.strip().lower(): value.strip().lower()
        for name, _, value in (each.partition(b":") for each in lines)
    }
    alive = headers.get(b"connection") != b"close" and not line.startswith(b"HTTP/1.0")
    if status in _NO_BODY or status in _INTERIM:
        return Head(status, "length", 0, alive)
    if headers.get(b"transfer-encoding", b"").endswith(b"chunked"):
        return Head(status, "chunked", 0, alive)
    if (length := headers.get(b"content-length")) is not None:
        return Head(status, "length", _number(length), alive)
    return Head(status, "close", 0, keep_alive=False)


def _number(digits: bytes) -> int:
    # int() would also take signs, underscores and spaces.
    if not digits.isdigit():
        raise MalformedResponse(f"not a length: {digits[:20]!r}")
    return int(digits)
