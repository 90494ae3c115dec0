"""HTTP/1.1 framing taken off a response, read by read (RFC 9112 §6-7).

Bodies by `Content-Length`, in chunks, or up to the end of the connection; interim `1xx` answers
are passed over. Each read that brings body bytes is remembered with its arrival and with how long
the body had then become. Not aware of sockets, of what the body means, or of clocks.
"""

from __future__ import annotations

from typing import final

from steelyard.loadgen import heads
from steelyard.loadgen.heads import BodyFraming


@final
class ResponseReader:
    """One response. Feed it what arrived; `complete` says when the last byte is there.

    Where only the end of the connection says so, it never does: `loadgen.framing` knows that.
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
        self._framing: BodyFraming | None = None
        self._left = 0
        self._in_trailer = False

    def feed(self, data: bytes, at_ns: int) -> None:
        """Take one read that was stamped `at_ns`."""
        before = len(self.body)
        raw = self._raw + data if self._raw else data
        if self._framing is None and not (raw := self._read_head(raw)):
            return
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

    def _read_head(self, raw: bytes) -> bytes:
        """Take the head off when it is all there; return what follows it."""
        head, at = heads.final_head(raw)
        self._raw = raw[at:]
        if head is None:
            return b""
        self.status, self.keep_alive = head.status, head.keep_alive
        self.content_encoding, self.location = head.content_encoding, head.location
        self._framing, self._left = head.framing, head.length
        self.complete = head.framing == "length" and not head.length
        if head.framing == "chunked":
            self._raw = raw[at - 2 :]  # with the line end before the first size
        return self._raw

    def _read_chunks(self, raw: bytes) -> int:
        """Take what is whole; return how many bytes of `raw` that was."""
        at = 0
        while not self.complete:
            if self._left:
                piece = raw[at : at + self._left]
                self.body += piece
                self._left -= len(piece)
                at += len(piece)
                if self._left:
                    break
            if self._in_trailer:
                end = raw.find(b"\r\n", at)
                if end < 0:
                    break
                self.complete = end == at
                at = end + 2
                continue
            found = heads.CHUNK.match(raw, at)
            if found is None:
                heads.no_chunk_yet(raw, at)
                break
            self._left, at = int(found[1], 16), found.end()
            self._in_trailer = not self._left
        return at
